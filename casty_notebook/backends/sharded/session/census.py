"""What the shard ids in use tell of a type's number of shards, which is nowhere on the wire (PROTOCOL section 4.2)."""

from __future__ import annotations

from collections.abc import Collection, Set
from math import inf, log10

__all__ = ["Census", "too_few", "too_many"]

UNLIKELY = 3.0
"""A number of shards is reported as too large if the shards in use would be a chance of 1 in 10 to this power, or rarer."""


def too_few(shard_type: str, given: int, shards: Collection[int]) -> str | None:
    """What is to be said of shards beyond the number given: somebody uses a larger one, and it may be right or wrong.

    One other client with a wrong number makes such a shard with its first message, so they are no proof.
    """
    beyond = sum(shard >= given for shard in shards)
    if not beyond:
        return None
    highest = max(shards)
    expected = len(shards) * (highest + 1 - given) / (highest + 1)
    verdict = "so the number given is probably too small" if 2 * beyond > len(shards) else "so one of the numbers is wrong"
    return (
        f"the cluster uses shard {highest} of {shard_type!r}, which was given as {given} shards (0 to {given - 1}): {beyond} of "
        f"its {len(shards)} shards lie beyond that ({expected:.1f} would, if all used {highest + 1}), {verdict}, ours or that of "
        "another client. Asks go on; with a wrong number they reach wrong entities: use the num_shards of the nodes"
    )


def too_many(shard_type: str, given: int, shards: Collection[int], ours: Set[int] = frozenset()) -> str | None:
    """What is to be said where all shards lie so low that it is hardly chance; `ours` are those that we asked for.

    Entities are spread evenly over the shards, so the highest of many shards lies near the number of them.
    """
    others = [shard for shard in shards if shard not in ours] if ours else shards
    if not others or (highest := max(others)) >= given:
        return None
    power = _improbability(len(others), highest + 1, given)
    if power < UNLIKELY:
        return None
    return (
        f"{shard_type!r} was given as {given} shards, but the {len(others)} that others use all lie below {highest + 1}, for "
        f"which the chance would be 1 in {f'10^{power:.0f}' if power > 4 else f'{10**power:.0f}'}: the nodes very likely use "
        f"fewer (from {highest + 1} on). With a wrong number messages reach wrong entities: use the num_shards of the nodes"
    )


def _improbability(count: int, below: int, of: int) -> float:
    """The chance that `count` different numbers, out of `of`, all lie below `below`; as the power of ten of 1 in so many."""
    if count > below:
        return inf
    return sum(log10((of - place) / (below - place)) for place in range(count))


class Census:
    """Looks at one type's shards at each changed snapshot, and says each thing that is wrong once."""

    __slots__ = ("_num_shards", "_shard_type", "_words", "few", "many", "ours")

    def __init__(self, shard_type: str, num_shards: int) -> None:
        self._shard_type = shard_type
        self._num_shards = num_shards
        self._words: list[str] = []
        self.few: str | None = None
        self.many: str | None = None
        self.ours: set[int] = set()
        """Shards that we asked for: allocated, perhaps, for no other reason."""

    def count(self, shards: Collection[int]) -> None:
        highest = max(shards, default=-1)
        if highest >= self._num_shards:
            if self.few is None and (text := too_few(self._shard_type, self._num_shards, shards)) is not None:
                self.few = text
                self._words.append(text)
        elif self.many is None and (highest in self.ours or highest < 0.95 * self._num_shards):
            # Not where others use a shard almost at the top: the number is not too large then, and nothing has to be counted.
            text = too_many(self._shard_type, self._num_shards, shards, self.ours)
            if text is not None:
                self.many = text
                self._words.append(text)

    @property
    def has_news(self) -> bool:
        return bool(self._words)

    def news(self) -> list[str]:
        """What is to be said and was not yet."""
        words, self._words = self._words, []
        return words
