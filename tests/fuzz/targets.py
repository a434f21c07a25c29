"""The parsers as functions of bytes: whatever they raise is a fault, except the errors that they promise.

The first byte of an input chooses the parser, the second a variant of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from IPython.core.error import UsageError

from casty_notebook.address import ActorAddress, ClusterURI, NodeAddress
from casty_notebook.backends.sharded.codec.codec import Codec, recognise
from casty_notebook.backends.sharded.codec.pickle.reader import loads
from casty_notebook.backends.sharded.codec.serializers import SERIALIZERS
from casty_notebook.backends.sharded.wire import (
    HANDSHAKE,
    FrameReader,
    decode_envelope,
    decode_handshake,
    sender_system,
    target_path,
)
from casty_notebook.errors import InvalidRecording, MisuseError, ProtocolError, UndecodableMessage
from casty_notebook.magics.commands import CELL_COMMANDS, LINE_COMMANDS, parse_cell, parse_line
from casty_notebook.recognition import explain_first_bytes
from casty_notebook.settings import Settings
from casty_notebook.values.castys_refs import check_uri
from casty_notebook.values.limits.compression import ALGORITHMS, decompress
from casty_notebook.values.registry import Layout
from casty_notebook.views.past.recording import Recording
from tests.values.table import USER_CLASSES, table

__all__ = ["TARGETS", "input_for", "run"]

SETTINGS = Settings()
REGISTRY = table(*USER_CLASSES)
CODECS = {name: Codec(REGISTRY, name, settings=SETTINGS) for name in SERIALIZERS}
PACKED = {name: Codec(REGISTRY, "pickle", name, settings=SETTINGS) for name in ALGORITHMS}
MAX_FRAME = 1 << 20


def stream(variant: int, data: bytes) -> None:
    """A byte stream as a link reads it, whole and in pieces; the pieces must not matter."""
    whole = _frames(data, len(data) or 1)
    pieces = _frames(data, variant % 61 + 1)
    if whole != pieces:
        raise AssertionError(f"{whole!r} in one, {pieces!r} in pieces of {variant % 61 + 1}")
    explain_first_bytes(data)
    for at, (kind, body) in enumerate(whole[0]):
        try:
            if at == 0 and kind == HANDSHAKE:
                decode_handshake(body)
            else:
                _open(body)
        except ProtocolError:
            continue


def _frames(data: bytes, size: int) -> tuple[list[tuple[int, bytes]], str | None]:
    reader, frames = FrameReader(MAX_FRAME), []
    try:
        for at in range(0, len(data), size):
            frames += reader.receive(data[at : at + size])
    except ProtocolError as error:
        return frames, str(error)[:20]
    return frames, None if reader.error is None else str(reader.error)[:20]


def _open(body: bytes) -> None:
    envelope = decode_envelope(body)
    sender_system(envelope.sender)
    target_path(envelope.target)
    serializer, compression = recognise(envelope.payload, SETTINGS)
    if compression is None:
        CODECS[serializer].decode(envelope.payload)


def envelope(_variant: int, data: bytes) -> None:
    """The body of a message frame."""
    _open(data)


def handshake(_variant: int, data: bytes) -> None:
    """The body of a handshake."""
    decode_handshake(data)


def pickled(variant: int, data: bytes) -> None:
    """A pickle, which must print, and be the same with and without the shortcut for shard tables."""
    value = loads(data, REGISTRY, SETTINGS)
    repr(value)
    if variant % 4 == 0:
        plain = loads(data, REGISTRY, SETTINGS, bulk=False)
        if repr(plain) != repr(value):
            raise AssertionError(f"{value!r} with runs, {plain!r} without")
    if variant % 4 == 1:
        _send_back("pickle", value)


def _send_back(serializer: str, value: Any) -> None:
    """What was received can be sent on, or is refused as unsendable, and is read back as it was."""
    try:
        written = CODECS[serializer].encode(value)
    except MisuseError:
        return
    CODECS[serializer].decode(written)


def as_json(variant: int, data: bytes) -> None:
    """A JSON tree."""
    value = CODECS["json"].decode(data)
    repr(value)
    if variant % 4 == 1:
        _send_back("json", value)


def as_msgpack(variant: int, data: bytes) -> None:
    """A msgpack tree: the bytes as they are, or packed from JSON, which a fuzzer writes more easily."""
    if variant % 4 == 3:
        try:
            from msgpack import packb

            data = packb(json.loads(data))
        except (ValueError, OverflowError, RecursionError, TypeError):
            return
    repr(CODECS["msgpack"].decode(data))


def compressed(variant: int, data: bytes) -> None:
    """Each decompressor."""
    algorithm = ALGORITHMS[variant % len(ALGORITHMS)]
    if variant & 128:
        PACKED[algorithm].decode(data)
    else:
        decompress(algorithm, data, MAX_FRAME)


def any_encoding(_variant: int, data: bytes) -> None:
    """A payload of which nothing is known."""
    serializer, compression = recognise(data, SETTINGS)
    Codec(REGISTRY, serializer, compression, Layout.pkg, SETTINGS).decode(data)


def address(variant: int, data: bytes) -> None:
    """URIs of actors and clusters, host and port."""
    text = data.decode("utf-8", "surrogateescape" if variant & 1 else "replace")
    for parse in (ClusterURI.parse, NodeAddress.parse, check_uri):
        try:
            parse(text)
        except MisuseError:
            continue
    parsed = ActorAddress.parse(text)
    if ActorAddress.parse(parsed.uri) != parsed:
        raise AssertionError(f"{text!r} is {parsed!r}, whose URI {parsed.uri!r} is something else")


_LINES = sorted(LINE_COMMANDS)


def magic(variant: int, data: bytes) -> None:
    """The line of each magic."""
    text = data.decode("utf-8", "replace")
    if variant & 128:
        parse_cell(next(iter(CELL_COMMANDS)), text)
    else:
        parse_line(_LINES[variant % len(_LINES)], text)


def recorded(_variant: int, data: bytes) -> None:
    """A recording from somebody, which must show what it holds."""
    with TemporaryDirectory(prefix="casty-fuzz-") as folder:
        path = Path(folder) / "x.casty"
        path.write_bytes(data)
        loaded = Recording.load(path)
    repr(loaded)


@dataclass(frozen=True)
class Target:
    """One parser and the errors that it promises."""

    parse: Callable[[int, bytes], None]
    promised: tuple[type[Exception], ...] = (ProtocolError, MisuseError)


TARGETS = (
    Target(stream, ()),
    Target(envelope, (ProtocolError,)),
    Target(handshake, (ProtocolError,)),
    # Several numbers for those in which most can be found.
    Target(pickled, (UndecodableMessage,)),
    Target(pickled, (UndecodableMessage,)),
    Target(pickled, (UndecodableMessage,)),
    Target(as_json, (UndecodableMessage,)),
    Target(as_msgpack, (UndecodableMessage,)),
    Target(compressed, (UndecodableMessage,)),
    Target(any_encoding, (UndecodableMessage,)),
    Target(address),
    Target(magic, (UsageError,)),
    Target(recorded, (InvalidRecording,)),
)


def input_for(parse: Callable[[int, bytes], None], data: bytes, variant: int = 0) -> bytes:
    """The input that gives `data` to a parser."""
    number = next(at for at, target in enumerate(TARGETS) if target.parse is parse)
    return bytes([number, variant]) + data


def run(data: bytes, targets: Sequence[Target] = TARGETS) -> None:
    """Give an input to the parser it names; returns in the promised cases, raises in all others."""
    if len(data) < 2:
        return
    target = targets[data[0] % len(targets)]
    try:
        target.parse(data[1], data[2:])
    except target.promised:
        return
