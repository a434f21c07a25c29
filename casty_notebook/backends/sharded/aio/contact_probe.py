"""One contact point, step by step: its address, TCP, TLS, the handshake, and who answers if it is no node of ours."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast

from casty_notebook.address import NodeAddress
from casty_notebook.backends.check_result import Finding, Verdict
from casty_notebook.backends.sharded.aio.identity import mint_identity
from casty_notebook.backends.sharded.wire import FrameReader, decode_handshake, encode_handshake
from casty_notebook.errors import ProtocolError
from casty_notebook.net.dialler import DialFailed, Dialler
from casty_notebook.recognition import explain_first_bytes

__all__ = ["Knock", "knock"]

PATIENCE = 1.0
"""Seconds for a name to resolve and for a handshake to be answered; either takes milliseconds where all is well."""

LONGEST = 4096
"""Bytes of an answer that are kept."""


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


class _Greeting(asyncio.Protocol):
    """greeting --first frame | end--> answered."""

    def __init__(self) -> None:
        self._reader = FrameReader(LONGEST)
        self._transport: asyncio.Transport | None = None
        self.heard = b""
        self.ended = False
        self.body: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(encode_handshake(mint_identity()))

    def data_received(self, data: bytes) -> None:
        self.heard = (self.heard + data)[:LONGEST]
        try:
            frames = self._reader.receive(data)
        except ProtocolError:
            self._answer(None)
            return
        if frames:
            self._answer(frames[0][1])

    def connection_lost(self, _exc: Exception | None) -> None:
        self.ended = not self.body.done()
        self._answer(None)

    def _answer(self, body: bytes | None) -> None:
        if not self.body.done():
            self.body.set_result(body)

    def shown(self, name: str) -> Any:
        return self._transport.get_extra_info(name) if self._transport is not None else None

    def close(self) -> None:
        self.body.cancel()
        if self._transport is not None:
            self._transport.abort()


async def knock(dialler: Dialler, contact: NodeAddress) -> Knock:
    """Try one contact point. Never raises for anything that is found there."""
    result = Knock(contact)
    if await _resolve(dialler, contact, result):
        greeting = _Greeting()
        try:
            if await _connect(dialler, contact, greeting, result):
                await _greet(dialler, contact, greeting, result)
        finally:
            greeting.close()
    return result


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


async def _connect(dialler: Dialler, contact: NodeAddress, greeting: _Greeting, result: Knock) -> bool:
    started = monotonic()
    try:
        await dialler.dial(contact, greeting)
    except DialFailed as failure:
        result.note("TCP", Verdict.fail, str(failure), _fix_of(str(failure)))
        return False
    took = (monotonic() - started) * 1000
    result.note("TCP", Verdict.ok, f"connected in {took:.1f} ms")
    secure: ssl.SSLObject | None = greeting.shown("ssl_object")
    if secure is not None:
        result.certificate = greeting.shown("peercert") or {}
    return True


def _fix_of(reason: str) -> str:
    if "refused" in reason:
        return "see that the node runs and listens at that port, and that the port is right"
    if "no answer" in reason or "unreachable" in reason or "no route" in reason:
        return "a firewall or another network is between: check the address, give address_map= for tunnels, or ssh="
    return "see the reason; tls=, ssh= and address_map= say how nodes are reached"


async def _greet(dialler: Dialler, contact: NodeAddress, greeting: _Greeting, result: Knock) -> None:
    started = monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            body = await asyncio.shield(greeting.body)
    except TimeoutError:
        body = None
    took = (monotonic() - started) * 1000
    reason: str | None = None
    if body is not None:
        try:
            result.node = decode_handshake(body)
            known_as = "" if result.node == contact else f" as {result.node}"
            result.note("handshake", Verdict.ok, f"answered{known_as} in {took:.1f} ms")
            result.note("generation", Verdict.ok, "casty 0.15 to 0.21")
            return
        except ProtocolError as error:
            reason = str(error)
    fix = "connect to the port that the nodes of a casty 0.15 to 0.21 listen at"
    if greeting.heard:
        reason = explain_first_bytes(greeting.heard) or reason or f"answered {greeting.heard[:16].hex(' ')}, no handshake"
    elif greeting.ended:
        reason, known = await dialler.explain(contact, "closed the connection without answering the handshake")
        fix = "" if known else "see the node's log; with TLS, see that its authority signed our certificate"
    else:
        reason = await dialler.explain_silence(contact)
        if reason is None:
            reason, fix = "takes connections and says nothing: its process stands still", "wake or restart it"
    cause, _, remedy = reason.partition(": " if ": pass tls=" in reason else ". ")
    check = "generation" if "casty 0." in cause else "handshake"
    result.note(check, Verdict.fail, cause if remedy else reason, remedy[:1].lower() + remedy[1:] or fix)
