"""The worst payloads cost no more than a frame and 16 MiB; honest ones of the largest kind are read within that."""

from __future__ import annotations

import pytest

from tests.hostile.memory import ALLOWED, HONEST, PAYLOADS, SLACK, growth

WORST = (
    "empty sets, 8 MB", "MEMOIZE", "ints above 256", "strings of 2", "one wide string", "names", "stand-ins with state", "refs",
    "calls of a partial", "JSON lists, 8 MB", "JSON frozensets", "msgpack lists of lists", "zlib bomb", "lzma bomb",
    "gzip of empty sets",
)  # fmt: skip
"""One of each kind; ``python -m tests.hostile.memory --table`` measures them all."""


@pytest.mark.parametrize("name", WORST)
def test_no_payload_makes_the_process_grow_beyond_a_frame_and_sixteen_megabytes(name: str) -> None:
    taken, _, outcome = growth(name)
    assert outcome.startswith("refused")
    assert taken <= ALLOWED + SLACK, f"{taken / 2**20:.1f} MiB: {outcome}"


@pytest.mark.parametrize("name", HONEST)
def test_large_honest_messages_are_read_within_the_same_bound(name: str) -> None:
    if "snapshot" in name or "the same" in name:
        pytest.importorskip("casty.cluster.topology")
    taken, _, outcome = growth(name)
    assert outcome.startswith("read")
    assert taken <= ALLOWED + SLACK, f"{taken / 2**20:.1f} MiB"


def test_every_worst_payload_is_one_of_the_table() -> None:
    assert set(WORST) <= set(PAYLOADS)
