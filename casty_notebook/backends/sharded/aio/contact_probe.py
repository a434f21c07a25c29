"""One contact point of a sharded cluster: the handshake, and who answers if it is no node of ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.aio.identity import mint_identity
from casty_notebook.backends.sharded.wire import (
    MESSAGE,
    FrameReader,
    decode_envelope,
    decode_handshake,
    encode_handshake,
    sender_system,
)
from casty_notebook.errors import ProtocolError
from casty_notebook.net.contact_probe import PATIENCE, Answerer, Knock, Visit, approach
from casty_notebook.net.dialler import DialFailed, Dialler
from casty_notebook.recognition import explain_first_bytes
from casty_notebook.topology.check_result import Verdict

__all__ = ["knock", "who_answers"]

LONGEST = 4096
"""Bytes of an answer that are kept."""


class _Greeting(Visit):
    """greeting --first frame | end--> answered."""

    def __init__(self) -> None:
        super().__init__()
        self.identity = mint_identity()
        self._reader = FrameReader(LONGEST)
        self.heard = b""
        self.ended = False
        self.body: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """The first message after the handshake."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.say(encode_handshake(self.identity))

    def data_received(self, data: bytes) -> None:
        self.answered()
        self.heard = (self.heard + data)[:LONGEST]
        try:
            frames = self._reader.receive(data)
        except ProtocolError:
            self._answer(None)
            return
        if frames:
            self._answer(frames[0][1])

        if len(frames) > 1 or (frames and self.body.done() and frames[0][0] == MESSAGE):
            self._reply(frames[-1][1])

    def _reply(self, body: bytes) -> None:
        if not self.reply.done():
            self.reply.set_result(body)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.ended = not self.body.done()
        self._answer(None)
        self._reply(b"")

    def _answer(self, body: bytes | None) -> None:
        if not self.body.done():
            self.body.set_result(body)

    def close(self) -> None:
        self.body.cancel()
        self.reply.cancel()
        super().close()


type Question = Callable[[NodeAddress, NodeAddress], bytes | None]
"""The whole frame that asks a node, the first, what every node answers, for a client with an identity, the second."""


async def who_answers(dialler: Dialler, address: NodeAddress, question: Question) -> Answerer:
    """Dial a node's address as a link would, and find out who answers there: by its handshake, and by a reply its cluster.

    The name of a cluster can only be learned from a reply (PROTOCOL section 7.5). Of a node that gives none, only its address is
    known.
    """
    greeting = _Greeting()
    try:
        async with asyncio.timeout(PATIENCE):
            await dialler.dial(address, greeting)
            body = await asyncio.shield(greeting.body)
            if body is None:
                return Answerer(reason=explain_first_bytes(greeting.heard) or "closed the connection without a handshake")
            node = decode_handshake(body)
            asked = question(node, greeting.identity)
            if asked is None:
                return Answerer(node)
            greeting.say(asked)
            with contextlib.suppress(TimeoutError, ProtocolError):
                async with asyncio.timeout(PATIENCE / 2):
                    reply = await asyncio.shield(greeting.reply)
                    return Answerer(node, sender_system(decode_envelope(reply).sender) if reply else None)
            return Answerer(node)
    except DialFailed as failure:
        return Answerer(reason=str(failure))
    except ProtocolError as error:
        return Answerer(reason=str(error))
    except TimeoutError:
        return Answerer(reason=f"nothing was said within {PATIENCE:g} s")
    finally:
        greeting.close()


async def knock(dialler: Dialler, contact: NodeAddress) -> Knock:
    """Try one contact point. Never raises for anything that is found there."""
    result = Knock(contact)
    greeting = _Greeting()
    try:
        if await approach(dialler, contact, greeting, result):
            await _greet(dialler, contact, greeting, result)
    finally:
        greeting.close()
    return result


async def _greet(dialler: Dialler, contact: NodeAddress, greeting: _Greeting, result: Knock) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            body = await asyncio.shield(greeting.body)
    except TimeoutError:
        body = None
    reason: str | None = None
    if body is not None:
        try:
            result.node = decode_handshake(body)
            known_as = "" if result.node == contact else f" as {result.node}"
            result.note("handshake", Verdict.ok, f"answered{known_as} in {greeting.took}")
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
