"""Which segment of a collection's index lists a key, and in which order all are read (VIRTUAL section 8.3).

An index is cut into shards by a key's hash, and each shard into segments that are split one after another (linear hashing).
"""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["next_position", "segment_of", "shard_of", "spread_of", "to_split"]


def _digest(key: bytes) -> int:
    return int.from_bytes(blake2b(key, digest_size=8).digest())


def shard_of(key: bytes, shards: int) -> int:
    """The shard of a key, given as its bytes in msgpack."""
    return _digest(key) % shards


def spread_of(key: bytes) -> int:
    """What places a key within its shard: the upper half of the hash that chose the shard."""
    return _digest(key) >> 32


def segment_of(spread: int, segments: int) -> int:
    """The segment, of so many in its shard, that holds a place.

    Examples
    --------
    >>> [segment_of(spread, 3) for spread in range(4)]
    [0, 1, 2, 1]
    """
    whole = _whole(segments)
    wide = spread % (2 * whole)
    return wide if wide < segments else spread % whole


def to_split(segments: int) -> int:
    """The segment that is split next, where there are so many."""
    return segments - _whole(segments)


def _whole(segments: int) -> int:
    """The greatest power of two that is not greater."""
    return 1 << (segments.bit_length() - 1)


def next_position(position: int, modulus: int) -> int | None:
    """Where reading goes on after the segment of all places that leave the same as `position` over `modulus`; None at the end.

    Places are read in the order of their bits turned round. In that order those of one segment follow each other, and a split
    parts them into a first half and a second: whatever is split meanwhile, nothing is read twice or left out.

    Examples
    --------
    >>> next_position(0, 1), next_position(0, 4), next_position(2, 4), next_position(1, 4), next_position(3, 4)
    (None, 2, 1, 3, None)
    """
    bits = modulus.bit_length() - 1
    following = _turned(position % modulus, bits) + 1
    return None if following == modulus else _turned(following, bits)


def _turned(number: int, bits: int) -> int:
    return int(f"{number:0{bits}b}"[::-1], 2) if bits else 0
