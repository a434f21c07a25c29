"""Clusters of casty 0.15 to 0.21: shards, a coordinator, services in a registry, snapshots pushed (docs/protocol-sharded.md).

`wire` turns bytes into envelopes and back, `codec` payloads into values, `session` decides, and `aio` does it with asyncio.
Start reading at `session.session.Session.handle`, or at `aio.client.ClusterClient` for what a user sees.
"""
