"""The shards of one type, in columns: 10,000 of them take 10 KB here and about 1 MB as a dict.

A cluster has few placements (an owner and its replicas) and many shards, so the placements are listed once and each shard has
the number of its own, in an array that numpy reads without a copy. Ids are in ascending order. Mostly none is left out, and they
are a `range`, which takes no memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from itertools import islice
from operator import eq, index, lt
from sys import getsizeof
from typing import Any, ClassVar

from casty_notebook.address import NodeAddress

__all__ = ["ShardAllocation", "ShardColumn", "as_column", "code_type", "coded", "column_of", "in_column", "translated"]

LOWEST, HIGHEST = -(2**63), 2**63 - 1
"""Ids that a column has room for. Others are nonsense, which nodes do not refuse (PROTOCOL section 6.4)."""
_INT = range(-(2**31), 2**31)
_BYTE, _SHORT = 2**8, 2**16
_AT_ONCE = 512
"""Shards compared at a time. After each lot a comparison may end early, as soon as the columns cannot be equal."""


@dataclass(frozen=True, slots=True)
class ShardAllocation:
    """Who owns a shard, and who keeps copies."""

    primary: NodeAddress
    replicas: tuple[NodeAddress, ...] = ()


class ShardColumn(Mapping[int, ShardAllocation]):
    """The allocations of one type's shards by their ids: reads as a dict of them does, and equals one.

    Attributes
    ----------
    ids
        Ascending, each once; a `range` where none is left out between the first and the last.
    codes
        For each id the place of its allocation in `placements`.
    placements
        The allocations that occur, each once.

    Examples
    --------
    >>> here, there = NodeAddress("10.0.1.10", 25520), NodeAddress("10.0.1.11", 25520)
    >>> cart = in_column({7: ShardAllocation(here), 8: ShardAllocation(there), 9: ShardAllocation(here)})
    >>> cart
    <ShardColumn: 3 shards (7 to 9) on 2 nodes>
    >>> cart[8].primary == there, cart.ids, cart.codes.tolist(), cart == dict(cart)
    (True, range(7, 10), [0, 1, 0], True)
    """

    __slots__ = ("codes", "ids", "placements")
    holds: ClassVar = (int, ShardAllocation)
    """What the keys and values of every instance are, for whoever would have to look at each."""
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, ids: range | array[int], codes: array[int], placements: tuple[ShardAllocation, ...]) -> None:
        self.ids = ids
        self.codes = codes
        self.placements = placements

    def __reduce__(self) -> tuple[Any, ...]:
        return ShardColumn, (self.ids, self.codes, self.placements)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids)

    def __reversed__(self) -> Iterator[int]:
        return reversed(self.ids)

    def __contains__(self, shard: object) -> bool:
        return self._place(shard) >= 0

    def __getitem__(self, shard: int) -> ShardAllocation:
        place = self._place(shard)
        if place < 0:
            raise KeyError(shard)
        return self.placements[self.codes[place]]

    def get(self, shard: int, default: Any = None) -> Any:
        """The allocation of a shard; `default` of one that is not listed."""
        place = self._place(shard)
        return default if place < 0 else self.placements[self.codes[place]]

    def keys(self) -> _Keys:
        return _Keys(self)

    def values(self) -> _Values:
        return _Values(self)

    def items(self) -> _Items:
        return _Items(self)

    def counts(self) -> list[tuple[ShardAllocation, int]]:
        """Each placement with the number of its shards."""
        counted = Counter(self.codes)
        return [(placement, counted[code]) for code, placement in enumerate(self.placements)]

    def _place(self, shard: object) -> int:
        """Where a shard's code is; -1 if the shard is not listed."""
        ids = self.ids
        if type(shard) is int or (shard := _number(shard, ids)) is not None:
            if type(ids) is range:
                return ids.index(shard) if shard in ids else -1
            place = bisect_left(ids, shard)
            if place < len(ids) and ids[place] == shard:
                return place
        return -1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        if not isinstance(other, ShardColumn):
            return len(self) == len(other) and dict(self.items()) == dict(other.items())
        if self is other:
            return True
        if self.ids != other.ids or len(self.placements) != len(other.placements):
            return False
        if self.placements == other.placements:
            return self.codes == other.codes
        met: set[tuple[int, int]] = set()  # each placement with the one that has to equal it
        for start in range(0, len(self.codes), _AT_ONCE):
            end = start + _AT_ONCE
            met.update(zip(self.codes[start:end], other.codes[start:end], strict=True))
            if len(met) > len(self.placements):
                return False
        return all(self.placements[one] == other.placements[two] for one, two in met)

    def __repr__(self) -> str:
        count = len(self)
        nodes = len({placement.primary for placement in self.placements})
        which = "" if not count else f" ({self.ids[0]:,})" if count == 1 else f" ({self.ids[0]:,} to {self.ids[-1]:,})"
        on = f" on {nodes:,} node{'' if nodes == 1 else 's'}" if count else ""
        return f"<ShardColumn: {count:,} shard{'' if count == 1 else 's'}{which}{on}>"

    @property
    def size(self) -> int:
        """Bytes, about."""
        ids = 0 if isinstance(self.ids, range) else len(self.ids) * self.ids.itemsize
        nodes = sum(
            150 + getsizeof(node.host) for placement in self.placements for node in (placement.primary, *placement.replicas)
        )
        return 300 + ids + len(self.codes) * self.codes.itemsize + 100 * len(self.placements) + nodes


class _Keys(KeysView[int]):
    _mapping: ShardColumn

    def __reversed__(self) -> Iterator[int]:
        return reversed(self._mapping.ids)


class _Values(ValuesView[ShardAllocation]):
    _mapping: ShardColumn

    def __iter__(self) -> Iterator[ShardAllocation]:
        return map(self._mapping.placements.__getitem__, self._mapping.codes)

    def __reversed__(self) -> Iterator[ShardAllocation]:
        return map(self._mapping.placements.__getitem__, reversed(self._mapping.codes))

    def __contains__(self, value: object) -> bool:
        return value in self._mapping.placements


class _Items(ItemsView[int, ShardAllocation]):
    _mapping: ShardColumn

    def __iter__(self) -> Iterator[tuple[int, ShardAllocation]]:
        return zip(self._mapping.ids, self._mapping.values(), strict=True)

    def __reversed__(self) -> Iterator[tuple[int, ShardAllocation]]:
        return zip(reversed(self._mapping.ids), reversed(self._mapping.values()), strict=True)


def _number(shard: object, ids: Sequence[int]) -> int | None:
    """The id that equals a key of another type, as a dict finds 7 by 7.0 or by numpy's 7; None if there is none."""
    hash(shard)  # a dict raises for a list, too
    try:
        return index(shard)  # type: ignore[arg-type]
    except TypeError:
        return next((each for each in ids if each == shard), None)


def in_column(allocations: Mapping[int, ShardAllocation]) -> Mapping[int, ShardAllocation]:
    """The same as a `ShardColumn`; as it is if one of its ids is beyond 64 bits."""
    if isinstance(allocations, ShardColumn):
        return allocations
    if allocations and not LOWEST <= min(allocations) <= max(allocations) <= HIGHEST:
        return allocations
    return column_of(list(allocations), *coded(list(allocations.values())))


def as_column(allocations: Mapping[int, ShardAllocation]) -> ShardColumn:
    """The same as a `ShardColumn`, whatever its ids: those beyond 64 bits become the nearest inside.

    Examples
    --------
    >>> list(as_column({7: ShardAllocation(NodeAddress("10.0.1.10", 25520)), 10**30: ShardAllocation(NodeAddress("h", 1))}))
    [7, 9223372036854775807]
    """
    made = in_column(allocations)
    if isinstance(made, ShardColumn):
        return made
    return column_of([min(max(shard, LOWEST), HIGHEST) for shard in made], *coded(list(made.values())))


def column_of(ids: Sequence[int], codes: array[int], placements: tuple[ShardAllocation, ...]) -> ShardColumn:
    """Make a column of ids in any order, each with its code. If an id comes more than once, its last code counts."""
    if (dense := _run(ids)) is not None:
        return ShardColumn(dense, codes, placements)
    if not all(map(lt, ids, islice(ids, 1, None))):
        last = dict(zip(ids, codes, strict=True))
        again, ids = len(last) < len(ids), sorted(last)
        codes = array(codes.typecode, map(last.__getitem__, ids))
        if again:  # a placement may be gone with a shard's earlier code
            codes, placements = coded(list(map(placements.__getitem__, codes)))
    dense = _run(ids)
    return ShardColumn(
        array("i" if ids[0] in _INT and ids[-1] in _INT else "q", ids) if dense is None else dense, codes, placements
    )


def _run(ids: Sequence[int]) -> range | None:
    """Return these ids as a range if each is the one before plus 1, else None."""
    if isinstance(ids, range) or not ids:
        return ids if isinstance(ids, range) else range(0)
    first, last = ids[0], ids[-1]
    return run if last - first + 1 == len(ids) and all(map(eq, ids, run := range(first, last + 1))) else None


def translated(codes: array[int], numbers: Sequence[int], kinds: int) -> array[int]:
    """Replace each code by its entry in `numbers`, all of which are less than `kinds`."""
    if all(map(eq, numbers, range(len(numbers)))):
        return codes if codes.typecode == code_type(kinds) else array(code_type(kinds), codes)
    if codes.typecode == "B" and kinds <= _BYTE:
        return array("B", codes.tobytes().translate(bytes(numbers).ljust(_BYTE, b"\0")))
    return array(code_type(kinds), map(numbers.__getitem__, codes))


def code_type(kinds: int) -> str:
    """The narrowest type that has room for so many different codes."""
    return "B" if kinds <= _BYTE else "H" if kinds <= _SHORT else "I"


def coded(owned: list[ShardAllocation]) -> tuple[array[int], tuple[ShardAllocation, ...]]:
    """Codes and placements of allocations that stand one after another."""
    # One object stands for all shards of a placement (readers build it once), so most are told apart by identity.
    identities = list(map(id, owned))
    places: dict[ShardAllocation, int] = {}
    code_of = {
        identity: places.setdefault(allocation, len(places))
        for identity, allocation in dict(zip(identities, owned, strict=True)).items()
    }
    return array(code_type(len(places)), map(code_of.__getitem__, identities)), tuple(places)
