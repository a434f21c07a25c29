"""What is it that answers there? Questions, each on a connection of its own, for errors that name the cause.

Without it a TLS node and a casty of another generation look alike, as do a frozen node and one without TLS
(PROTOCOL sections 1.3 and 1.4). Only asked while a client has not seen its cluster yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from typing import NamedTuple, Protocol, cast

from casty_notebook.address import NodeAddress
from casty_notebook.recognition import (
    HELLO_030,
    HTTP_REQUEST,
    MAX_ANSWER,
    PING_022,
    explain_first_bytes,
    explain_generation,
    is_virtual,
)

__all__ = ["Connector", "DialFailed", "Foreign", "foreign_answer", "only_listens", "os_reason", "speaks_casty", "speaks_tls"]

PATIENCE = 0.5
"""Seconds for an answer; an honest one takes a round trip. Without one nothing is claimed."""

ENOUGH = 6
"""Bytes that tell TLS and this protocol apart: the header of a frame and the first byte of its body."""


class DialFailed(Exception):
    """Why a connection could not be opened, in words.

    `verdict` is True if dialling again cannot help: a certificate, a key or an option has to change first.
    """

    def __init__(self, reason: str, *, verdict: bool = False) -> None:
        super().__init__(reason)
        self.verdict = verdict


def os_reason(error: OSError) -> str:
    """The system's own words, without asyncio's address list around them."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error.strerror or error) or type(error).__name__


class Connector(Protocol):
    """A way to a host and port: plain TCP, or through something (an SSH connection). Bounds its own waiting.

    Raises OSError, TimeoutError, or `DialFailed` where it knows more.
    """

    async def __call__(self, address: NodeAddress, protocol: asyncio.Protocol) -> None: ...


class _Question(asyncio.Protocol):
    """asking --enough bytes | end--> answered."""

    def __init__(self, words: bytes, enough: int, *, last: bool) -> None:
        self._words = words
        self._enough = enough
        self._last = last
        self.heard = b""
        self.ended = False
        """Whether the other side hung up. A frozen process does not."""
        self._transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self.answer.done():
            self._transport.abort()
        else:
            self._transport.write(self._words)
            if self._last and self._transport.can_write_eof():
                self._transport.write_eof()

    def data_received(self, data: bytes) -> None:
        self.heard += data[: self._enough]
        if len(self.heard) >= self._enough:
            self.give_up()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.ended = not self.answer.done()
        self.give_up()

    def give_up(self) -> None:
        if not self.answer.done():
            self.answer.set_result(self.heard)
        if self._transport is not None:
            self._transport.abort()


async def _ask(
    reach: Connector, address: NodeAddress, words: bytes, *, enough: int = ENOUGH, last: bool = False
) -> tuple[bytes, bool]:
    """The first bytes of the answer, and whether the other side hung up.

    With `last`, our side of the connection is closed after the words. A living process then hangs up, so that only a frozen one
    is waited for until the time is over.
    """
    question = _Question(words, enough, last=last)
    try:
        async with asyncio.timeout(PATIENCE):
            await reach(address, question)
            return await question.answer, question.ended
    except Exception:  # of the network, or of a connector of the user's own: it counts as no answer, whatever it was
        return question.heard, False
    finally:
        question.give_up()


async def speaks_tls(reach: Connector, address: NodeAddress) -> bool:
    """Find out whether a ClientHello gets an answer in TLS, be it an alert."""
    answer, _ = await _ask(reach, address, _client_hello())
    return answer[:2] in (b"\x16\x03", b"\x15\x03")


async def speaks_casty(reach: Connector, address: NodeAddress, greeting: bytes) -> bool:
    """Find out whether a plain casty handshake, under an identity that is never used again, is answered."""
    answer, _ = await _ask(reach, address, greeting)
    return answer[4:6] == b"\x00{" or is_virtual(answer)


class Foreign(NamedTuple):
    """What answered to the first bytes of another protocol: what it is, in words, and the first bytes of its answer."""

    said: str
    answer: bytes


async def foreign_answer(reach: Connector, address: NodeAddress) -> Foreign | None:
    """Find out what else is there by speaking to it as casty 0.22 and 0.30 and HTTP do; None if nothing answers.

    To be used where the handshake of 0.15 to 0.21 was not answered: the peer was silent, or hung up.
    """
    words = (PING_022, HELLO_030, HTTP_REQUEST)
    asked = [_ask(reach, address, each, enough=MAX_ANSWER, last=True) for each in words]
    for answer, _ in await asyncio.gather(*asked):
        if answer and (said := explain_generation(answer) or explain_first_bytes(answer)):
            return Foreign(said, answer)
    return None


async def only_listens(reach: Connector, address: NodeAddress, greeting: bytes) -> bool:
    """Find out whether the peer accepts a handshake silently and hangs up when we do.

    Then its process lives (a frozen one would not hang up), and knows no handshake.
    """
    answer, hung_up = await _ask(reach, address, greeting, last=True)
    return hung_up and not answer


def _client_hello() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is trusted or told: the handshake ends with the first bytes of the answer.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    half = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        half.do_handshake()
    return outgoing.read()
