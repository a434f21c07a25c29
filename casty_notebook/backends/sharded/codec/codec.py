"""The codec: one cluster's serializer, compression and layout, payload bytes to messages and back."""

from __future__ import annotations

from typing import Any

from casty_notebook.backends.sharded.codec.serializers import SERIALIZERS, detect_serializer
from casty_notebook.errors import MisuseError, UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.limits import compression as compressing
from casty_notebook.values.registry import Layout, Registry
from casty_notebook.values.standin import StandIn, StandInClass

__all__ = ["Codec", "TakesLonger", "detect", "recognise"]


class TakesLonger(Exception):
    """The payload is longer than the caller would read now. It is not refused: it can be read on a thread of its own."""


_COMPRESSED = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\0", "lzma"),
    (b"\x04\x22\x4d\x18", "lz4"),
)


def detect(payload: bytes) -> tuple[str | None, str | None]:
    """Guess (serializer, compression) by the first bytes (PROTOCOL section 4.5); the serializer is None if compressed.

    Examples
    --------
    >>> detect(b'{"_type": "a.B"}'), detect(b"BZh91AY")
    (('json', None), (None, 'bz2'))
    """
    for magic, name in _COMPRESSED:
        if payload.startswith(magic):
            return None, name
    # The two bytes of a zlib header are a number divisible by 31. The first of them alone may also be a msgpack integer.
    if payload[:1] == b"\x78" and len(payload) > 5 and int.from_bytes(payload[:2]) % 31 == 0:
        return None, "zlib"
    return detect_serializer(payload), None


def recognise(data: bytes, settings: Settings, start: int = 0, most: int | None = None) -> tuple[str, str | None]:
    """Tell (serializer, compression) of a whole message, looking into a compressed one; cloudpickle is pickle here.

    Raises
    ------
    TakesLonger
        If it is longer than `most`.
    UndecodableMessage
        If it is nothing that casty writes, is damaged, or is longer than allowed when decompressed.

    Examples
    --------
    >>> import zlib
    >>> recognise(zlib.compress(b'{"_type": "a.B"}'), Settings())
    ('json', 'zlib')
    """
    head = data[start : start + 16]
    serializer, compression = detect(head)
    if compression is not None:
        try:
            serializer, _ = detect(_decompressed(compression, data, start, settings, most))
        except MisuseError as error:
            raise UndecodableMessage(str(error)) from None
    if serializer is None:
        raise UndecodableMessage(f"a payload that no serializer of casty writes: {head[:12].hex(' ') or 'empty'}")
    return serializer, compression


def _decompressed(algorithm: str, data: bytes, start: int, settings: Settings, most: int | None) -> bytes:
    with memoryview(data) as view:
        room = max(0, settings.max_memory - len(data))
        limit = min(settings.max_payload, compressing.longest(algorithm, settings.max_work))
        if most is None or most > min(limit, room):
            return compressing.decompress(algorithm, view[start:], limit, room)
        try:
            return compressing.decompress(algorithm, view[start:], most)
        except compressing.TooLong:
            raise TakesLonger from None


class Codec:
    """Encodes for, and decodes from, the nodes of one cluster. Immutable; safe to use from several threads.

    Parameters
    ----------
    registry
        The closed table of classes.
    serializer, compression
        As the cluster is configured. Nothing on the wire says so, and nothing is negotiated (PROTOCOL section 4.5).
    layout
        By which module names the nodes know casty's own classes.

    Raises
    ------
    MisuseError
        For a serializer or compression that casty does not have.
    """

    __slots__ = ("_hints", "_registry", "_serializer", "_settings", "_write", "compression", "layout", "serializer")

    def __init__(
        self,
        registry: Registry,
        serializer: str = "pickle",
        compression: str | None = None,
        layout: Layout = Layout.pkg,
        settings: Settings | None = None,
    ) -> None:
        if serializer not in SERIALIZERS:
            raise MisuseError(f"serializer={serializer!r} is not known; casty has {', '.join(SERIALIZERS)}")
        if compression is not None and compression not in compressing.ALGORITHMS:
            known = ", ".join(compressing.ALGORITHMS)
            raise MisuseError(f"compression={compression!r} is not known; casty has {known}")
        self.serializer = serializer
        self.compression = compression
        self.layout = Layout(layout)
        self._registry = registry
        self._settings = settings or Settings()
        self._hints: dict[type, str] = {}
        self._serializer = SERIALIZERS[serializer]
        self._write = self._serializer.writer(registry, self.layout, self._settings)

    def __repr__(self) -> str:
        return f"<Codec {self._configuration()}, layout {self.layout}>"

    def with_layout(self, layout: Layout) -> Codec:
        """Return the same codec for nodes of another layout."""
        return Codec(self._registry, self.serializer, self.compression, layout, self._settings)

    def encode(self, message: Any) -> bytes:
        """Write one payload.

        Raises
        ------
        UnsendableMessage
            If a node could not read the message back; says which part and what to do.
        """
        try:
            payload = self._write(message)
        except MisuseError:
            raise
        except RecursionError:
            raise UnsendableMessage("the message is nested too deeply, or contains itself") from None
        except Exception as error:
            # Raised by the message's own properties, reducers or iterators.
            name = type(message).__qualname__
            raise UnsendableMessage(f"{name} cannot be sent: {type(error).__name__}: {str(error)[:200]}") from error
        return payload if self.compression is None else compressing.compress(self.compression, payload)

    def decode(self, data: bytes | memoryview, start: int = 0, most: int | None = None) -> Any:
        """Read one payload: all of `data` from `start` on, so that a long frame need not be copied to be read.

        Raises
        ------
        TakesLonger
            If it is longer than `most` (when decompressed), nothing of it having been read.
        UndecodableMessage
            For anything that is outside the format, the closed table or the bounds, and never anything else.
        """
        if type(data) is not bytes:
            data = bytes(data)
        try:
            message = self._decode(data, start, most)
            return message.in_columns() if type(message) is TopologySnapshot else message
        except UndecodableMessage as error:
            hint = self._mismatch(data[start : start + 16])
            if hint is None:
                raise
            raise UndecodableMessage(f"{error}. {hint}") from None
        except (MemoryError, RecursionError) as error:
            raise UndecodableMessage(f"a payload of {len(data) - start:,} bytes was refused: {type(error).__name__}") from None

    def _decode(self, data: bytes, start: int, most: int | None) -> Any:
        held = len(data)
        if most is not None and held - start > most:
            raise TakesLonger
        if self.compression is not None:
            plain = _decompressed(self.compression, data, start, self._settings, most)
            return self._serializer.read(plain, 0, held + len(plain), self._registry, self._settings)
        limit = self._settings.max_payload
        if held - start > limit:
            raise UndecodableMessage(f"a payload of {held - start:,} bytes; at most {limit:,} are read (Settings.max_payload)")
        return self._serializer.read(data, start, held, self._registry, self._settings)

    def check(self, message: Any) -> None:
        """Raise `UnsendableMessage` if `message` cannot be sent."""
        self.encode(message)

    def type_hint(self, message: Any) -> str:
        """Return the class name for the envelope's header; nodes only log it (PROTOCOL section 2)."""
        kind = type(message)
        hint = self._hints.get(kind)
        if hint is not None:
            return hint
        if kind is StandIn:
            return message._standin_cls.dotted  # type: ignore[no-any-return]
        if kind is StandInClass:
            return message.dotted  # type: ignore[no-any-return]
        hint = self._hints[kind] = ".".join(self._registry.wire_name(kind, self.layout))
        return hint

    def _configuration(self) -> str:
        return self.serializer + (f" with {self.compression}" if self.compression else "")

    def _mismatch(self, head: bytes) -> str | None:
        """Say so when the payload, of which this is the beginning, looks like one of another configuration."""
        serializer, compression = detect(head)
        if compression is not None and compression != self.compression:
            return f"It looks like {compression}, this client is set to {self._configuration()}: pass {compression=}"
        mine = self._serializer.reads_as or self.serializer
        if serializer is not None and (serializer != mine or self.compression is not None):
            fix = f"serializer={serializer!r}" + (", compression=None" if self.compression else "")
            return f"It looks like {serializer}, this client is set to {self._configuration()}: pass {fix}"
        return None
