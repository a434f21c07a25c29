"""TLS inside something that is not a socket: a pair of connected sockets, one end TLS, the other relayed into it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import cast

from casty_notebook.address import NodeAddress
from casty_notebook.net.endpoint_probe import Connector

__all__ = ["open_tls"]


class _End(asyncio.Protocol):
    """One of two ends, each giving to the other what it receives, no faster than the other can take it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End = self
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.ended:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.other.end(flush=exc is None)

    def end(self, *, flush: bool = False) -> None:
        if self.ended:
            return
        self.ended = True
        if self.transport is not None:
            if flush:
                self.transport.close()
            else:
                self.transport.abort()


async def open_tls(
    reach: Connector, address: NodeAddress, protocol: asyncio.Protocol, tls: ssl.SSLContext, hostname: str,
    timeout: float,
) -> None:  # fmt: skip
    """Connect `protocol` to `address` by TLS that runs inside what `reach` opens.

    asyncio can start TLS on its own transports only, and an SSH channel is none.

    Raises
    ------
    OSError, TimeoutError
        As `asyncio.loop.create_connection` with ``ssl=``; TLS itself has `timeout` seconds.
    """
    loop = asyncio.get_running_loop()
    near, far = _End(), _End()
    near.other, far.other = far, near
    try:
        await reach(address, far)
        ours, theirs = socket.socketpair()
        try:
            await loop.create_connection(lambda: near, sock=theirs)
        except BaseException:
            ours.close()
            raise
        async with asyncio.timeout(timeout):
            await loop.create_connection(lambda: protocol, sock=ours, ssl=tls, server_hostname=hostname)
    except BaseException:
        far.end()
        near.end()
        raise
