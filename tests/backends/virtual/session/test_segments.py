"""Linear hashing, and an order of reading that no split disturbs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.backends.virtual.session.segments import next_position, segment_of, shard_of, spread_of, to_split


class Shard:
    """Segments as nodes keep them: places by segment, each with its modulus."""

    def __init__(self, places: set[int]) -> None:
        self.segments = [(1, set(places))]

    def split(self) -> None:
        at, new = to_split(len(self.segments)), len(self.segments)
        modulus, places = self.segments[at]
        self.segments[at] = 2 * modulus, {place for place in places if place % (2 * modulus) == at}
        self.segments.append((2 * modulus, {place for place in places if place % (2 * modulus) == new}))


PLACES = st.sets(st.integers(0, 2**32 - 1), max_size=40)


@given(PLACES, st.integers(0, 40))
def test_a_place_is_in_the_segment_that_is_computed(places: set[int], splits: int) -> None:
    shard = Shard(places)
    for _ in range(splits):
        shard.split()
    assert all(place in shard.segments[segment_of(place, len(shard.segments))][1] for place in places)


@given(PLACES, st.lists(st.integers(0, 3), max_size=40))
def test_everything_is_read_once_whatever_is_split_meanwhile(places: set[int], splits: list[int]) -> None:
    shard, read = Shard(places), []
    position: int | None = 0
    while position is not None:
        modulus, found = shard.segments[segment_of(position, len(shard.segments))]
        read += sorted(found)
        for _ in range(splits.pop() if splits else 0):
            shard.split()
        position = next_position(position, modulus)
    assert sorted(read) == sorted(places)


def test_shards_and_places_come_from_one_hash() -> None:
    assert (shard_of(b"\x01", 1), shard_of(b"\x01", 16) < 16, spread_of(b"\x01") < 2**32) == (0, True, True)
