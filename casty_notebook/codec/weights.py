"""What values weigh in CPython: bytes of memory, headers and the allocator's rounding included. Estimates from above."""

from __future__ import annotations

from sys import getsizeof
from typing import Any

__all__ = [
    "CLASS_NAME",
    "DICT",
    "INSTANCE",
    "LIST",
    "NUMBER",
    "PAIR",
    "REF",
    "SET",
    "SET_ITEM",
    "SLOT",
    "STAND_IN",
    "TEXT",
    "TUPLE",
    "UNFINISHED",
    "built",
    "pairs",
]

SLOT = 9
"""A place in a list, with the eighth that lists are longer than they need to be."""
NUMBER = 32
TEXT = 64
"""Beside its characters; bytes, too."""
LIST = 64
TUPLE = 64
DICT = 64
_SMALL_TABLE = 176
_SMALL = 5
"""Pairs that fit into a dict's first table."""
PAIR = 100
"""Of a larger dict: right after it has grown its table is a third full, and the old one is still there."""
SET = 232
SET_ITEM = 130
STAND_IN = 160
CLASS_NAME = 256
INSTANCE = 240
"""An instance of a class of the table with up to five fields."""
REF = 400
UNFINISHED = 352


def pairs(before: int, added: int) -> int:
    """What a dict of `before` pairs gains by `added` more.

    Examples
    --------
    >>> pairs(0, 1), pairs(1, 1), pairs(5, 1), pairs(0, 6)
    (176, 0, 100, 276)
    """
    return _table(before + added) - _table(before)


def _table(size: int) -> int:
    return _SMALL_TABLE + PAIR * max(0, size - _SMALL) if size else 0


def built(value: Any) -> int:
    """What a value of the standard library weighs, with one or two that it holds."""
    return 2 * NUMBER + getsizeof(value)
