"""Opening a connection: address map, name resolution, TCP, TLS, and a reason in words when it fails."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from casty_notebook.address import NodeAddress, check_host, check_port
from casty_notebook.errors import InvalidAddress, MisuseError
from casty_notebook.runtime.diagnosis import (
    Connector,
    DialFailed,
    foreign_answer,
    only_listens,
    os_reason,
    speaks_casty,
    speaks_tls,
)
from casty_notebook.runtime.relay import open_tls
from casty_notebook.settings import Settings
from casty_notebook.wire import SILENT_014

__all__ = ["AddressMap", "Connector", "DialFailed", "Dialler", "map_address"]

NEEDS_TLS = "a node with TLS answers there: pass tls=TLS(certfile, keyfile, cafile)"

TLS_IS_LATE = 0.4
"""Seconds after which a TLS handshake without an answer is a reason to see whether the node speaks TLS at all."""

type AddressMap = (
    Mapping[tuple[str, int], tuple[str, int]] | Callable[[tuple[str, int]], tuple[str, int] | None] | None
)


def map_address(address_map: AddressMap, address: NodeAddress) -> NodeAddress:
    """Where to dial a node: its entry in the map, or itself where the map has none.

    Raises
    ------
    DialFailed
        If the map raises, or gives something that is no address.

    Examples
    --------
    >>> map_address({("10.0.1.10", 25520): ("localhost", 9001)}, NodeAddress("10.0.1.10", 25520))
    NodeAddress(host='localhost', port=9001)
    >>> map_address(lambda node: None, NodeAddress("10.0.1.10", 25520))
    NodeAddress(host='10.0.1.10', port=25520)
    """
    if address_map is None:
        return address
    try:
        mapped = address_map.get(address) if isinstance(address_map, Mapping) else address_map(address)
    except BaseException as error:
        # Its author's, `SystemExit` too: out of a dial it would end the loop, and the dial would never be heard of again.
        raise DialFailed(f"the address map raised {type(error).__name__}: {error}") from error
    if mapped is None:
        return address
    try:
        host, port = mapped
        return NodeAddress(check_host(host), check_port(port))
    except (TypeError, ValueError, InvalidAddress) as error:
        raise DialFailed(f"the address map gives {mapped!r} for {address}, expected (host, port): {error}") from error


class Dialler:
    """Opens links. A failed one always says why in words that name the address really dialled.

    Parameters
    ----------
    tls, server_hostname
        TLS for every link, and the name to verify in the nodes' certificates (None: the address dialled).
    connector
        The way to the nodes, if it is not plain TCP. TLS then runs inside it.
    """

    def __init__(
        self, settings: Settings, address_map: AddressMap, tls: ssl.SSLContext | None, server_hostname: str | None,
        connector: Connector | None = None,
    ) -> None:  # fmt: skip
        if address_map is not None and not callable(address_map) and not isinstance(address_map, Mapping):
            raise MisuseError(f"address_map takes a dict or a function, not {type(address_map).__name__}")
        self._settings = settings
        self._address_map = address_map
        self._tls = tls
        self._server_hostname = server_hostname
        self._connector = connector
        self._reach: Connector = connector or self._connect
        self._met_tls = False

    @property
    def tunnelled(self) -> bool:
        """The way to the nodes is not this machine's own TCP: names are resolved at its other end."""
        return self._connector is not None

    @property
    def secure(self) -> bool:
        """Links are TLS."""
        return self._tls is not None

    def mapped(self, address: NodeAddress) -> NodeAddress:
        """Where a node is dialled; raises `DialFailed` if the address map does not say."""
        return map_address(self._address_map, address)

    async def dial(self, address: NodeAddress, protocol: asyncio.Protocol) -> None:
        """Connect `protocol` to the node at `address`.

        Raises
        ------
        DialFailed
            With the reason in words.
        """
        where = map_address(self._address_map, address)
        via = f" (mapped to {where})" if where != address else ""
        try:
            await self._open(where, protocol)
        except DialFailed as failure:
            raise DialFailed(f"{failure}{via}", verdict=failure.verdict) from None
        except TimeoutError:
            seconds = self._settings.connect_timeout
            raise DialFailed(f"no answer to the connection attempt within {seconds:g} s{via}") from None
        except ssl.SSLError as error:
            raise DialFailed(f"{_tls_reason(error)}{via}", verdict=True) from None
        except ConnectionRefusedError:
            raise DialFailed(f"connection refused{via}") from None
        except OSError as error:
            raise DialFailed(f"{os_reason(error)}{via}") from None

    async def explain(self, address: NodeAddress, reason: str) -> tuple[str, bool]:
        """Say more of a plain connection that ended without a word, and whether that is a verdict (see `DialFailed`)."""
        try:
            where = map_address(self._address_map, address)
        except DialFailed:
            return reason, False
        if self._tls is None and await speaks_tls(self._reach, where):
            return NEEDS_TLS, True
        if self._tls is None and (said := await foreign_answer(self._reach, where)):
            return said, True
        if where != address:
            return f"{reason}, or {where}, which it is mapped to, is a tunnel whose far end does not reach the node", False
        return reason, False

    async def explain_silence(self, address: NodeAddress) -> str | None:
        """Say what takes the handshake there and does not answer, if it can be told from a node that stands still."""
        try:
            where = map_address(self._address_map, address)
        except DialFailed:
            return None
        if self._tls is not None:
            return None
        said, listens = await asyncio.gather(foreign_answer(self._reach, where), only_listens(self._reach, where))
        return said or (SILENT_014 if listens else None)

    async def _open(self, where: NodeAddress, protocol: asyncio.Protocol) -> None:
        if self._tls is None:
            await self._reach(where, protocol)
        elif self._met_tls:
            await self._secure(self._tls, where, protocol)
        else:
            await self._open_cautiously(self._tls, where, protocol)
            self._met_tls = True

    async def _open_cautiously(self, tls: ssl.SSLContext, where: NodeAddress, protocol: asyncio.Protocol) -> None:
        """A plain node never answers a ClientHello (PROTOCOL section 1.3): ask it in its own way meanwhile."""
        dialling = asyncio.ensure_future(self._secure(tls, where, protocol))
        plain = asyncio.ensure_future(self._is_plain(where))
        try:
            await asyncio.wait((dialling, plain), return_when=asyncio.FIRST_COMPLETED)
            if not dialling.done() and plain.result():
                raise DialFailed("a node without TLS answers there: leave out tls=", verdict=True)
            await dialling
        finally:
            dialling.cancel()
            plain.cancel()
            await asyncio.gather(dialling, plain, return_exceptions=True)

    async def _is_plain(self, where: NodeAddress) -> bool:
        await asyncio.sleep(TLS_IS_LATE)
        return await speaks_casty(self._reach, where)

    async def _secure(self, tls: ssl.SSLContext, where: NodeAddress, protocol: asyncio.Protocol) -> None:
        hostname = self._server_hostname or where.host
        try:
            if self._connector is None:
                await self._connect(where, protocol, tls, hostname)
            else:
                await open_tls(self._connector, where, protocol, tls, hostname, self._settings.connect_timeout)
        except (ConnectionResetError, ConnectionAbortedError):
            raise DialFailed(
                "closed the connection during the TLS handshake: it probably rejected our client certificate "
                "(see tls=), or speaks no TLS",
                verdict=True,
            ) from None

    async def _connect(
        self, address: NodeAddress, protocol: asyncio.Protocol, tls: ssl.SSLContext | None = None,
        hostname: str | None = None,
    ) -> None:  # fmt: skip
        loop = asyncio.get_running_loop()
        # uvloop's own way to connect knows no race between addresses.
        raced = isinstance(loop, asyncio.BaseEventLoop) and not _is_literal(address.host)
        options: dict[str, Any] = {"happy_eyeballs_delay": self._settings.contact_stagger} if raced else {}
        async with asyncio.timeout(self._settings.connect_timeout):
            await loop.create_connection(
                lambda: protocol, address.host, address.port, ssl=tls, server_hostname=hostname, **options
            )


def _is_literal(host: str) -> bool:
    """An address that needs no resolving: it has nothing to race, and cancelling asyncio's race can leak its socket."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        name = "mismatch" in error.verify_message
        hint = "server_hostname= is the name to verify" if name else "cafile= is the authority to trust"
        return f"its TLS certificate was not accepted: {error.verify_message} ({hint})"
    if error.reason and "WRONG_VERSION" in error.reason:
        return "what answers there does not speak TLS: leave out tls="
    if error.reason and "ALERT" in error.reason:
        return f"it rejected our client certificate or TLS version: {_words(error.reason)}"
    return f"TLS failed: {_words(error.reason or str(error))}"


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
