"""Shard tables read in runs are those that the opcodes alone would have made, with the same bounds."""

from __future__ import annotations

import gc
import pickle
import random
import re
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.codec.numbering import Numbering
from casty_notebook.backends.sharded.codec.pickle import shards as pickle_shards
from casty_notebook.backends.sharded.codec.pickle.machine import Machine
from casty_notebook.backends.sharded.codec.pickle.reader import loads, run
from casty_notebook.backends.sharded.codec.pickle.shard_tables import Replay, ShardTable
from casty_notebook.backends.sharded.codec.pickle.shards import _ONE, _ids, _Strange
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.shard_columns import ShardColumn
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.limits.budget import CostGuard
from casty_notebook.values.registry import Registry
from tests.support.golden import named
from tests.values.table import codec, plain_loads, table

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
    run(machine)
    return machine.skipped


def assert_same(payload: bytes) -> TopologySnapshot:
    fast: TopologySnapshot = codec().decode(payload)
    plain, stock = plain_loads(payload), pickle.loads(payload)
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
        order = list(stock.shard_allocations[name])
        assert list(shards) == (sorted(order) if isinstance(shards, ShardColumn) else order)
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


@settings(max_examples=100)
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


@settings(max_examples=300)
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


def big(rng: random.Random) -> tuple[dict[str, dict[int, Any]], list[Any]]:
    """Tables as gossip may leave them: any number of nodes, each in several copies, replicas that come and go, any order."""
    homes = nodes(rng.choice((2, 5, 40, 300)))
    copies = [homes, *([casty_state.NodeAddress(n.host, n.port) for n in homes] for _ in range(rng.choice((0, 0, 3))))]
    tables = {}
    for at in range(rng.randint(1, 3)):
        replicas = rng.choice(((0,), (1,), (2,), (0, 1), (1, 1, 1, 2), (0, 1, 2, 3, 4)))
        ids = rng.sample(range(rng.choice((200, 3000, 70_000, 200_000))), rng.choice((20, 150)))
        start = rng.choice((0, 200, 65_000))
        ids = [*ids, *range(start, start + rng.choice((0, 300, 1500)))]
        if rng.random() < 0.5:
            rng.shuffle(ids)
        chosen = rng.sample(homes, rng.randint(1, len(homes)))
        places = range(len(chosen))
        tables[f"type-{at}"] = {
            shard: casty_state.ShardAllocation(
                rng.choice(copies)[rng.choice(places)],
                tuple(rng.choice(copies)[rng.choice(places)] for _ in range(rng.choice(replicas))),
            )
            for shard in ids
        }
    return tables, homes


def outcome(payload: bytes, *classes: Any, bulk: bool) -> Any:
    """What is read and in what order, and what it counted as; None where it is refused."""
    machine = Machine(payload, table(*classes), Settings(), bulk=bulk)
    try:
        read = run(machine)
    except Replay:
        return outcome(payload, *classes, bulk=False)
    except Exception:
        return None
    guard = machine.guard
    shards = getattr(read, "shard_allocations", None)
    order = list(shards) if isinstance(shards, dict) else None  # a column's own is ascending
    return read, order, guard.ops, guard.containers + guard.bulk_containers, len(machine.memo)


def outcomes(payload: bytes, *, forgetful: bool) -> tuple[Any, Any]:
    """Read in runs and without; `forgetful` runs give up early what only pays off for fewer placements."""
    with pytest.MonkeyPatch.context() as patch:
        if forgetful:
            patch.setattr(pickle_shards, "_REMEMBERED", 50)
            patch.setattr(pickle_shards, "_TRIED", 100)
        return outcome(payload, bulk=True), outcome(payload, bulk=False)


def readable_in_runs(tables: dict[str, dict[int, Any]], homes: list[Any]) -> int:
    """Count the shards whose nodes were all written before, and which have no more replicas than a run takes."""
    met, count = {id(node) for node in homes}, 0
    allocations = [allocation for shards in tables.values() for allocation in shards.values()]
    for place, allocation in enumerate(allocations):
        placed_at = {id(node) for node in (allocation.primary, *allocation.replicas)}
        count += place > 0 and placed_at <= met and len(allocation.replicas) <= 3
        met |= placed_at
    return count


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.booleans())
def test_large_tables_are_the_same_both_ways_and_cost_the_same(seed: int, forgetful: bool) -> None:
    tables, homes = big(random.Random(seed))
    payload = snapshot(tables, homes)
    fast, plain = outcomes(payload, forgetful=forgetful)
    assert plain is not None
    assert fast == plain
    assert list(tables) == plain[1]
    for name, shards in tables.items():
        assert list(shards) == list(plain[0].shard_allocations[name])
    assert (runs(payload) > 0) is (readable_in_runs(tables, homes) > 0)


@settings(max_examples=150)
@given(st.data())
def test_a_large_damaged_table_is_refused_or_read_the_same_both_ways(data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    tables, homes = big(rng)
    payload = bytearray(snapshot(tables, homes))
    begin = payload.index(b"type-0")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(begin, len(payload))
        match rng.choice(["set", "cut", "double"]):
            case "set":
                payload[at] = rng.choice((*b"hjKMJ)}(ub\x81\x94\x85\x86\x87", rng.randrange(256)))
            case "cut":
                del payload[at : at + rng.choice((1, 2, 3, 5, 20))]
            case "double":
                payload[at:at] = payload[at - rng.choice((1, 2, 5, 23)) : at]
    fast, plain = outcomes(bytes(payload), forgetful=rng.random() < 0.5)
    assert fast == plain


@pytest.mark.parametrize("members", [2, 60])
def test_ids_that_look_like_the_bytes_at_which_is_split_are_read(members: int) -> None:
    homes = nodes(members)
    first = _ONE.search(snapshot({"t": placed(range(300, 320), homes)}, homes))
    assert first is not None
    alike = {int.from_bytes((first[4] * 2)[at : at + size], "little") for at in range(5) for size in (1, 2, 3)}
    alike |= {int.from_bytes((first[2] * 2)[at : at + 4], "little", signed=True) for at in range(20)}
    ids = [*alike, *range(300, 900)]
    random.Random(1).shuffle(ids)
    for replicas in (0, 1, 2):
        shards = {i: casty_state.ShardAllocation(homes[i % members], tuple(homes[:replicas])) for i in ids}
        payload = snapshot({"t": shards}, homes)
        assert_same(payload)
        assert runs(payload) > 1000


def test_memo_numbers_that_look_like_the_bytes_at_which_is_split_are_read() -> None:
    # Nodes that first come in a table have memo numbers of two bytes, one of which may be ``h`` before the replicas' key.
    late = [casty_state.NodeAddress(f"h{n}", 1) for n in range(6000)]
    found = 0
    for members in range(1, 8):
        homes = nodes(members)
        tables = {"t": placed(range(6000), late), "u": placed(range(6000), late, 1)}
        payload = snapshot(tables, homes)
        first = _ONE.search(payload, payload.index(b"\x8c\x01u"))
        assert first is not None
        if payload.count(b"j" + first[4]) > 0:
            assert_same(payload)
            found += 1
    assert found


@pytest.mark.parametrize(
    ("placement", "word"),
    [(b"hM)u", b"bKxy"), (b"hM)u", b"uMxy"), (b"hM)", b"ubMx"), (b"hM)", b"ubJx"), (b"hM)", b"bbKx"), (b"hM)", b"uuKx")],
)
def test_what_is_no_key_at_the_end_of_a_part_is_seen(placement: bytes, word: bytes) -> None:
    with pytest.raises(_Strange):
        _ids([b"hM)u", placement], b"bM\x01\x02" + word)
    assert _ids([b"hM)u", b"hM)", b"hM)ubJ"], b"bM\x01\x02" + b"ubK\x07" + b"\xff\xff\xff\xff") == [513, 7, -1]


def test_a_memo_entry_that_is_put_anew_between_two_tables_counts_in_the_second() -> None:
    homes = nodes(2)
    payload = snapshot({"t": placed(range(100), homes), "u": placed(range(100), homes)}, homes)
    first, second = sorted(set(re.findall(rb"\(h.(h.)h.\)ub", payload, re.DOTALL)))
    at = payload.index(b"\x8c\x01u")
    changed = payload[:at] + first + b"q" + second[1:] + b"0" + payload[at:]
    read = outcome(changed, bulk=True)
    assert read == outcome(changed, bulk=False)
    assert len({a.primary for a in read[0].shard_allocations["t"].values()}) == 2
    assert len({a.primary for a in read[0].shard_allocations["u"].values()}) == 1


def test_what_was_read_leaves_nothing_for_the_collector() -> None:
    homes = nodes(50)
    payload = snapshot({"t": placed(range(3000), homes, 1)}, homes)
    gc.collect()
    gc.disable()
    try:
        read = codec().decode(payload)
        gone = weakref.ref(read)
        del read
        assert gone() is None
    finally:
        gc.enable()


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


@pytest.mark.parametrize("place", [0, 20])
def test_an_entry_that_refers_to_any_other_memo_entry_is_read_or_refused_the_same_both_ways(place: int) -> None:
    homes = nodes(2)
    payload = snapshot({"t": placed(range(20), homes, 1), "u": placed(range(100, 140), homes, 1)}, homes)
    entry = list(_ONE.finditer(payload))[place]
    refs = [entry.start(2) + 1, entry.start(3) - 1, entry.start(3) + 1, entry.start(4) + 1, entry.start(5) + 1]
    for at in refs:
        for number in range(70):
            changed = bytearray(payload)
            changed[at] = number
            fast, plain = outcomes(bytes(changed), forgetful=False)
            assert fast == plain


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


# --- tables of a snapshot become columns --------------------------------------------------------------------------------


def read_by_opcodes(payload: bytes) -> Any:
    """What the machine itself makes, before the codec puts into columns what is not yet."""
    return run(Machine(payload, table(), Settings()))


@pytest.mark.parametrize(
    "batches", [[[1, 255], b"\x07\x08"], [b"\x07\x08", [300, 1], b"\x07\x08", [2, 70_000]], [[256], [1]], [(3, 4), b"\x05"]]
)
def test_the_numbers_of_placements_are_kept_however_wide_those_before_were(batches: list[Any]) -> None:
    guard = CostGuard(table(), Settings())
    shards = ShardTable(guard, Numbering(guard), {}, None)
    for codes in batches:
        shards.take(range(shards.size, shards.size + len(codes)), codes)
    assert list(shards._codes) == [code for codes in batches for code in codes]


@pytest.mark.parametrize("size", [20, 999, 1000, 1001, 2000, 3000, 3001, 7500])
@pytest.mark.parametrize("types", [1, 2, 3])
@pytest.mark.parametrize("replicas", [0, 1, 2])
def test_a_table_that_is_read_in_runs_is_a_column_from_the_start(size: int, types: int, replicas: int) -> None:
    homes = nodes(60)
    payload = snapshot({f"type-{at}": placed(range(at, at + size), homes, replicas) for at in range(types)}, homes)
    read = read_by_opcodes(payload)
    assert {type(shards) for shards in read.shard_allocations.values()} == {ShardColumn}
    assert [shards.ids for shards in read.shard_allocations.values()] == [range(at, at + size) for at in range(types)]
    assert read == plain_loads(payload)


def test_tables_that_use_the_same_placements_share_them() -> None:
    homes = nodes(3)
    read = read_by_opcodes(snapshot({"a": placed(range(500), homes), "b": placed(range(500), homes)}, homes))
    assert read.shard_allocations["a"].placements is read.shard_allocations["b"].placements


def test_shards_in_any_order_of_which_one_comes_twice_are_as_a_dict_would_have_them() -> None:
    homes = nodes(3)
    shuffled = list(range(3000))
    random.Random(4).shuffle(shuffled)
    payload = snapshot({"t": placed(shuffled, homes)}, homes)
    assert read_by_opcodes(payload).shard_allocations["t"].ids == range(3000)
    key = shuffled[-1]
    other = next(each for each in shuffled[:900] if each > 255 and each % 3 != key % 3)
    at = payload.rindex(b"M" + key.to_bytes(2, "little"))
    twice = payload[:at] + b"M" + other.to_bytes(2, "little") + payload[at + 3 :]
    fast, plain = outcomes(twice, forgetful=False)
    assert fast == plain
    assert type(fast[0].shard_allocations["t"]) is ShardColumn
    assert len(fast[0].shard_allocations["t"]) == 2999
    assert fast[0].shard_allocations["t"][other] == plain[0].shard_allocations["t"][other]


def test_one_table_for_two_types_is_read_once() -> None:
    homes = nodes(3)
    shared = placed(range(50), homes)
    payload = snapshot({"a": shared, "b": shared}, homes)
    read = read_by_opcodes(payload)
    assert read.shard_allocations["a"] is read.shard_allocations["b"]
    assert read == plain_loads(payload)


def test_dicts_of_allocations_that_are_no_snapshots_stay_dicts() -> None:
    homes = nodes(3)
    values: list[Any] = [placed(range(50), homes), {"x": placed(range(50), homes)}, [placed(range(50), homes)]]
    for value in values:
        payload = pickle.dumps((homes, value), 5)
        _, read = codec().decode(payload)
        assert type(read) is type(value)
        assert read == plain_loads(payload)[1]
        inner = read["x"] if "x" in read else read[0]
        assert type(inner) is not ShardColumn


INSTEAD = (
    b"s", b"0", b"2", b"t", b"l", b"d", b"u2", b"u2b", b"uK\x01K\x02s", b"u(K\x01K\x02u", b"u(K\x01K\x02t", b"u(K\x01K\x020u",
    b"u0", b"u2s", b"u\x85", b"u\x94h\x00", b"u\x8c\x01xK\x01s", b"(t0u", b"N0u", b"NNu",
)  # fmt: skip


@pytest.mark.parametrize("instead", INSTEAD)
@pytest.mark.parametrize("types", [1, 2])
def test_whatever_else_is_done_with_a_table_is_done_as_without_columns(instead: bytes, types: int) -> None:
    homes = nodes(3)
    payload = snapshot({f"t{at}": placed(range(40), homes) for at in range(types)}, homes)
    end = payload.rindex(b"ubu") + 2
    changed = payload[:end] + instead + payload[end + 1 :]
    fast, plain = outcomes(changed, forgetful=False)
    assert fast == plain


@pytest.mark.parametrize("place", [0, 1, 2, 20, 38, 39])
@pytest.mark.parametrize("instead", [b"ub\x94", b"ub0N", b"ub22", b"ub00", b"ub0000"])
@pytest.mark.parametrize("types", [1, 2])
def test_what_is_done_with_the_last_placement_is_done_as_without_columns(place: int, instead: bytes, types: int) -> None:
    """A column has taken it from the stack."""
    homes = nodes(3)
    payload = snapshot({f"t{at}": placed(range(40), homes) for at in range(types)}, homes)
    at = [found.start() for found in re.finditer(rb"\)ub[uK]", payload)][place] + 1
    changed = payload[:at] + instead + payload[at + 2 :]
    assert _read(changed) == _plainly_read(changed)


def _read(payload: bytes) -> Any:
    try:
        return codec().decode(payload)
    except UndecodableMessage:
        return None


def _plainly_read(payload: bytes) -> Any:
    try:
        return plain_loads(payload)
    except UndecodableMessage:
        return None
