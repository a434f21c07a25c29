"""Clusters of casty 0.30: virtual actors on a hash ring, and members with opinions of each other (docs/protocol-virtual.md).

`wire` turns bytes into messages and back, `codec` messages into values, `session` decides, and `aio` does it with asyncio.
Start reading at `session.session.Session.handle`, or at `aio.client.VirtualClient` for what a user sees.
"""
