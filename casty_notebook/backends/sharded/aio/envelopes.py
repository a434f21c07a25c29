"""Messages to frames and back: where `wire` and `codec` meet, which do not know each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.aio.codecs import Codecs
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.session.encodings import Encoding
from casty_notebook.backends.sharded.session.session import Session
from casty_notebook.backends.sharded.session.state import Outgoing
from casty_notebook.backends.sharded.wire import Envelope, EnvelopeHeader, decode_envelope, sender_system, target_path
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["Configuration", "EnvelopeReader", "EnvelopeWriter", "Parcel"]

type Configuration = tuple[str, str | None]
"""(serializer, compression)."""

CACHED = 4096
"""Headers and sender names kept ready; more than a session of a person at a notebook ever uses."""


SHORT = 32 * 1024
"""Bytes of a payload that the loop waits for: by the work that each may cost (see `values.limits.work`) no more than 0.07 s."""


class Parcel:
    """A message that is already written: one that cannot be sent fails where it is told, and none is written twice."""

    __slots__ = ("encoding", "hint", "message", "payload")

    def __init__(self, message: Any, payload: bytes, encoding: Encoding, hint: str) -> None:
        self.message = message
        self.payload = payload
        self.encoding = encoding
        self.hint = hint


class EnvelopeWriter:
    """Outgoing messages to frames, in the encoding of the cluster."""

    def __init__(self, codecs: Codecs, session: Session) -> None:
        self._codecs = codecs
        self._session = session
        self._headers: dict[tuple[int, str, str], EnvelopeHeader] = {}
        likely = session.subscription.likely
        self._last = likely, codecs.of(likely)

    def parcel(self, message: Any) -> Parcel:
        """Write a message now, in the encoding that is likeliest.

        Raises
        ------
        UnsendableMessage
            If it cannot be written.
        """
        encoding = self._session.subscription.likely
        codec = self._codec(encoding)
        return Parcel(message, codec.encode(message), encoding, codec.type_hint(message))

    def _codec(self, encoding: Encoding) -> Codec:
        # Nearly always the codec of the message before. Kept as one value, since threads that tell call this, too.
        last = self._last
        if encoding is not last[0]:
            last = self._last = encoding, self._codecs.of(encoding)
        return last[1]

    def frame(self, link: int, node: NodeAddress, identity: NodeAddress, outgoing: Outgoing) -> bytes:
        """The whole frame for one envelope on one link.

        Raises
        ------
        UnsendableMessage, ProtocolError
            If the message cannot be written, or is longer than a frame may be.
        """
        message, path = outgoing.message, outgoing.path
        encoding = outgoing.encoding or self._session.subscription.likely
        if type(message) is Parcel and message.encoding == encoding:
            payload, hint = message.payload, message.hint
        else:
            codec = self._codec(encoding)
            if type(message) is Parcel:
                message = message.message
            payload, hint = codec.encode(message), codec.type_hint(message)
        key = (link, path, hint)
        header = self._headers.get(key)
        if header is None:
            if len(self._headers) >= CACHED:
                self._headers.clear()
            session = self._session
            header = self._headers[key] = EnvelopeHeader(
                f"casty://{session.system_name}@{node}{path}", f"casty://{session.client_system}@{identity}/", hint
            )
        return header.frame(payload)

    def forget(self, link: int) -> None:
        """Drop what was kept ready for a link."""
        self._headers = {key: header for key, header in self._headers.items() if key[0] != link}


class EnvelopeReader:
    """Received frames to messages. Reads both layouts alike; a payload that was seen last is not read again."""

    def __init__(self, codecs: Codecs, session: Session, settings: Settings) -> None:
        self._codecs = codecs
        self._session = session
        self._settings = settings
        self._systems: dict[str, str | None] = {}
        self._last: tuple[tuple[int, bytes], tuple[Any, Configuration | None]] | None = None

    def open(self, body: bytes) -> tuple[Envelope, str]:
        """The envelope in a frame's body, and the path it is for; its payload stays closed.

        Raises
        ------
        ProtocolError
            If the envelope is malformed.
        """
        envelope = decode_envelope(body, self._settings.max_header)
        return envelope, target_path(envelope.target)

    def message(self, envelope: Envelope, node: NodeAddress | None) -> tuple[Any, Configuration | None]:
        """The message, or the `UndecodableMessage` that says what was refused and who sent it; and what wrote it.

        Raises
        ------
        TakesLonger
            If it is not to be read on the loop, but by `job`.
        """
        return self._read(envelope, node, self._session.subscription.encoding, SHORT)

    def job(self, envelope: Envelope, node: NodeAddress | None) -> Callable[[], tuple[Any, Configuration | None]]:
        """As `message`, to be called in any thread, however long it takes."""
        return partial(self._read, envelope, node, self._session.subscription.encoding, None)

    def _read(
        self, envelope: Envelope, node: NodeAddress | None, encoding: Encoding | None, most: int | None
    ) -> tuple[Any, Configuration | None]:
        try:
            return self._codecs.read(envelope.data, encoding, envelope.start, most)
        except UndecodableMessage as error:
            return UndecodableMessage(f"from {node}, announced as {envelope.type_hint[:120]!r}: {error}"), None

    def snapshot(self, envelope: Envelope, node: NodeAddress | None) -> tuple[Any, Configuration | None]:
        """As `message`, but the same bytes are the same value: a node repeats itself several times a second."""
        data, start = envelope.data, envelope.start
        if self._last is not None and self._last[0] == (start, data):
            return self._last[1]
        read = self.message(envelope, node)
        if isinstance(read[0], TopologySnapshot):
            self.keep(envelope, read)
        return read

    def keep(self, envelope: Envelope, read: tuple[Any, Configuration | None]) -> None:
        """Remember what a snapshot was read as."""
        self._last = (envelope.start, envelope.data), read

    def system(self, envelope: Envelope) -> str | None:
        """The system name that the sender states (PROTOCOL section 2)."""
        sender = envelope.sender
        try:
            return self._systems[sender]
        except KeyError:
            if len(self._systems) >= CACHED:
                self._systems.clear()
            system = self._systems[sender] = sender_system(sender)
            return system
