"""Shard tables read in runs are those that the opcodes alone would have made, with the same bounds."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.cluster import messages as m
from casty_notebook.codec import Registry
from casty_notebook.codec.pickle_reader import Machine, loads
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from tests.codec.table import codec, plain_loads, table
from tests.support.golden import named

casty_state = pytest.importorskip("casty.cluster.state")
casty_topology = pytest.importorskip("casty.cluster.topology")


def snapshot(shards: dict[str, dict[int, Any]], nodes: list[Any] | None = None, **fields: Any) -> bytes:
    """What a real node sends."""
    members = frozenset(
        casty_state.Member(node, casty_state.MemberStatus.up, frozenset(), f"node-{at}") for at, node in enumerate(nodes or [])
    )
    return pickle.dumps(casty_topology.TopologySnapshot(members, None, shards, 1, **fields), 5)


def nodes(count: int) -> list[Any]:
    return [casty_state.NodeAddress(f"10.0.{n // 250}.{n % 250}", 25520) for n in range(count)]


def placed(shards: Any, homes: list[Any], replicas: int = 0, *, fresh: bool = False) -> dict[int, Any]:
    def home(n: int) -> Any:
        node = homes[n % len(homes)]
        return casty_state.NodeAddress(node.host, node.port) if fresh else node

    return {
        shard: casty_state.ShardAllocation(home(shard), tuple(home(shard + 1 + r) for r in range(replicas))) for shard in shards
    }


def runs(payload: bytes) -> int:
    """How many memo entries were only counted, which tells that runs were read."""
    machine = Machine(payload, table(), Settings())
    machine.run()
    return machine.skipped


def assert_same(payload: bytes) -> m.TopologySnapshot:
    fast, plain, stock = codec().decode(payload), plain_loads(payload), pickle.loads(payload)
    assert fast == plain
    assert {
        name: {
            i: (tuple(vars(a.primary).values()), tuple(tuple(vars(r).values()) for r in a.replicas)) for i, a in shards.items()
        }
        for name, shards in stock.shard_allocations.items()
    } == {
        name: {i: (tuple(a.primary), tuple(map(tuple, a.replicas))) for i, a in shards.items()}
        for name, shards in fast.shard_allocations.items()
    }
    for name, shards in fast.shard_allocations.items():
        assert list(shards) == list(stock.shard_allocations[name])
    return fast


@pytest.mark.parametrize("version", ["0.15.1", "0.16.2", "0.20.1", "0.21.0"])
def test_the_golden_table_is_read_in_runs(version: str) -> None:
    payload = named(f"{version}/snapshot_2500_shards.pickle.bin").payload
    assert codec().decode(payload) == plain_loads(payload)
    assert runs(payload) > 5000


@pytest.mark.parametrize("replicas", range(6))
@pytest.mark.parametrize("members", [1, 3, 120, 400])
def test_tables_of_every_shape_are_the_same_both_ways(members: int, replicas: int) -> None:
    homes = nodes(members)
    shards = {f"type-{t}": placed(range(700 + t * 1500), homes, replicas if t else 0) for t in range(2)}
    payload = snapshot(shards, homes)
    assert_same(payload)
    if replicas < 4:
        assert runs(payload) > 1000


def test_shard_ids_of_every_size_are_read() -> None:
    homes = nodes(2)
    ids = [*range(250, 260), *range(65530, 65540), *range(-20, 0), *range(2**31 - 20, 2**31 + 20), *range(2**62, 2**62 + 20)]
    assert_same(snapshot({"t": placed(ids, homes)}, homes))


def test_nodes_that_are_written_out_each_time_are_read() -> None:
    homes = nodes(3)
    assert_same(snapshot({"t": placed(range(300), homes, 1, fresh=True)}, homes))


def test_shared_replicas_and_allocations_are_read() -> None:
    homes = nodes(3)
    replicas = (homes[1], homes[2])
    shared = {n: casty_state.ShardAllocation(homes[0], replicas) for n in range(300)}
    one = casty_state.ShardAllocation(homes[1])
    assert_same(snapshot({"t": shared, "u": dict.fromkeys(range(100), one), "v": placed(range(50), homes)}, homes))


def test_a_reference_into_a_run_reads_the_pickle_again_without_runs() -> None:
    homes = nodes(2)
    shards = placed(range(100), homes, 1)
    payload = snapshot({"t": shards, "u": {1: shards[77], 2: shards[78]}}, homes)
    assert_same(payload)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_table_is_the_same_both_ways(data: st.DataObject) -> None:
    homes = nodes(data.draw(st.integers(1, 5)))
    home = st.sampled_from(homes)
    allocation = st.builds(
        casty_state.ShardAllocation, home, st.lists(home, max_size=4).map(tuple) | st.just(()) | st.just((homes[0],))
    )
    tables = st.dictionaries(
        st.text(max_size=3), st.dictionaries(st.integers(-3, 400) | st.integers(), allocation, max_size=60), max_size=3
    )
    assert_same(snapshot(data.draw(tables), homes[: data.draw(st.integers(0, 5))]))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_table_is_refused_or_read_the_same_both_ways(data: st.DataObject) -> None:
    homes = nodes(3)
    payload = bytearray(snapshot({"t": placed(range(60), homes, 1), "u": placed(range(60), homes)}, homes))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255) | st.sampled_from(list(b"hjKMJ)}(ub\x81\x94\x85\x86")))
    outcomes: list[Any] = []
    for bulk in (True, False):
        try:
            outcomes.append(loads(bytes(payload), table(), Settings(), bulk=bulk))
        except UndecodableMessage:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]


def test_the_bounds_count_a_run_as_its_opcodes() -> None:
    homes = nodes(2)
    payload = snapshot({"t": placed(range(2000), homes, 1)}, homes)
    low, high = 1000, 100_000
    limits = {}
    for bulk in (True, False):
        least, most = low, high
        while most - least > 1:
            middle = (least + most) // 2
            try:
                loads(payload, table(), Settings(max_items=middle), bulk=bulk)
                most = middle
            except UndecodableMessage:
                least = middle
        limits[bulk] = most
    assert limits[True] == limits[False]


def test_entries_that_refer_to_something_else_are_refused_as_the_opcodes_refuse_them() -> None:
    homes = nodes(2)
    good = snapshot({"t": placed(range(50), homes)}, homes)
    at = good.rindex(b"K1")  # the last entry; its node becomes the memo's first string
    entry = good[at:]
    node_at = at + entry.index(b"(h") + 3
    bad = bytearray(good)
    while bad[node_at] != ord("h"):
        node_at += 1
    bad[node_at + 1] = 0
    for bulk in (True, False):
        with pytest.raises(UndecodableMessage, match=r"ShardAllocation\.primary"):
            loads(bytes(bad), table(), Settings(), bulk=bulk)


def test_equal_allocations_in_runs_are_one_object() -> None:
    # The tables count placements by identity, and 40,000 shards should not be 40,000 objects.
    homes = nodes(3)
    read = codec().decode(snapshot({"t": placed(range(900), homes)}, homes))
    assert len({id(a) for a in read.shard_allocations["t"].values()}) <= 4


def test_without_the_class_in_the_table_nothing_is_read_in_runs() -> None:
    homes = nodes(2)
    bare = Registry(lambda uri: uri, lambda _: None)
    read = loads(snapshot({"t": placed(range(100), homes)}, homes), bare, Settings())
    assert repr(read.shard_allocations["t"][3].primary) == "casty.cluster.state.NodeAddress(host='10.0.0.1', port=25520)"
    assert NodeAddress("10.0.0.1", 25520).host in repr(read)
