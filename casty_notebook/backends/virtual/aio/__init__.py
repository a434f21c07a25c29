"""The asyncio part of this backend: its sockets, clock and random numbers, and `VirtualClient`, which users see.

Start reading at `client.VirtualClient`; `pump` runs what the session decides, `link` is one connection.
"""
