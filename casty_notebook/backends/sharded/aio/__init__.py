"""The only room of this backend with asyncio, sockets and the clock: links, the pump, `ClusterClient`, its doctor.

It carries out what `session.Session` wants and tells it what happened; it decides nothing itself.
Start reading at `client`, then `pump`, then `link`.
"""
