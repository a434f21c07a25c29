"""Placements are casty's own: 300 of them, made by `casty.replicas` of 0.30.2."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.session.ring import NodeId, Ring

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "placements.json").read_text("utf-8"))
NODES = [NodeId(NodeAddress.parse(address), UUID(life).bytes) for address, life in VECTOR["nodes"]]


def test_three_hundred_placements_are_those_of_casty() -> None:
    ring = Ring(NODES)
    wrong = [
        (actor, key)
        for actor, key, replicas in VECTOR["placements"]
        if list(ring.replicas(actor, key)) != [NODES[index] for index in replicas]
    ]
    assert (len(VECTOR["placements"]), wrong) == (300, [])


def test_shares_are_what_keys_get_and_add_up() -> None:
    ring = Ring(NODES[:3])
    shares = ring.shares()
    assert abs(sum(shares.values()) - 1) < 1e-12
    firsts = [ring.replicas("shop.actors:counter", str(n))[0] for n in range(20_000)]
    for node, share in shares.items():
        # The standard deviation of a share of a third in 20,000 is 0.0033; four of them.
        assert abs(firsts.count(node) / 20_000 - share) < 0.0134


@given(st.sets(st.integers(0, 4), max_size=5), st.text(max_size=10), st.integers(1, 6))
def test_replicas_are_different_nodes_and_at_most_as_many_as_there_are(chosen: set[int], key: str, count: int) -> None:
    ring = Ring([NODES[index] for index in chosen])
    replicas = ring.replicas("a:b", key, count)
    assert len(set(replicas)) == len(replicas) == min(count, len(chosen))


def test_a_node_that_leaves_hands_each_key_to_its_next_replica() -> None:
    before, after = Ring(NODES), Ring(NODES[1:])
    for n in range(500):
        replicas = before.replicas("a:b", str(n))
        left = [node for node in replicas if node != NODES[0]]
        assert list(after.replicas("a:b", str(n)))[: len(left)] == left


def test_slices_stay_where_they_are_when_a_node_leaves() -> None:
    before, after = Ring(NODES).slices(), Ring(NODES[1:]).slices()
    assert len(before) == 1024
    moved = sum(old[0] != new[0] for old, new in zip(before, after, strict=True))
    # Only those of the node that left: its share is near a fifth.
    assert moved == sum(replicas[0] == NODES[0] for replicas in before)
