"""Opening a connection: address map, name resolution, TCP, TLS, and a reason in words when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping

from casty_notebook.address import NodeAddress, check_host, check_port
from casty_notebook.errors import InvalidAddress, MisuseError
from casty_notebook.net.endpoint_probe import (
    Connector,
    DialFailed,
    foreign_answer,
    only_listens,
    os_reason,
    speaks_casty,
    speaks_tls,
)
from casty_notebook.net.name_lookup import Found, Resolver
from casty_notebook.net.tls import TLS, Certificates
from casty_notebook.net.tls_stream import open_tls
from casty_notebook.recognition import HELLO_030, SILENT_014, is_virtual
from casty_notebook.settings import Settings

__all__ = ["AddressMap", "Connector", "DialFailed", "Dialler", "map_address"]

NEEDS_TLS = "a node with TLS answers there: pass tls=TLS(certfile, keyfile, cafile)"

TLS_IS_LATE = 0.4
"""If a TLS handshake is not answered for so many seconds, find out whether the node speaks TLS at all."""

MAP_HINT = "if it is reached under another address from here, say so in address_map="

MOST_SHUNNED = 4096
"""Addresses that took a connection and never answered the handshake, and names whose addresses are remembered."""

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
    files
        Where `tls` was made from: made anew when they have changed.
    greeting
        Makes the first words of a client, under an identity that is never used again: what a living node without TLS answers.

    Raises
    ------
    MisuseError
        If the address map has a key that is no node's address, and so could match nothing.
    """

    def __init__(
        self, settings: Settings, address_map: AddressMap, tls: ssl.SSLContext | None, server_hostname: str | None,
        connector: Connector | None = None, *, files: TLS | None = None, greeting: Callable[[], bytes] = lambda: HELLO_030,
    ) -> None:  # fmt: skip
        _check_map(address_map)
        self._settings = settings
        self._address_map = address_map
        self._certificates = Certificates(tls, files)
        self._resolver = Resolver(settings.resolve_timeout)
        self._shunned: dict[tuple[str, str], None] = {}
        self._found: dict[str, Found] = {}
        self._server_hostname = server_hostname
        self._greeting = greeting
        self._connector = connector
        self._reach: Connector = connector or self._connect
        self._met_tls = False
        self.on_virtual: Callable[[NodeAddress], None] | None = None
        """Told of each contact point where a node of casty 0.30 answers."""

    async def _reach_inside(self, address: NodeAddress, protocol: asyncio.Protocol) -> None:
        """Connect to an address as links do: inside TLS if they are."""
        if self._tls is None:
            await self._reach(address, protocol)
        else:
            await self._secure(self._tls, address, protocol)

    @property
    def tunnelled(self) -> bool:
        """Whether nodes are reached through a connector (SSH). Host names are then resolved at its other end."""
        return self._connector is not None

    @property
    def secure(self) -> bool:
        """Whether links use TLS."""
        return self._certificates.context is not None

    @property
    def _tls(self) -> ssl.SSLContext | None:
        return self._certificates.context

    async def look_up(self, host: str) -> Found:
        """Addresses of a name. Those that accepted a connection and did not answer come last, the latest of them at the very end.

        Raises
        ------
        DialFailed
            If it does not resolve.
        """
        found = await self._resolver.look_up(host)
        self._found.pop(host, None)
        self._found[host] = found
        if len(self._found) > MOST_SHUNNED:
            del self._found[next(iter(self._found))]
        turns = {literal: turn for turn, (name, literal) in enumerate(self._shunned) if name == host}
        return tuple(sorted(found, key=lambda each: turns.get(each[1], -1)))

    def unanswered(self, address: NodeAddress, reached: str | None) -> bool:
        """A connection to `address`, at the literal `reached`, ended before the handshake was answered.

        If it is one of several addresses of a host name, another one is tried first next time. Returns True if some address of
        the name was not tried yet: the name as a whole may still work then.
        """
        with contextlib.suppress(DialFailed):
            host = map_address(self._address_map, address).host
            if reached is not None and not _is_literal(host):
                self._shunned.pop((host, reached), None)
                self._shunned[host, reached] = None
                if len(self._shunned) > MOST_SHUNNED:
                    del self._shunned[next(iter(self._shunned))]
                return any((host, literal) not in self._shunned for _, literal in self._found.get(host, ()))
        return False

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
            check_host(where.host)
            self._certificates.renew()
            await self._open(where, protocol)
        except DialFailed as failure:
            raise DialFailed(f"{failure}{via}", verdict=failure.verdict) from None
        except TimeoutError:
            seconds = self._settings.connect_timeout
            hint = "" if via or self.tunnelled else f"; {MAP_HINT}"
            raise DialFailed(f"no answer to the connection attempt within {seconds:g} s{via}{hint}") from None
        except ssl.SSLError as error:
            raise DialFailed(f"{_tls_reason(error)}{via}", verdict=True) from None
        except ConnectionRefusedError:
            raise DialFailed(f"connection refused{via}") from None
        except OSError as error:
            raise DialFailed(f"{os_reason(error)}{via}") from None
        except Exception as error:
            # Anything else (a connector of the user's own, a host that only the system refuses) must end as a failed dial, too.
            raise DialFailed(f"cannot be dialled: {type(error).__name__}: {str(error)[:200]}{via}") from error

    async def explain(self, address: NodeAddress, reason: str) -> tuple[str, bool]:
        """Say more of a plain connection that ended without a word, and whether that is a verdict (see `DialFailed`)."""
        try:
            where = map_address(self._address_map, address)
        except DialFailed:
            return reason, False
        if self._tls is None and await speaks_tls(self._reach, where):
            return NEEDS_TLS, True
        if (foreign := await foreign_answer(self._reach_inside, where)) is not None:
            if is_virtual(foreign.answer) and self.on_virtual is not None:
                self.on_virtual(address)
            return foreign.said, True
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
        listening = only_listens(self._reach, where, self._greeting())
        said, listens = await asyncio.gather(foreign_answer(self._reach, where), listening)
        return said.said if said is not None else SILENT_014 if listens else None

    async def _open(self, where: NodeAddress, protocol: asyncio.Protocol) -> None:
        if self._tls is None:
            await self._reach(where, protocol)
        elif self._met_tls:
            await self._secure(self._tls, where, protocol)
        else:
            await self._open_cautiously(self._tls, where, protocol)
            self._met_tls = True

    async def _open_cautiously(self, tls: ssl.SSLContext, where: NodeAddress, protocol: asyncio.Protocol) -> None:
        """Open a TLS connection, and meanwhile find out whether the node is a plain one.

        A plain node never answers a ClientHello (PROTOCOL section 1.3), so the handshake alone would only time out.
        """
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
        return await speaks_casty(self._reach, where, self._greeting())

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
        name = None if tls is None else hostname or address.host
        # The look-up has a timeout of its own, outside the node's: a slow resolver says nothing about the node.
        found = () if _is_literal(address.host) else await self.look_up(address.host)
        async with asyncio.timeout(self._settings.connect_timeout):
            if len(found) > 1:
                sock = await _race(loop, found, address.port, self._settings.contact_stagger)
                try:
                    await loop.create_connection(lambda: protocol, sock=sock, ssl=tls, server_hostname=name)
                except BaseException:
                    sock.close()
                    raise
                return
            host = found[0][1] if found else address.host
            await loop.create_connection(lambda: protocol, host, address.port, ssl=tls, server_hostname=name)


async def _race(loop: asyncio.AbstractEventLoop, found: Found, port: int, stagger: float) -> socket.socket:
    """A socket connected to the first address that answers; each has a head start on the next (RFC 8305)."""
    trying: list[asyncio.Task[socket.socket]] = []
    won: socket.socket | None = None
    try:
        for family, literal in found:
            trying.append(asyncio.ensure_future(_open_socket(loop, family, literal, port)))
            await asyncio.wait([each for each in trying if not each.done()], timeout=stagger, return_when=asyncio.FIRST_COMPLETED)
            if (won := _winner(trying)) is not None:
                return won
        while running := [each for each in trying if not each.done()]:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            if (won := _winner(trying)) is not None:
                return won
        return trying[0].result()
    finally:
        for each in trying:
            each.cancel()
        for late in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(late, socket.socket) and late is not won:
                late.close()


def _winner(trying: list[asyncio.Task[socket.socket]]) -> socket.socket | None:
    return next((each.result() for each in trying if each.done() and each.exception() is None), None)


async def _open_socket(loop: asyncio.AbstractEventLoop, family: int, literal: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, (literal, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _check_map(address_map: AddressMap) -> None:
    if address_map is None or (callable(address_map) and not isinstance(address_map, Mapping)):
        return
    if not isinstance(address_map, Mapping):
        raise MisuseError(f"address_map takes a dict or a function, not {type(address_map).__name__}")
    for key in address_map:
        try:
            host, port = key
            check_host(host)
            check_port(port)
        except (TypeError, ValueError, InvalidAddress):
            raise MisuseError(
                f"address_map has the key {key!r}, which no node's address equals; write pairs of host and port number: "
                '{("10.0.1.10", 25520): ("localhost", 9001)}'
            ) from None


def _is_literal(host: str) -> bool:
    """Whether a host is an address itself. Then there is no race of addresses, which can leak a socket when it is cancelled."""
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
