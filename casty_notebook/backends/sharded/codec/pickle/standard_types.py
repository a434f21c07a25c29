"""The standard library's values that may appear in a reply, each built by our own code from checked arguments.

Closed: a name that is not here is never looked up. A builder gets the arguments of a pickle's REDUCE; it returns
`NotImplemented` when they are not those that an honest peer writes, and the value becomes a stand-in. Each states what a
call takes at its worst, which is charged before it is made (see `budget`).
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from sys import byteorder
from typing import Any

from casty_notebook.values.limits.size_model import DICT
from casty_notebook.values.limits.work import CALL, COPIED

__all__ = ["BUILDERS", "MOST_ARGUMENTS", "Constructor", "uuid_from_state"]

type Builder = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Constructor:
    """A builder and its price.

    Attributes
    ----------
    cost
        Nanoseconds of one call, beside `per_byte` for each byte of its arguments.
    weigh
        Further nanoseconds for these arguments, where their bytes alone do not tell.
    weight
        Bytes of memory that its result takes, beside those of its arguments and those that `getsizeof` counts.
    """

    build: Builder
    cost: int = CALL
    per_byte: int = 1
    weigh: Callable[[tuple[Any, ...]], int] | None = None
    weight: int = 0

    def price(self, args: tuple[Any, ...], size: int) -> int:
        """Nanoseconds that a call with `args` takes, which are `size` bytes."""
        extra = 0 if self.weigh is None else self.weigh(args)
        return self.cost + self.per_byte * size + extra


MOST_ARGUMENTS = 64
"""Arguments of one call. The most that honest nodes send are the parts of a path."""
_LIMB = 30
"""Bits of a digit of CPython's ints."""
_LONGEST_PATH = 4096
_LONGEST_PATTERN = 1000
_MOST_ZONES = 1000
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
    # A plain dict: the factory would be called at every missing key, and the peer would have chosen it.
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

    if not _typed(args, int, int, int) or any(abs(arg) >= 1 << 63 for arg in args):
        return NotImplemented
    return datetime.timedelta(*args)


def _timezone(*args: Any) -> Any:
    import datetime

    if not args or type(args[0]) is not datetime.timedelta or len(args) > 2 or (len(args) == 2 and type(args[1]) is not str):
        return NotImplemented
    return datetime.timezone(*args)


@cache
def _zones() -> dict[str, Any]:
    """The zones that replies have named, None for those that do not exist: each file is read once in this process."""
    return {}


def _zone_cost(args: tuple[Any, ...]) -> int:
    return 0 if args and type(args[0]) is str and args[0] in _zones() else 300_000


def _zone(*args: Any) -> Any:
    """A zone by name, from the system's own files only: ZoneInfo would import a package to find others."""
    if len(args) != 2 or type(args[0]) is not str or not _ZONE.fullmatch(args[0]):
        return NotImplemented
    known = _zones()
    if args[0] not in known:
        found = _read_zone(args[0])
        if len(known) >= _MOST_ZONES:
            for oldest in [*islice(known, _MOST_ZONES // 2)]:
                known.pop(oldest, None)
        known[args[0]] = found
        return NotImplemented if found is None else found
    return NotImplemented if known[args[0]] is None else known[args[0]]


def _read_zone(name: str) -> Any:
    import zoneinfo
    from pathlib import Path

    for folder in zoneinfo.TZPATH:
        path = Path(folder, name)
        if path.is_file():
            with path.open("rb") as file:
                try:
                    return zoneinfo.ZoneInfo.from_file(file, key=name)
                except ValueError:
                    return None
    return None


def _path(windows: bool) -> Builder:
    def build(*args: Any) -> Any:
        if not all(type(part) is str for part in args) or sum(map(len, args)) > _LONGEST_PATH:
            return NotImplemented
        import pathlib

        return (pathlib.PureWindowsPath if windows else pathlib.PurePosixPath)(*args)

    return build


def _network(name: str) -> Builder:
    """Addresses travel as numbers (or text, with a scope), interfaces and networks as text."""

    def build(*args: Any) -> Any:
        import ipaddress

        number = _typed(args, int) and 0 <= args[0] < 1 << 128
        if not number and not (_typed(args, str) and len(args[0]) <= 100):
            return NotImplemented
        try:
            return getattr(ipaddress, name)(args[0])
        except ValueError:
            return NotImplemented

    return build


_FLAGS = re.IGNORECASE | re.LOCALE | re.MULTILINE | re.DOTALL | re.UNICODE | re.VERBOSE | re.ASCII
_WIDE = re.compile(r"\\[uUN]|[^\x00-\x7f]")
_AMBIGUOUS = re.compile(r"\[\[|--|&&|~~|\|\|")
"""What `re` warns of within a set of characters. Such a pattern is not compiled: nothing that arrives may print a warning."""


def _pattern_cost(args: tuple[Any, ...]) -> int:
    if not args or type(args[0]) not in (str, bytes) or len(args[0]) > _LONGEST_PATTERN:
        return 0
    # Each set of characters beyond ASCII is a table of 65,536, filled in Python.
    wide = args[0].count("[") if type(args[0]) is str and _WIDE.search(args[0]) else 0
    return 30_000 * len(args[0]) + 8_000_000 * wide


def _pattern(*args: Any) -> Any:
    """A compiled pattern. Compiling runs no code of the peer's; but matching it may take very long, as with any pattern."""
    if len(args) != 2 or type(args[0]) not in (str, bytes) or type(args[1]) is not int or args[1] & ~int(_FLAGS):
        return NotImplemented
    text = args[0] if type(args[0]) is str else args[0].decode("latin-1")
    if len(text) > _LONGEST_PATTERN or ("[" in text and _AMBIGUOUS.search(text)):
        return NotImplemented
    try:
        return re.compile(*args)
    except (re.error, ValueError, OverflowError, RecursionError):
        return NotImplemented


_ITEMS: dict[int, tuple[str, int, bool]] = {
    0: ("B", 1, False), 1: ("b", 1, False), 2: ("H", 2, False), 3: ("H", 2, True), 4: ("h", 2, False), 5: ("h", 2, True),
    6: ("I", 4, False), 7: ("I", 4, True), 8: ("i", 4, False), 9: ("i", 4, True), 10: ("Q", 8, False), 11: ("Q", 8, True),
    12: ("q", 8, False), 13: ("q", 8, True), 14: ("f", 4, False), 15: ("f", 4, True), 16: ("d", 8, False), 17: ("d", 8, True),
}  # fmt: skip
"""How a machine writes the items of an array: of which type here, how long, whether the highest byte comes first."""


def _array(*args: Any) -> Any:
    """An array of numbers as its bytes; those of characters stay stand-ins."""
    if len(args) != 4 or type(args[2]) is not int or type(args[3]) is not bytes or args[2] not in _ITEMS:
        return NotImplemented
    code, size, big = _ITEMS[args[2]]
    if type(args[1]) is not str or args[1] not in _SAME_ARRAY.get(code, code) or len(args[3]) % size:
        return NotImplemented
    # The node's type code, if its items have that size here, too; else ours (a long has four bytes on some machines).
    made: Any = array(args[1] if array(args[1]).itemsize == size else code, args[3])
    if big != (byteorder == "big"):
        made.byteswap()
    return made


_SAME_ARRAY = {"I": "IL", "i": "il", "Q": "QL", "q": "ql"}


def _plain_array(*args: Any) -> Any:
    """An array as protocol 2 writes it: a type code and a list of numbers."""
    if len(args) != 2 or type(args[0]) is not str or args[0] not in "bBhHiIlLqQfd" or type(args[1]) is not list:
        return NotImplemented
    if len(args[0]) != 1 or not {int, float}.issuperset(map(type, args[1])):
        return NotImplemented
    try:
        return array(args[0], args[1])
    except (TypeError, OverflowError):
        return NotImplemented


def _common_divisor_cost(args: tuple[Any, ...]) -> int:
    """Nanoseconds to reduce a fraction: the greatest common divisor takes the square of the ints' length."""
    limbs = sum(arg.bit_length() // _LIMB if type(arg) is int else len(arg) // 9 if type(arg) is str else 0 for arg in args)
    return 6 * min(limbs, 10_000) ** 2


def _pairs_copied(args: tuple[Any, ...]) -> int:
    return 12 * COPIED * len(args[0]) if args and type(args[0]) is dict else 0


_MICROSECOND = 1000

BUILDERS: dict[str, Constructor] = {
    "_codecs.encode": Constructor(_encode),
    "array._array_reconstructor": Constructor(_array, 3 * _MICROSECOND),
    "array.array": Constructor(_plain_array, 3 * _MICROSECOND, per_byte=20),
    "builtins.bytearray": Constructor(_bytearray),
    "builtins.bytes": Constructor(_bytes),
    "builtins.complex": Constructor(_complex),
    "builtins.range": Constructor(_range),
    "builtins.slice": Constructor(_slice),
    "builtins.xrange": Constructor(_range),
    "collections.Counter": Constructor(_counter, 3 * _MICROSECOND, weigh=_pairs_copied),
    "collections.OrderedDict": Constructor(_ordered_dict),
    "collections.defaultdict": Constructor(_default_dict, weight=DICT),
    "collections.deque": Constructor(_deque),
    "datetime.date": Constructor(_datetime("date", 4), 2 * _MICROSECOND),
    "datetime.datetime": Constructor(_datetime("datetime", 10), 2 * _MICROSECOND),
    "datetime.time": Constructor(_datetime("time", 6), 2 * _MICROSECOND),
    "datetime.timedelta": Constructor(_timedelta, 2 * _MICROSECOND),
    "datetime.timezone": Constructor(_timezone, 2 * _MICROSECOND),
    "decimal.Decimal": Constructor(_decimal, 3 * _MICROSECOND, per_byte=15),
    "fractions.Fraction": Constructor(_fraction, 5 * _MICROSECOND, per_byte=5, weigh=_common_divisor_cost, weight=250),
    "ipaddress.IPv4Address": Constructor(_network("IPv4Address"), 8 * _MICROSECOND, weight=150),
    "ipaddress.IPv4Interface": Constructor(_network("IPv4Interface"), 40 * _MICROSECOND, weight=1000),
    "ipaddress.IPv4Network": Constructor(_network("IPv4Network"), 20 * _MICROSECOND, weight=800),
    "ipaddress.IPv6Address": Constructor(_network("IPv6Address"), 20 * _MICROSECOND, weight=150),
    "ipaddress.IPv6Interface": Constructor(_network("IPv6Interface"), 60 * _MICROSECOND, weight=1000),
    "ipaddress.IPv6Network": Constructor(_network("IPv6Network"), 30 * _MICROSECOND, weight=800),
    "pathlib.PosixPath": Constructor(_path(windows=False), 10 * _MICROSECOND, weight=500),
    "pathlib.PurePosixPath": Constructor(_path(windows=False), 10 * _MICROSECOND, weight=500),
    "pathlib.PureWindowsPath": Constructor(_path(windows=True), 10 * _MICROSECOND, weight=500),
    "pathlib.WindowsPath": Constructor(_path(windows=True), 10 * _MICROSECOND, weight=500),
    "re._compile": Constructor(_pattern, 30 * _MICROSECOND, weigh=_pattern_cost, weight=4000),
    "zoneinfo.ZoneInfo._unpickle": Constructor(_zone, 2 * _MICROSECOND, weigh=_zone_cost),
}
"""Constructors by wire name."""
