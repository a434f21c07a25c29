"""What values weigh in CPython: bytes of memory, headers and the allocator's rounding included. Estimates from above."""

from __future__ import annotations

from sys import getsizeof
from typing import Any

__all__ = [
    "CLASS_NAME",
    "DICT",
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
    "WAITING",
    "built",
    "instance_weight",
    "pairs",
]

SLOT = 9
"""A place in a list, with the eighth that lists are longer than they need to be."""
NUMBER = 32
TEXT = 64
"""A str beside its characters; a bytes object beside its bytes."""
LIST = 64
TUPLE = 64
DICT = 64
_SMALL_TABLE = 160
_SMALL = 5
"""Pairs that fit into a dict's first table, which takes `_SMALL_TABLE` bytes."""
_INLINE = 30
"""Fields that CPython keeps in an instance itself."""
PAIR = 100
"""Bytes of each further pair at the worst moment: a dict that has just grown has a table a third full, and still its old one."""
SET = 232
SET_ITEM = 130
STAND_IN = 96
"""A stand-in beside its fields, which are a dict."""
WAITING = 100
"""The entry that notes at which place of the memo an object is, while its state may still come."""
CLASS_NAME = 256
REF = 400
UNFINISHED = 352


def pairs(before: int, added: int) -> int:
    """What a dict of `before` pairs gains by `added` more.

    Examples
    --------
    >>> pairs(0, 1), pairs(1, 1), pairs(5, 1), pairs(0, 6)
    (160, 0, 100, 260)
    """
    if not before and 0 < added <= _SMALL:
        return _SMALL_TABLE
    return _table(before + added) - _table(before)


def _table(size: int) -> int:
    return _SMALL_TABLE + PAIR * max(0, size - _SMALL) if size else 0


def instance_weight(family: str, fields: int) -> int:
    """An instance of a registered class. Most keep their fields in the instance, pydantic's models in dicts and sets."""
    if family == "model":
        return 800 + 2 * PAIR * fields
    return 112 + (16 if fields <= _INLINE else PAIR) * fields


def built(value: Any) -> int:
    """What a value of the standard library weighs, with one or two that it holds."""
    return 2 * NUMBER + getsizeof(value)
