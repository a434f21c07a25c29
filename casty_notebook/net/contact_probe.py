"""One contact point, step by step, for an examination: its address, TCP, TLS. What is said there is each backend's own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import ipaddress
import platform
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, cast

from casty_notebook.address import NodeAddress
from casty_notebook.net.dialler import DialFailed, Dialler
from casty_notebook.topology.check_result import Finding, Verdict

__all__ = ["PATIENCE", "Answerer", "Knock", "Visit", "approach", "certificates", "skipped", "tunnel", "versions"]

PATIENCE = 1.0
"""Seconds for a name to resolve and for a handshake to be answered; either takes milliseconds where all is well."""
EXPIRES_SOON = 14
"""Days."""


@dataclass(slots=True)
class Knock:
    """What happened at one contact point; `node` is who answered, None if nobody did."""

    contact: NodeAddress
    findings: list[Finding] = field(default_factory=list)
    node: NodeAddress | None = None
    certificate: Mapping[str, Any] | None = None
    """What TLS showed, as `ssl.SSLSocket.getpeercert` gives it; None without TLS."""

    def note(self, check: str, verdict: Verdict, text: str, fix: str = "") -> None:
        self.findings.append(Finding(check, verdict, text, fix, str(self.contact)))


def in_ms(seconds: float) -> str:
    """Return how long something took, in words that never say 0.

    Examples
    --------
    >>> in_ms(0.0123), in_ms(0.00002)
    ('12.3 ms', 'less than 0.1 ms')
    """
    return f"{seconds * 1000:.1f} ms" if seconds >= 0.0001 else "less than 0.1 ms"


class Visit(asyncio.Protocol):
    """A connection that is opened to see what answers."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._said_at: float | None = None
        self._heard_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def say(self, words: bytes) -> None:
        if self._said_at is None:
            self._said_at = monotonic()
        if self._transport is not None:
            self._transport.write(words)

    def answered(self) -> None:
        """Note the time of the first word that came back."""
        if self._heard_at is None:
            self._heard_at = monotonic()

    @property
    def took(self) -> str:
        """How long their first word took after our first. Noted here, since a dial may return only after both."""
        return in_ms(0.0 if self._said_at is None or self._heard_at is None else self._heard_at - self._said_at)

    def shown(self, name: str) -> Any:
        return self._transport.get_extra_info(name) if self._transport is not None else None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def approach(dialler: Dialler, contact: NodeAddress, visit: Visit, result: Knock) -> bool:
    """Resolve and connect, and note how that went; True if it worked. Never raises for anything that is found."""
    return await _resolve(dialler, contact, result) and await _connect(dialler, contact, visit, result)


def skipped(why: str, checks: Iterable[str]) -> list[Finding]:
    """Lines for what could not be looked at."""
    return [Finding(check, Verdict.skip, f"not looked at: {why}") for check in checks]


async def _resolve(dialler: Dialler, contact: NodeAddress, result: Knock) -> bool:
    try:
        where = dialler.mapped(contact)
    except DialFailed as failure:
        result.note("address", Verdict.fail, str(failure), "correct address_map")
        return False
    via = "" if where == contact else f"mapped to {where}; "
    if dialler.tunnelled:
        result.note("address", Verdict.ok, f"{via}{where.host} is resolved by the bastion")
        return True
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(where.host)
        result.note("address", Verdict.ok, f"{via}{where.host} needs no resolving")
        return True
    try:
        async with asyncio.timeout(PATIENCE):
            found = await dialler.look_up(where.host)
    except TimeoutError:
        reason = f"no answer from the resolver within {PATIENCE:g} s"
    except DialFailed as failure:
        reason = str(failure).rpartition("resolve: ")[2]
    else:
        result.note("address", Verdict.ok, f"{via}{where.host} is {', '.join(literal for _, literal in found)}")
        return True
    fix = "check the name, or give an IP address, or the way to it in address_map"
    result.note("address", Verdict.fail, f"{via}{where.host} does not resolve: {reason}", fix)
    return False


async def _connect(dialler: Dialler, contact: NodeAddress, visit: Visit, result: Knock) -> bool:
    started = monotonic()
    try:
        await dialler.dial(contact, visit)
    except DialFailed as failure:
        result.note("TCP", Verdict.fail, str(failure), _fix_of(str(failure)))
        return False
    result.note("TCP", Verdict.ok, f"connected in {in_ms(monotonic() - started)}")
    secure: ssl.SSLObject | None = visit.shown("ssl_object")
    if secure is not None:
        result.certificate = visit.shown("peercert") or {}
    return True


def _fix_of(reason: str) -> str:
    if "refused" in reason:
        return "see that the node runs and listens at that port, and that the port is right"
    if "no answer" in reason or "unreachable" in reason or "no route" in reason:
        return "a firewall or another network is between: check the address, give address_map= for tunnels, or ssh="
    return "see the reason; tls=, ssh= and address_map= say how nodes are reached"


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answers at an address: which node it says it is, of which cluster if that is learned; or why neither is known."""

    node: NodeAddress | None = None
    cluster: str | None = None
    reason: str = ""


def tunnel(
    member: str, address: NodeAddress, where: NodeAddress, found: Answerer, cluster: str, names: Mapping[NodeAddress, str]
) -> Finding:
    """Judge a member's entry in the address map by who answers where it leads.

    A wrong entry does not show by itself: the member may be reached through a contact point, until that connection fails.

    Examples
    --------
    >>> one, two, local = NodeAddress("10.0.1.10", 1), NodeAddress("10.0.1.11", 1), NodeAddress("127.0.0.1", 9001)
    >>> found = tunnel("node-1", one, local, Answerer(two), "shop", {one: "node-1", two: "node-2"})
    >>> print(found.verdict, found.text)
    fail 10.0.1.10:1 through 127.0.0.1:9001: what answers there answers as 10.0.1.11:1, which is node-2
    """
    node, other = found.node, found.cluster not in (None, cluster)
    wrong = found.reason
    if node is not None and (other or node != address):
        who = f"a node of another cluster, {found.cluster!r}" if other else names.get(node, "no member of this cluster")
        wrong = f"what answers there answers as {node}, which is {who}"
    elif other:
        wrong = f"a node of another cluster answers there, {found.cluster!r}"
    said = f"through {where}" if member == str(address) else f"{address} through {where}"
    text = said + (f": {wrong}" if wrong else "")
    fix = "see that the tunnel is open and leads to this node" if wrong else ""
    return Finding("tunnels", Verdict.fail if wrong else Verdict.ok, text, fix, member)


def certificates(dialler: Dialler, knocks: Iterable[Knock]) -> Iterator[Finding]:
    """What TLS showed at the contact points."""
    if not dialler.secure:
        yield Finding("TLS", Verdict.ok, "not used")
        return
    for each in knocks:
        if each.certificate is not None:
            yield replace(_certificate(dict(each.certificate), time.time()), subject=str(each.contact))


def _certificate(certificate: dict[str, object], now: float) -> Finding:
    expiry = certificate.get("notAfter")
    if not isinstance(expiry, str):
        return Finding("TLS", Verdict.warn, "the certificate is not verified", "use TLS(certfile, keyfile, cafile)")
    days = int((ssl.cert_time_to_seconds(expiry) - now) // 86_400)
    text = f"the certificate is valid until {expiry} ({days:,} days)"
    if days < EXPIRES_SOON:
        return Finding("TLS", Verdict.warn, text, "have a new one issued for the nodes")
    return Finding("TLS", Verdict.ok, text)


def versions() -> Finding:
    """What runs here."""

    def installed(name: str) -> str | None:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return None

    ours = installed("casty-notebook") or "from its sources"
    theirs = installed("casty") or "not installed, not needed"
    text = f"Python {platform.python_version()}, casty_notebook {ours}, casty {theirs}"
    return Finding("versions", Verdict.ok, text)
