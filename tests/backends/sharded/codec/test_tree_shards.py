"""Shard tables of JSON and msgpack snapshots, read many entries at a time: the same as parsed one by one, or not at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.codec.trees.json_codec import read_json
from casty_notebook.backends.sharded.codec.trees.msgpack_codec import read_msgpack
from casty_notebook.backends.sharded.codec.trees.tree import TreeReader
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import ShardAllocation, TopologySnapshot
from casty_notebook.values.refs import ActorRef
from tests.benchmarks.synthetic import addresses, snapshot_of

READERS: dict[str, Callable[..., Any]] = {"json": read_json, "msgpack": read_msgpack}
REGISTRY = build_registry(lambda uri: ActorRef(ActorAddress.parse(uri)))
MANY = 600

both = pytest.mark.parametrize("serializer", READERS)


def written(value: Any, serializer: str) -> bytes:
    return Codec(REGISTRY, serializer).encode(value)


def read(data: bytes, serializer: str, *, bulk: bool = True, settings: Settings | None = None) -> tuple[Any, bool]:
    """The message (or why it is refused), and whether it was read by its tables."""
    settings = settings or Settings()
    reader = TreeReader(REGISTRY, settings, len(data))
    try:
        message = READERS[serializer](data, 0, reader, settings, bulk=bulk)
    except UndecodableMessage as error:
        return str(error), False
    return message, reader.guard.containers == 0


def snapshot(tables: dict[str, dict[int, ShardAllocation]]) -> TopologySnapshot:
    return TopologySnapshot(frozenset(), NodeAddress("10.0.1.10", 25520), tables, 1)


def shards(ids: list[int], nodes: int = 4, replicas: int = 1) -> dict[int, ShardAllocation]:
    at = [NodeAddress(*address) for address in addresses(nodes)]
    return {
        shard: ShardAllocation(at[n % nodes], tuple(at[(n + 1 + r) % nodes] for r in range(replicas)))
        for n, shard in enumerate(ids)
    }


@both
@pytest.mark.parametrize("nodes", [3, 300])
def test_a_snapshot_is_read_by_its_tables(serializer: str, nodes: int) -> None:
    sent = snapshot_of(addresses(nodes), 3, MANY)
    data = written(sent, serializer)
    assert read(data, serializer) == (sent, True)
    assert read(data, serializer, bulk=False) == (sent, False)


@both
@pytest.mark.parametrize("replicas", [0, 1, 2, 3])
def test_ids_of_all_lengths_in_any_order_and_replicas_are_read_by_their_tables(serializer: str, replicas: int) -> None:
    ids = [*range(-40, 300), *range(0x9200, 0x92FF), 0x92929292, -(2**63), 2**63 - 1, 2**31, 2**40]
    random.Random(replicas).shuffle(ids)
    half = shards(ids[::2], 37493, replicas)
    sent = snapshot({"a": shards(ids, replicas=replicas), "b": shards([1, 2, 3]), "c": {}, "d": half})
    assert read(written(sent, serializer), serializer) == (sent, True)


@both
def test_ports_that_look_like_the_beginning_of_an_entry_change_nothing(serializer: str) -> None:
    here, there = NodeAddress("h", 0x92CD), NodeAddress("h" * 0x92, 0x9292)
    sent = snapshot({"a": {shard: ShardAllocation(here, (there,) * (shard % 3)) for shard in range(MANY)}})
    assert read(written(sent, serializer), serializer)[0] == sent


@both
def test_of_an_id_that_comes_twice_the_last_placement_holds(serializer: str) -> None:
    data = written(snapshot({"a": shards(list(range(1, MANY)))}), serializer)
    twice = {"json": data.replace(b"[5, ", b"[90, "), "msgpack": data.replace(b"\x92\x05", b"\x92\x5a")}[serializer]
    assert twice != data
    expected = {**shards(list(range(1, MANY)))}
    del expected[5]
    assert read(twice, serializer) == (snapshot({"a": expected}), True)


@both
@pytest.mark.parametrize("host", ['"}], [7, {"_type": "', "]]}", "], [", "__column__", '{"__column__": 0}', "\N{SNOWMAN}"])
def test_hosts_that_look_like_the_format_are_read_as_they_are(serializer: str, host: str) -> None:
    tables = {"a": shards(list(range(MANY))), "b": shards(list(range(MANY)))}
    tables["a"][MANY // 2] = ShardAllocation(NodeAddress(host, 1))
    tables["b"][MANY] = ShardAllocation(NodeAddress(host, 1))
    assert read(written(snapshot(tables), serializer), serializer)[0] == snapshot(tables)


@both
def test_a_table_that_is_no_snapshots_is_a_dict(serializer: str) -> None:
    for value in (shards(list(range(MANY))), [shards(list(range(MANY)))], ("x", shards(list(range(MANY))))):
        got, by_tables = read(written(value, serializer), serializer)
        assert (got, by_tables) == (value, False)
        inner = got if isinstance(got, dict) else got[-1]
        assert type(inner) is dict


@both
def test_ids_beyond_64_bits_and_other_keys_are_parsed_as_they_stand(serializer: str) -> None:
    for strange in (2**64 - 1, True, "7"):
        tables: Any = {"a": {**shards(list(range(2, MANY))), strange: ShardAllocation(NodeAddress("h", 1))}}
        data = written(snapshot(tables), serializer)
        got, by_tables = read(data, serializer)
        assert (got, by_tables) == read(data, serializer, bulk=False)


@both
def test_a_number_in_the_place_of_a_table_that_the_peer_wrote_means_nothing(serializer: str) -> None:
    sent = written(snapshot({"a": shards(list(range(MANY))), "b": {}}), serializer)
    forged = {
        "json": sent.replace(b'["b", {"__dict__": []}]', b'["b", {"\\u005f_column__": 0}]'),
        "msgpack": sent.replace(b"\xa1b\x81\xa8__dict__\x90", b"\xa1b\x81\xaa__column__\x00"),
    }[serializer]
    assert forged != sent
    got, by_tables = read(forged, serializer)
    assert isinstance(got, str)
    assert "shard_allocations" in got
    assert not by_tables


def test_json_within_a_string_is_a_string() -> None:
    table = written(shards(list(range(MANY))), "json").decode()
    data = b'["' + table.encode() + b'"]'
    assert read(data, "json") == read(data, "json", bulk=False)
    assert "not JSON" in read(data, "json")[0]


def test_msgpack_within_a_string_is_a_string() -> None:
    table = written(shards(list(range(MANY))), "msgpack")
    sent = snapshot({"a": shards(list(range(MANY)))})
    for packed in (msgpack.packb([table]), written([table, sent], "msgpack")):
        assert read(packed, "msgpack") == read(packed, "msgpack", bulk=False)


@both
def test_what_is_damaged_is_refused_or_read_the_same_both_ways(serializer: str) -> None:
    chance = random.Random(16)
    whole = written(snapshot({"a": shards(list(range(300))), "b": shards(list(range(100, 400)), 2, 0)}), serializer)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            kind = chance.randrange(3)
            if kind == 0:
                data[at] = chance.choice(b'\x92\x90\x81\xdc\xdd{}[],:"0 1\\' if serializer == "json" else bytes(range(256)))
            elif kind == 1:
                del data[at : at + chance.choice((1, 3, 200))]
            else:
                data[at:at] = data[chance.randrange(len(data)) :][: chance.choice((1, 5, 190))]
        assert read(bytes(data), serializer)[0] == read(bytes(data), serializer, bulk=False)[0]


@both
@pytest.mark.parametrize("bound", [{"max_items": 7_000}, {"max_memory": 150_000}, {"max_depth": 6}])
def test_the_bounds_hold_by_tables_too(serializer: str, bound: dict[str, Any]) -> None:
    data = written(snapshot_of(addresses(3), 1, MANY), serializer)
    wide, narrow = read(data, serializer), read(data, serializer, settings=Settings(**bound))
    assert wide[1]
    assert narrow[0] == read(data, serializer, bulk=False, settings=Settings(**bound))[0]
    assert (narrow[0] == wide[0]) == ("max_depth" in bound)


def test_bytes_that_all_could_begin_an_entry_hold_nobody_up() -> None:
    sent = written(snapshot({"a": shards(list(range(2_000)))}), "msgpack")
    cut = len(sent) // 2
    data = sent[:cut] + b"\x92" * 100_000 + sent[cut:]
    reader = TreeReader(REGISTRY, Settings(), len(data))
    began = time.process_time()
    with pytest.raises(UndecodableMessage):
        read_msgpack(data, 0, reader, Settings())
    by_tables = time.process_time() - began
    began = time.process_time()
    with pytest.raises(UndecodableMessage):
        read_msgpack(data, 0, TreeReader(REGISTRY, Settings(), len(data)), Settings(), bulk=False)
    # Measured against the way without, which is linear: what is tried first may cost as much again.
    assert by_tables < 2 * (time.process_time() - began) + 0.2
