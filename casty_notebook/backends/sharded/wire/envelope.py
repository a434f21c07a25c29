"""Envelopes: the body of a message frame, ``u32 H | H bytes of JSON header | payload`` (PROTOCOL section 2)."""

from __future__ import annotations

import json
import re
from struct import Struct
from typing import Any

from casty_notebook.backends.sharded.wire.frames import MAX_FRAME, MESSAGE
from casty_notebook.errors import MisuseError, ProtocolError
from casty_notebook.printable import printable
from casty_notebook.settings import Settings

__all__ = [
    "Envelope",
    "EnvelopeHeader",
    "decode_envelope",
    "encode_envelope",
    "sender_system",
    "target_path",
]

_MAX_HEADER = Settings().max_header
_LONG = 64 * 1024
"""Bytes of a body from which on it is kept whole."""
_U32 = Struct(">I")
_FRAME = Struct(">IBI")
_SCHEME = "casty://"
# What nodes write, without escapes: several times as fast as the JSON parser, and the same result. Possessive, since
# nothing would be gained by looking back.
_PLAIN = re.compile(r'\{"target": "([^"\\\x00-\x1f]*+)", "sender": "([^"\\\x00-\x1f]*+)", "type_hint": "([^"\\\x00-\x1f]*+)"\}')


class EnvelopeHeader:
    """The constant part of the envelopes for one (target, sender, type_hint), encoded once.

    Examples
    --------
    >>> header = EnvelopeHeader("casty://s@h:1/a", "casty://c@239.0.0.1:7/", "builtins.int")
    >>> len(header.frame(b"payload")) - len(header.frame(b""))
    7
    """

    __slots__ = ("_header", "_size")

    def __init__(self, target: str, sender: str, type_hint: str, max_header: int = _MAX_HEADER) -> None:
        text = json.dumps({"target": target, "sender": sender, "type_hint": type_hint}).encode()
        if len(text) > max_header:
            raise MisuseError(
                f"an envelope header of {len(text):,} bytes; at most {max_header:,} are allowed (Settings.max_header)"
            )
        self._header = text
        self._size = len(text)

    def frame(self, payload: bytes, max_frame: int = MAX_FRAME) -> bytes:
        """Build the whole frame around `payload`; `MisuseError` if it is longer than `max_frame`."""
        size = self._size
        length = 5 + size + len(payload)
        if length > max_frame:
            raise MisuseError(
                f"this message makes a frame of {length:,} bytes; at most {max_frame:,} are allowed (Settings.max_frame)"
            )
        return _FRAME.pack(length, MESSAGE, size) + self._header + payload


def encode_envelope(target: str, sender: str, type_hint: str, payload: bytes, max_frame: int = MAX_FRAME) -> bytes:
    """Build the whole message frame. For many messages to one target keep an `EnvelopeHeader`.

    Raises
    ------
    MisuseError
        If the frame or its header is longer than allowed.
    """
    return EnvelopeHeader(target, sender, type_hint).frame(payload, max_frame)


class Envelope:
    """One received message, not yet decoded. `sender` may be any string; `type_hint` is only a hint (section 2).

    Attributes
    ----------
    data, start
        The payload is all of `data` from `start` on: of a long frame the whole body, which is not copied.
    """

    __slots__ = ("data", "sender", "start", "target", "type_hint")

    def __init__(self, target: str, sender: str, type_hint: str, data: bytes, start: int = 0) -> None:
        self.target = target
        self.sender = sender
        self.type_hint = type_hint
        self.data = data
        self.start = start

    @property
    def payload(self) -> bytes:
        """A copy of the payload, where there is none yet."""
        return self.data[self.start :] if self.start else self.data

    def __repr__(self) -> str:
        size = len(self.data) - self.start
        return printable(f"<Envelope {self.type_hint} from {self.sender} to {self.target}, {size} bytes>")


def decode_envelope(body: bytes, max_header: int = _MAX_HEADER) -> Envelope:
    """Read the body of a message frame.

    Raises
    ------
    ProtocolError
        If the header is missing, longer than `max_header` or than the frame, or not the object of PROTOCOL section 2.
    """
    if len(body) < 4:
        raise ProtocolError(f"a message frame of {len(body)} bytes has no room for an envelope header")
    (size,) = _U32.unpack_from(body)
    end = 4 + size
    if size > max_header or end > len(body):
        raise ProtocolError(
            f"an envelope header of {size:,} bytes in a frame of {len(body):,}; "
            f"at most {max_header:,} are read (Settings.max_header)"
        )
    try:
        text = str(body[4:end], "utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the envelope header is not UTF-8 ({error.reason}): {body[4:64]!r}") from None
    plain = _PLAIN.fullmatch(text)
    target, sender, hint = plain.groups() if plain is not None else _parse_header(text)
    if len(body) < _LONG:
        return Envelope(target, sender, hint, body[end:])
    return Envelope(target, sender, hint, body, end)


def _parse_header(text: str) -> tuple[str, str, str]:
    try:
        header: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError(f"the envelope header is not JSON but {text[:60]!r}") from None
    if not isinstance(header, dict):
        raise ProtocolError(f"the envelope header is not a JSON object but {text[:60]!r}")
    values = []
    for key in ("target", "sender", "type_hint"):
        value = header.get(key)
        if not isinstance(value, str):
            raise ProtocolError(f"the envelope header has no string {key!r}: {text[:120]!r}")
        values.append(value)
    target, sender, hint = values
    return target, sender, hint


def target_path(target: str) -> str:
    """Return the path of a target URI with exactly one leading slash; nothing else of a target matters (section 2).

    Raises
    ------
    ProtocolError
        If `target` is not a ``casty://`` URI with a path.

    Examples
    --------
    >>> target_path("casty://shop-client@239.1.2.3:7/_ask/0f")
    '/_ask/0f'
    """
    if target.startswith(_SCHEME):
        slash = target.find("/", len(_SCHEME))
        if slash > len(_SCHEME):
            path = target[slash:]
            if len(path) > 1:
                return path if path[1] != "/" else "/" + path.lstrip("/")
    raise ProtocolError(f"{target[:120]!r} is not the address of an actor; expected casty://SYSTEM@HOST:PORT/PATH")


def sender_system(sender: str) -> str | None:
    """Return the system name that a sender states, the only place where it can be learned (PROTOCOL section 7.5).

    Examples
    --------
    >>> sender_system("casty://my-cluster@10.0.1.10:25520/")
    'my-cluster'
    >>> sender_system("") is None
    True
    """
    if not sender.startswith(_SCHEME):
        return None
    system, at, _ = sender[len(_SCHEME) :].partition("@")
    return system if at and system and "/" not in system else None
