"""Values of casty 0.30 that want time or memory: for each kind the worst we know of, in any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgpack

from tests.hostile.work import walking_ints

__all__ = ["CLASSES", "VALUES", "Numbers"]


@dataclass(frozen=True)
class Numbers:
    """Chosen numbers become the keys of real sets and mappings where a class says so."""

    known: frozenset[int]
    counts: Mapping[int, int]
    pairs: frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Node:
    """Holds itself."""

    inner: Node | None


@dataclass(frozen=True)
class Prices:
    """Texts that are read as something else."""

    all: tuple[Decimal, ...]
    times: tuple[datetime, ...]


CLASSES = (Numbers, Node, Prices)


def _array(unit: bytes, size: int, per_list: int = 400_000) -> bytes:
    count = max(1, size // len(unit))
    lists, rest = divmod(count, per_list)
    whole = b"".join(b"\xdd" + n.to_bytes(4) + unit * n for n in [per_list] * lists + [rest])
    return b"\xdd" + (lists + 1).to_bytes(4) + whole


def _filled(unit: bytes) -> Callable[[int], bytes]:
    return lambda size: _array(unit, size)


def _tagged(name: str, **fields: bytes) -> bytes:
    packed = b"".join(msgpack.packb(field) + value for field, value in fields.items())
    return b"\x92" + msgpack.packb(name) + bytes((0x80 + len(fields),)) + packed


def _numbers(size: int, *, known: Iterable[bytes] = (), counts: Iterable[bytes] = (), pairs: Iterable[bytes] = ()) -> bytes:
    def array(items: Iterable[bytes]) -> bytes:
        listed = list(items)
        return b"\xdd" + len(listed).to_bytes(4) + b"".join(listed)

    return _tagged("Numbers", known=array(known), counts=array(counts), pairs=array(pairs))[: 2 * size + 1024]


def _chosen(count: int) -> list[bytes]:
    return [b"\xcf" + number.to_bytes(8) for number in walking_ints(min(count, 20_000))]


def _nested(size: int) -> bytes:
    levels = min(size // 12, 1_000)
    return b"\x92\xa4Node\x81\xa5inner" * levels + b"\xc0"


def _prices(size: int) -> bytes:
    text = b"\xda" + (4_000).to_bytes(2) + b"9" * 4_000
    times = b"\x92\xcf" + (1 << 62).to_bytes(8) + b"\xd3" + (1 << 61).to_bytes(8)
    count = max(1, size // 5_000)
    array = b"\xdd" + count.to_bytes(4)
    return _tagged("Prices", all=array + text * count, times=array + times * count)


def _wide_map(size: int) -> bytes:
    count = size // 8
    return b"\xdf" + count.to_bytes(4) + b"".join(b"\xa6%06x\x01" % number for number in range(count))


VALUES: dict[str, Callable[[int], bytes]] = {
    "lists": _filled(b"\x90"),
    "lists of lists": _filled(b"\x91\x90"),
    "maps": _filled(b"\x80"),
    "maps of one": _filled(b"\x81\xa0\xc0"),
    "objects": _filled(b"\x92\xa1A\x80"),
    "objects with fields": _filled(b"\x92\xa1A\x82\xa1a\x01\xa1b\x02"),
    "short texts": _filled(b"\xa2ab"),
    "numbers": _filled(b"\xcd\x30\x39"),
    "ratios": _filled(b"\xcb" + bytes(7) + b"\x01"),
    "promises": lambda size: (b"\xdd" + (1 << 19).to_bytes(4)) * min(900, size // 5) + bytes(max(0, size - 4_500)),
    "one long text": lambda size: b"\xdb" + size.to_bytes(4) + b"a" * size,
    "one wide text": lambda size: msgpack.packb("я" * (size // 2)),
    "one wide map": _wide_map,
    "nesting": lambda size: b"\x91" * size + b"\xc0",
    "a class that holds itself": _nested,
    "chosen numbers in a set": lambda size: _numbers(size, known=_chosen(size // 9)),
    "chosen numbers as keys": lambda size: _numbers(size, counts=[b"\x92" + key + b"\x01" for key in _chosen(size // 11)]),
    "chosen numbers in pairs": lambda size: _numbers(size, pairs=[b"\x92\x01" + key for key in _chosen(size // 11)]),
    "decimals and times": _prices,
}
"""Bytes of the value in a reply, of about that size."""
