"""The standard library's values that may appear in a reply, each built by our own code from checked arguments.

Closed: a name that is not here is never looked up. A builder gets the arguments of a pickle's REDUCE; it returns
`NotImplemented` when they are not those that an honest peer writes, and the value becomes a stand-in.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any

__all__ = ["BUILDERS", "uuid_from_state"]

type Builder = Callable[..., Any]

_DIGITS = 300
_DECIMAL = re.compile(r"[+-]?(\d{1,300}(\.\d{0,300})?([eE][+-]?\d{1,12})?|Infinity|s?NaN\d{0,20})", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,3}", re.ASCII)


def _typed(args: tuple[Any, ...], *kinds: type | tuple[type, ...]) -> bool:
    return len(args) == len(kinds) and all(
        type(arg) in (kind if isinstance(kind, tuple) else (kind,)) for arg, kind in zip(args, kinds, strict=True)
    )


def _complex(*args: Any) -> Any:
    return complex(*args) if _typed(args, float, float) else NotImplemented


def _range(*args: Any) -> Any:
    return range(*args) if _typed(args, int, int, int) else NotImplemented


def _slice(*args: Any) -> Any:
    none_or_int = (int, type(None))
    return slice(*args) if _typed(args, none_or_int, none_or_int, none_or_int) else NotImplemented


def _bytearray(*args: Any) -> Any:
    # Not bytearray(n), which allocates n bytes.
    if not args:
        return bytearray()
    if _typed(args, bytes):
        return bytearray(args[0])
    return bytearray(args[0], "latin-1") if _typed(args, str, str) and args[1] == "latin-1" else NotImplemented


def _bytes(*args: Any) -> Any:
    return b"" if not args else NotImplemented


def _encode(*args: Any) -> Any:
    # How protocols 0 to 2 write bytes.
    return args[0].encode("latin-1") if _typed(args, str, str) and args[1] in ("latin1", "latin-1") else NotImplemented


def _ordered_dict(*args: Any) -> Any:
    return OrderedDict() if not args else NotImplemented


def _default_dict(*_: Any) -> Any:
    # Without its factory, which would be a call of the peer's choice at every missing key.
    return {}


def _counter(*args: Any) -> Any:
    made: Counter[Any] = Counter()
    if args:
        if not _typed(args, dict):
            return NotImplemented
        dict.update(made, args[0])
    return made


def _deque(*args: Any) -> Any:
    if len(args) > 2 or (args and args[0] != ()) or (len(args) == 2 and type(args[1]) is not int):
        return NotImplemented
    return deque(*args)


def _decimal(*args: Any) -> Any:
    if not _typed(args, str) or not _DECIMAL.fullmatch(args[0]):
        return NotImplemented
    from decimal import Decimal

    return Decimal(args[0])


def _fraction(*args: Any) -> Any:
    from fractions import Fraction

    if _typed(args, int, int):
        return Fraction(*args) if args[1] != 0 else NotImplemented
    if _typed(args, str) and re.fullmatch(r"-?\d{1,300}(/\d{1,300})?", args[0], re.ASCII):
        return Fraction(args[0])
    return NotImplemented


def uuid_from_state(state: Any) -> Any:
    """Build a UUID from what pickle keeps of one, ``{"int": n}``; NotImplemented for anything else."""
    if type(state) is not dict or type(state.get("int")) is not int or not 0 <= state["int"] < 1 << 128:
        return NotImplemented
    from uuid import UUID

    return UUID(int=state["int"])


def _datetime(name: str, size: int) -> Builder:
    """Date, time and datetime travel as their packed bytes, and as text where protocol 2 wrote them."""

    def build(*args: Any) -> Any:
        import datetime

        if not args or len(args) > 2 or (len(args) == 2 and not isinstance(args[1], datetime.tzinfo)):
            return NotImplemented
        packed = args[0].encode("latin-1") if type(args[0]) is str else args[0]
        if type(packed) is not bytes or len(packed) != size:
            return NotImplemented
        return getattr(datetime, name)(packed, *args[1:])

    return build


def _timedelta(*args: Any) -> Any:
    import datetime

    return datetime.timedelta(*args) if _typed(args, int, int, int) else NotImplemented


def _timezone(*args: Any) -> Any:
    import datetime

    if not args or type(args[0]) is not datetime.timedelta or len(args) > 2 or (len(args) == 2 and type(args[1]) is not str):
        return NotImplemented
    return datetime.timezone(*args)


def _zone(*args: Any) -> Any:
    """A zone by name, from the system's own files only: ZoneInfo would import a package to find others."""
    if len(args) != 2 or type(args[0]) is not str or not _ZONE.fullmatch(args[0]):
        return NotImplemented
    import zoneinfo
    from pathlib import Path

    for folder in zoneinfo.TZPATH:
        path = Path(folder, args[0])
        if path.is_file():
            with path.open("rb") as file:
                return zoneinfo.ZoneInfo.from_file(file, key=args[0])
    return NotImplemented


def _path(windows: bool) -> Builder:
    def build(*args: Any) -> Any:
        if not all(type(part) is str for part in args):
            return NotImplemented
        import pathlib

        return (pathlib.PureWindowsPath if windows else pathlib.PurePosixPath)(*args)

    return build


BUILDERS: dict[str, Builder] = {
    "_codecs.encode": _encode,
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _bytes,
    "builtins.complex": _complex,
    "builtins.range": _range,
    "builtins.slice": _slice,
    "builtins.xrange": _range,
    "collections.Counter": _counter,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _default_dict,
    "collections.deque": _deque,
    "datetime.date": _datetime("date", 4),
    "datetime.datetime": _datetime("datetime", 10),
    "datetime.time": _datetime("time", 6),
    "datetime.timedelta": _timedelta,
    "datetime.timezone": _timezone,
    "decimal.Decimal": _decimal,
    "fractions.Fraction": _fraction,
    "pathlib.PosixPath": _path(windows=False),
    "pathlib.PurePosixPath": _path(windows=False),
    "pathlib.PureWindowsPath": _path(windows=True),
    "pathlib.WindowsPath": _path(windows=True),
    "zoneinfo.ZoneInfo._unpickle": _zone,
}
"""Builders by wire name."""
