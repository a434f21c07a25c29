"""How much memory a parser of JSON or msgpack will take, found out before it runs: neither can be stopped half way.

Objects are turned into messages as soon as they are complete (`tree`), so what counts is the worst moment. A finished object
then counts only as a place in the object that holds it: what it was turned into is counted when it is made.
"""

from __future__ import annotations

import re
from typing import Any

from casty_notebook.values.limits.budget import CostGuard, Refused
from casty_notebook.values.limits.size_model import DICT, LIST, NUMBER, PAIR, SLOT, TEXT, pairs

__all__ = ["skim_json", "skim_msgpack", "text_weight"]

_SHARE = 4
"""A crude estimate will do if it is less than one part in so many of the room; the rest is for what the objects become."""
_OBJECT = DICT + pairs(0, 5)
_WORST = _OBJECT + PAIR
"""Bytes of memory that one byte of text can take at most."""
_SMALL = 5
_TOKEN_COST, _VALUE_COST = 400, 150
"""Nanoseconds to look at one token here, and to make its value in the parser."""
_TOKENS = 4096
_FEW = 64
"""So many values are looked at one by one before all bytes are counted: most long messages are a single long text or blob."""
_PIECE = 1 << 20
_NOT_ASCII, _ASTRAL = re.compile(rb"[\x80-\xff]"), re.compile(rb"[\xf0-\xff]")


def text_weight(data: bytes, start: int, end: int) -> int:
    """What UTF-8 weighs as a str: one character beyond ASCII makes all of it two or four times as wide.

    Examples
    --------
    >>> text_weight(b"abc", 0, 3), text_weight("abc\N{SNOWMAN}".encode(), 0, 6)
    (67, 76)
    """
    width = 1
    if _NOT_ASCII.search(data, start, end) is not None:
        width = 4 if _ASTRAL.search(data, start, end) is not None else 2
    return TEXT + width * (end - start)


# --- JSON ----------------------------------------------------------------------------------------------------------

# Possessive (`*+`), so that matching needs no memory to go back. What the expression does not match, the parser will refuse.
_TOKEN = re.compile(
    r'("[^"\\]*+(?:\\.[^"\\]*+)*+"(?=\s*+:))|("[^"\\]*+(?:\\.[^"\\]*+)*+")|(\{)|(\})|(\[)|(\])|[^\s,:\[\]{}"]++', re.DOTALL
)
_KEY, _STRING, _OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = range(1, 7)


def skim_json(text: str, guard: CostGuard, width: int) -> int:
    """Count what parsing will take; returns the number of brackets, which bounds the depth.

    Raises
    ------
    Refused
        If there is no room for it.
    """
    if len(text) * _WORST * _SHARE < guard.room:
        guard.work.charge(len(text) * _VALUE_COST)
        guard.spend(len(text) * _WORST)
        return text.count("[") + text.count("{")
    lists, objects, quotes = map(text.count, ("[", "{", '"'))
    values = text.count(",") + lists + objects + 1
    crude = (
        lists * LIST + objects * _OBJECT + text.count(":") * (PAIR + PAIR) + values * (SLOT + NUMBER)
        + quotes // 2 * TEXT + len(text) * width
    )  # fmt: skip
    tokens = values + lists + objects + text.count(":")
    guard.work.charge(tokens * _VALUE_COST + len(text))
    if crude * _SHARE >= guard.room:
        guard.work.charge(tokens * _TOKEN_COST)
        crude = _skim_json(text, guard, width)
    guard.spend(crude)
    return lists + objects


def _skim_json(text: str, guard: CostGuard, width: int) -> int:
    room, heap, peak = guard.room, 0, 0
    # For each open object: the weight before it and how many keys it has; None for each open list.
    path: list[Any] = []
    keys: set[str] = set()
    for token in _TOKEN.finditer(text):
        kind = token.lastindex
        if kind == _KEY:
            key = token[0]
            if key not in keys:
                keys.add(key)
                room -= 2 * (TEXT + width * len(key)) + 2 * PAIR  # once in `keys`, once in the parser's own table of keys
            frame = path[-1] if path else None
            if frame is not None:
                frame[1] += 1
                if frame[1] > _SMALL:
                    heap += PAIR
            continue
        if kind == _STRING:
            start, end = token.span()
            heap += TEXT + SLOT + width * (end - start)
        elif kind is None:
            start, end = token.span()
            heap += NUMBER + SLOT + (end - start) // 2
        elif kind == _OPEN:
            path.append([heap + SLOT, 0])
            heap += _OBJECT + SLOT
        elif kind == _OPEN_LIST:
            path.append(None)
            heap += LIST + SLOT
        else:
            frame = path.pop() if path else None
            if frame is not None:
                if heap > peak:
                    peak = heap
                heap = frame[0]
        if heap > room:
            guard.reserve(guard.room + heap - room)
    return max(peak, heap) + guard.room - room


# --- msgpack -------------------------------------------------------------------------------------------------------

_LISTS, _MAPS = bytes(range(0x90, 0xA0)) + b"\xdc\xdd", bytes(range(0x80, 0x90)) + b"\xde\xdf"
_TEXTS, _NUMBERS = bytes(range(0xA1, 0xC0)) + b"\xc4\xc5\xc6\xd9\xda\xdb", bytes(range(0xCA, 0xD4))
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
"""Bytes of the length of strings, byte strings and extensions."""
_LONG = frozenset({0xC6, 0xDB})
"""Byte strings and strings of 64 KiB and more."""
_COUNTED = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_PLAIN = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip


def skim_msgpack(data: bytes, start: int, guard: CostGuard, *, kept: bool = False) -> int:
    """Count what parsing will take; returns a bound of the depth.

    Parameters
    ----------
    kept
        Maps stay maps, and are not made into something else as soon as they are complete.

    Raises
    ------
    Refused
        If there is no room for it.
    """
    size = len(data) - start
    if size * _WORST * _SHARE < guard.room and size < guard.max_items:
        guard.work.charge(size * _VALUE_COST)
        guard.spend(size * _WORST)
        return size
    guard.work.charge(size)
    if _is_few(data, start):
        guard.work.charge(_FEW * (_TOKEN_COST + _VALUE_COST))
        guard.spend(_skim_msgpack(data, start, guard, kept=kept))
        return _FEW
    lists, maps, texts, numbers = (_count(data, start, kind) for kind in (_LISTS, _MAPS, _TEXTS, _NUMBERS))
    crude = lists * LIST + maps * (_OBJECT + 15 * PAIR) + texts * TEXT + numbers * NUMBER + size * (SLOT + 4)
    if crude * _SHARE < guard.room and size < guard.max_items:
        guard.spend(crude)
    else:
        guard.spend(_skim_msgpack(data, start, guard, kept=kept))
    return lists + maps


def _is_few(data: bytes, pos: int) -> bool:
    """Whether the data from `pos` on are at most `_FEW` values, however long."""
    end = len(data)
    for _ in range(_FEW):
        if pos >= end:
            return True
        code = data[pos]
        pos += 1
        if 0xA0 <= code < 0xC0:
            pos += code & 31
        elif code in _PLAIN:
            pos += _PLAIN[code]
        elif code in _COUNTED:
            pos += _COUNTED[code]
        elif code in _SIZED:
            width = _SIZED[code]
            pos += width + int.from_bytes(data[pos : pos + width]) + (0xC7 <= code <= 0xC9)
    return pos >= end


def _count(data: bytes, start: int, codes: bytes) -> int:
    """How many bytes are one of `codes`. In pieces, so that never all of the data are copied."""
    count = 0
    for at in range(start, len(data), _PIECE):
        piece = data[at : at + _PIECE]
        count += len(piece) - len(piece.translate(None, codes))
    return count


def _skim_msgpack(data: bytes, pos: int, guard: CostGuard, *, kept: bool) -> int:
    room, heap, peak, seen, end = guard.room, 0, 0, 0, len(data)
    # For each open list or map: how many values are to come, and the weight before it (-1 for a list).
    path: list[list[int]] = []
    while pos < end:
        kind, at, weight, children = _token(data, pos)
        if data[pos] in _LONG:
            guard.blob(min(at, end) - pos)
            room = guard.room
        pos = at
        seen += 1
        if not seen % _TOKENS:
            guard.work.charge(_TOKENS * (_TOKEN_COST + _VALUE_COST))
        heap += weight
        if heap > room or seen > guard.max_items:
            guard.reserve(heap)
            raise Refused(f"more than {guard.max_items:,} values (Settings.max_items)")
        if children:
            path.append([children, heap - weight + SLOT if kind and not kept else -1])
            continue
        while path:
            path[-1][0] -= 1
            if path[-1][0]:
                break
            before = path.pop()[1]
            if before >= 0:
                peak, heap = max(peak, heap), before
        else:
            break
    return max(peak, heap)


def _token(data: bytes, pos: int) -> tuple[bool, int, int, int]:
    """One value's head: whether it is a map, where the next one begins, its weight, how many values are in it."""
    code = data[pos]
    pos += 1
    if code < 0x80 or code >= 0xE0 or 0xC0 <= code <= 0xC3:
        return False, pos, SLOT, 0
    if code < 0x90:
        count = code & 15
        return True, pos, SLOT + DICT + pairs(0, count), 2 * count
    if code < 0xA0:
        return False, pos, SLOT + LIST, code & 15
    if code < 0xC0:
        return False, pos + (code & 31), SLOT + TEXT + 4 * (code & 31), 0
    if code in _PLAIN:
        return False, pos + _PLAIN[code], SLOT + 2 * NUMBER, 0
    if code in _COUNTED:
        width = _COUNTED[code]
        count = min(int.from_bytes(data[pos : pos + width]), len(data) - pos)
        if code >= 0xDE:
            return True, pos + width, SLOT + DICT + pairs(0, count), 2 * count
        return False, pos + width, SLOT + LIST, count
    width = _SIZED[code]
    size = int.from_bytes(data[pos : pos + width])
    start = pos + width
    stop = min(start + size, len(data))
    weight = TEXT + stop - start if code <= 0xC9 else text_weight(data, start, stop)
    return False, start + size + (0xC7 <= code <= 0xC9), SLOT + weight, 0
