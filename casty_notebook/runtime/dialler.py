"""Opening a connection: address map, name resolution, TCP, TLS, and a reason in words when it fails."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
from collections.abc import Callable, Mapping
from typing import Protocol

from casty_notebook.address import NodeAddress, check_host, check_port
from casty_notebook.errors import InvalidAddress
from casty_notebook.runtime.link import LinkProtocol
from casty_notebook.settings import Settings

__all__ = ["AddressMap", "Connector", "DialFailed", "Dialler", "map_address"]

type AddressMap = (
    Mapping[tuple[str, int], tuple[str, int]] | Callable[[tuple[str, int]], tuple[str, int] | None] | None
)


class DialFailed(Exception):
    """Why a connection could not be opened, in words."""


class Connector(Protocol):
    """A way to a host and port: plain TCP, or through something (an SSH connection)."""

    async def __call__(self, address: NodeAddress, protocol: LinkProtocol) -> None: ...


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
    except Exception as error:  # noqa: BLE001 - the user's own function may raise anything
        raise DialFailed(f"the address map raised {type(error).__name__}: {error}") from error
    if mapped is None:
        return address
    try:
        host, port = mapped
        return NodeAddress(check_host(host), check_port(port))
    except (TypeError, ValueError, InvalidAddress) as error:
        raise DialFailed(f"the address map gives {mapped!r} for {address}, expected (host, port): {error}") from error


class Dialler:
    """Opens links. A failed one always says why in words that name the address really dialled."""

    def __init__(
        self, settings: Settings, address_map: AddressMap, tls: ssl.SSLContext | None, server_hostname: str | None,
        connector: Connector | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._address_map = address_map
        self._tls = tls
        self._server_hostname = server_hostname
        self._connector = connector or self._connect

    async def dial(self, address: NodeAddress, protocol: LinkProtocol) -> None:
        """Connect `protocol` to the node at `address`.

        Raises
        ------
        DialFailed
            With the reason in words.
        """
        where = map_address(self._address_map, address)
        via = f" (mapped to {where})" if where != address else ""
        timeout = self._settings.connect_timeout
        try:
            async with asyncio.timeout(timeout):
                await self._connector(where, protocol)
        except TimeoutError:
            raise DialFailed(f"no answer to the connection attempt within {timeout:g} s{via}") from None
        except ssl.SSLCertVerificationError as error:
            raise DialFailed(f"its TLS certificate was not accepted{via}: {error.verify_message}") from None
        except ssl.SSLError as error:
            hint = "it may be a plain node, which needs no tls=" if "WRONG_VERSION" in str(error) else "see tls="
            raise DialFailed(f"TLS failed{via}: {error.reason or error}; {hint}") from None
        except ConnectionRefusedError:
            raise DialFailed(f"connection refused{via}") from None
        except OSError as error:
            raise DialFailed(f"{_os_reason(error)}{via}") from None

    async def _connect(self, address: NodeAddress, protocol: LinkProtocol) -> None:
        loop = asyncio.get_running_loop()
        hostname = (self._server_hostname or address.host) if self._tls is not None else None
        await loop.create_connection(
            lambda: protocol, address.host, address.port, ssl=self._tls, server_hostname=hostname,
            happy_eyeballs_delay=None if _is_literal(address.host) else self._settings.contact_stagger,
        )  # fmt: skip


def _is_literal(host: str) -> bool:
    """An address that needs no resolving: it has nothing to race, and cancelling asyncio's race can leak its socket."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _os_reason(error: OSError) -> str:
    """The system's own words, without asyncio's address list around them."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error.strerror or error)
