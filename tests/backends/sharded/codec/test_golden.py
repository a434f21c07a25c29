"""Golden frames: every payload that real casty wrote is read as its index says, and ours are read by real casty."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session import messages as m
from casty_notebook.errors import UndecodableMessage
from casty_notebook.topology.shard_columns import ShardColumn
from casty_notebook.topology.snapshot import MemberStatus, TopologySnapshot
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.registry import Layout
from casty_notebook.values.services import ServiceKey
from casty_notebook.values.standin import StandIn, stand_in_class
from tests.support.golden import MESSAGES, Vector, named
from tests.values.table import codec

SETS = ("members", "registry", "unreachable", "roles")


def notation(value: Any) -> Any:
    """A message in the notation of index.json."""
    if isinstance(value, ActorRef):
        return value.uri
    if isinstance(value, MemberStatus):
        return value.name
    if isinstance(value, StandIn):
        return {"class": value._standin_cls.dotted} | {k: notation(v) for k, v in value.to_dict().items()}
    if isinstance(value, NodeAddress):
        return {"host": value.host, "port": value.port}
    if isinstance(value, dict | ShardColumn):
        return {str(key): notation(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted((notation(item) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [notation(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        sent = [name for name, field in value.__dataclass_fields__.items() if field.metadata.get("sent", True)]
        return {name: notation(getattr(value, name)) for name in sent}
    return value


def unordered(value: Any) -> Any:
    """Sets are written in any order."""
    if isinstance(value, dict):
        return {key: sorted(map(unordered, item), key=repr) if key in SETS else unordered(item) for key, item in value.items()}
    return [unordered(item) for item in value] if isinstance(value, list) else value


def expected(vector: Vector) -> Any:
    decoded = vector.facts["decoded"]
    if isinstance(decoded, dict) and "note" in decoded:
        members = named("0.20.1/snapshot.pickle.bin").facts["decoded"]["members"]
        homes = [{"host": "10.0.1.10", "port": 25520}, {"host": "10.0.1.11", "port": 25520}]
        copy = {"host": "nøde-c.example", "port": 300}
        shards = {str(i): {"primary": homes[i % 2], "replicas": [copy] if i % 3 == 0 else []} for i in range(2500)}
        return {
            "members": members, "leader": homes[0], "shard_allocations": {"counter": shards}, "allocation_epoch": 2**40,
            "unreachable": [], "registry": [],
        }  # fmt: skip
    return decoded


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda v: v.file)
def test_every_golden_payload_is_read_as_its_index_says(vector: Vector) -> None:
    serializer, compression = vector.serializer
    message = codec(serializer=serializer, compression=compression).decode(vector.payload)
    got, wanted = unordered(notation(message)), unordered(expected(vector))
    if "captured" in vector.file and vector.facts["class"].endswith("ShardEnvelope") and "reply_to" in str(wanted):
        uri = got["message"].pop("reply_to")  # ends in random digits
        assert uri.startswith(wanted["message"].pop("reply_to").partition("<")[0])
    assert got == wanted


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda v: v.file)
def test_what_was_read_is_written_and_read_again(vector: Vector) -> None:
    serializer, compression = vector.serializer
    mine = codec(serializer=serializer, compression=compression, layout=Layout(vector.facts["layout"]))
    message = mine.decode(vector.payload)
    assert mine.decode(mine.encode(message)) == message
    assert mine.type_hint(message) == vector.facts["class"]


@pytest.mark.parametrize("vector", [v for v in MESSAGES if v.serializer[0] == "json"], ids=lambda v: v.file)
def test_json_is_written_byte_for_byte_as_nodes_write_it(vector: Vector) -> None:
    mine = codec(serializer="json", layout=Layout(vector.facts["layout"]))
    message = codec(serializer="json", compression=vector.serializer[1]).decode(vector.payload)
    is_ordered = not (isinstance(message, TopologySnapshot) and message.members)  # sets have no order
    plain = codec(serializer="json").decode(mine.encode(message))
    assert plain == message
    if vector.serializer[1] is None and is_ordered:
        assert mine.encode(message) == vector.payload


CUTTABLE = [v for v in MESSAGES if "reply_int.json" not in v.file]  # half of 17 is a number too


@pytest.mark.parametrize("vector", CUTTABLE, ids=lambda v: v.file)
def test_a_golden_payload_that_is_cut_short_is_refused(vector: Vector) -> None:
    serializer, compression = vector.serializer
    mine, payload = codec(serializer=serializer, compression=compression), vector.payload
    for size in {0, 1, 2, len(payload) // 2, len(payload) - 1}:
        if size < len(payload):
            with pytest.raises(UndecodableMessage):
                mine.decode(payload[:size])


# --- what a client sends, read by real nodes' code -----------------------------------------------------------------

REF = "casty://my-cluster-client@client-0123456789abcdef:1"


def ours(name: str) -> Any:
    """The message of that golden vector, made here."""

    def ref(path: str) -> ActorRef:
        return codec()._registry.make_ref(REF + path)  # type: ignore[no-any-return]

    made: dict[str, Callable[[], Any]] = {
        "subscribe": lambda: m.SubscribeTopology(ref("/_topology_sub")),
        "unsubscribe": lambda: m.UnsubscribeTopology(ref("/_topology_sub")),
        "get_shard_location": lambda: m.GetShardLocation(42, ref("/_proxy-counter")),
        "shard_envelope_tell": lambda: ShardEnvelope("user-42", stand_in_class("vapp.Increment")(amount=5)),
        "shard_envelope_ask": lambda: ShardEnvelope("user-42", stand_in_class("vapp.GetCount")(reply_to=ref("/_ask/0f"))),
    }
    return made[name]()


NAMES = ("subscribe", "unsubscribe", "get_shard_location", "shard_envelope_tell", "shard_envelope_ask")

VAPP = """
from dataclasses import dataclass
@dataclass(frozen=True)
class GetCount:
    reply_to: object
@dataclass(frozen=True)
class Increment:
    amount: int
"""


@pytest.fixture
def node_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real casty 0.20.1 and the vectors' application, ready to unpickle."""
    import types

    from casty.core.address import ActorAddress
    from casty.remote import ref

    vapp = types.ModuleType("vapp")
    monkeypatch.setitem(sys.modules, "vapp", vapp)
    exec(VAPP, vapp.__dict__)
    monkeypatch.setattr(
        ref.thread_local,
        "ref_restore_hook",
        lambda uri: ref.RemoteActorRef(ActorAddress.from_uri(uri), None),
        raising=False,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("node_modules")
def test_real_casty_reads_our_pickle_as_it_reads_its_own(name: str) -> None:
    golden = pickle.loads(named(f"0.20.1/{name}.pickle.bin").payload)
    mine = pickle.loads(codec().encode(ours(name)))
    assert mine == golden
    assert type(mine).__module__.startswith("casty.cluster")


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
@pytest.mark.parametrize("compression", [None, "zlib", "gzip", "bz2", "lzma", "lz4"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("node_modules")
def test_real_casty_reads_our_trees_with_every_compression(name: str, compression: str, serializer: str) -> None:
    from casty.config import CompressionConfig, SerializationConfig
    from casty.remote.ref import RemoteActorRef
    from casty.remote.serialization import TypeRegistry, build_serializer

    def node_reads(payload: bytes, compressed: CompressionConfig | None) -> Any:
        node = build_serializer(SerializationConfig(serializer, compressed), registry=TypeRegistry())
        return node.deserialize(payload, ref_factory=lambda address: RemoteActorRef(address, None))

    wanted = node_reads(named(f"0.20.1/{name}.{serializer}.bin").payload, None)
    mine = codec(serializer=serializer, compression=compression).encode(ours(name))
    assert node_reads(mine, CompressionConfig(compression) if compression else None) == wanted


def test_our_pickle_of_casty_s_own_messages_is_no_longer_than_theirs() -> None:
    for name in NAMES[:3]:
        assert len(codec().encode(ours(name))) <= len(named(f"0.20.1/{name}.pickle.bin").payload)


FLAT_NODE = """
import pickle, sys, types
from dataclasses import dataclass
source = sys.stdin.buffer.read()

def module(name, text):
    made = types.ModuleType(name)
    made.__dict__["dataclass"] = dataclass
    exec(text, made.__dict__)
    sys.modules[name] = made

sys.modules["casty"] = types.ModuleType("casty")
module("casty.topology", '''
@dataclass(frozen=True)
class SubscribeTopology:
    reply_to: object
@dataclass(frozen=True)
class UnsubscribeTopology:
    subscriber: object
''')
module("casty.shard_coordinator_actor", '''
@dataclass(frozen=True)
class GetShardLocation:
    shard_id: int
    reply_to: object
''')
module("casty.sharding", '''
@dataclass(frozen=True)
class ShardEnvelope:
    entity_id: str
    message: object
''')
module("casty.ref", '''
def _restore_actor_ref(uri):
    return "ref " + uri
''')
module("vapp", '''
@dataclass(frozen=True)
class GetCount:
    reply_to: object
@dataclass(frozen=True)
class Increment:
    amount: int
''')
for pair in pickle.loads(source):
    golden, mine = map(pickle.loads, pair)
    assert golden == mine, (golden, mine)
    print(mine)
"""


def test_a_node_of_the_flat_layout_reads_our_pickles_as_its_own() -> None:
    flat = codec(layout=Layout.flat)
    pairs = [(named(f"0.15.1/{name}.pickle.bin").payload, flat.encode(ours(name))) for name in NAMES]
    done = subprocess.run(
        [sys.executable, "-c", FLAT_NODE], input=pickle.dumps(pairs), capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().count("casty://my-cluster-client@client-0123456789abcdef:1/") == 4


def test_casty_s_own_messages_are_written_under_the_name_of_the_target_layout() -> None:
    import casty

    envelope = casty.ShardEnvelope("user-42", casty.ServiceKey("mail"))
    for layout, names in (
        (Layout.flat, (b"casty.sharding", b"casty.receptionist")),
        (Layout.pkg, (b"casty.cluster.envelope", b"casty.cluster.receptionist")),
    ):
        payload = codec(layout=layout).encode(envelope)
        assert all(name in payload for name in names)
        assert codec().decode(payload) == ShardEnvelope("user-42", ServiceKey("mail"))


def test_casty_s_own_refs_travel_as_ours_do() -> None:
    from casty.core.address import ActorAddress
    from casty.remote.ref import RemoteActorRef

    theirs = RemoteActorRef(ActorAddress("my-cluster", "/payments", "10.0.1.10", 25520), None)
    for serializer in ("pickle", "json", "msgpack"):
        for layout in Layout:
            mine = codec(serializer=serializer, layout=layout)
            read = mine.decode(mine.encode([theirs]))[0]
            assert read.uri == "casty://my-cluster@10.0.1.10:25520/payments"
