"""The only room with asyncio, sockets, TLS, threads and the clock: links, the pump, `ClusterClient`, the background loop.

It carries out what `cluster.Session` wants and tells it what happened; it decides nothing itself.
Start reading at `client`, then `pump`, then `link`.
"""
