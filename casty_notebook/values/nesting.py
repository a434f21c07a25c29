"""The kinds of value that can hold others; everything else a payload makes is a leaf."""

from __future__ import annotations

from collections import ChainMap, Counter, OrderedDict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from casty_notebook.values.remote_error import RemoteError
from casty_notebook.values.standin import StandIn

__all__ = ["COLLECTIONS", "MAPPINGS", "NESTING", "Unfinished"]

MAPPINGS = frozenset({dict, OrderedDict, Counter})
COLLECTIONS = frozenset({list, tuple, set, frozenset, deque})


class Unfinished:
    """A pickled object whose state has not come yet. It cannot be referred to: whatever refers to it is circular."""

    __slots__ = ("finish", "index")

    def __init__(self, finish: Callable[[Any], Any], index: int) -> None:
        self.finish = finish
        self.index = index


NESTING: frozenset[type] = MAPPINGS | COLLECTIONS | {ChainMap, RemoteError, SimpleNamespace, StandIn, slice, Unfinished}
