"""asyncio: the sockets, the clock and chance of this backend, and `VirtualClient`, what a user sees of it.

Start reading at `client.VirtualClient`; `pump` runs what the session decides, `link` is one connection.
"""
