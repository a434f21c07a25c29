"""Nothing that a client writes can end a node, whatever it is given (PROTOCOL section 9)."""

from __future__ import annotations

import asyncio
import json
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from casty_notebook import ClusterClient, ShardEnvelope
from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.session.messages import GetShardLocation, SubscribeTopology, UnsubscribeTopology
from casty_notebook.backends.sharded.wire import encode_envelope, encode_frame, encode_handshake
from casty_notebook.demo import messages
from casty_notebook.demo.messages import Echo, GetCount
from casty_notebook.errors import CastyNotebookError, MisuseError
from casty_notebook.settings import Settings
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.registry import Layout
from casty_notebook.values.services import ServiceKey
from tests.hostile.emissions import check_handshake, check_stream, check_uris
from tests.support.fake_node import Connection, FakeNode
from tests.support.messages import NOBODY
from tests.values.table import table

SERIALIZERS = ("pickle", "json", "msgpack")

hosts = st.one_of(
    st.sampled_from([
        "127.0.0.1", "239.1.2.3", "client-0123456789abcdef", "a..b", "", ".", "a.", "a\0b", "a:b", "::1", "a b", "a/b", "a@b",
        "é", "x" * 63, "x" * 64, "x" * 300, "1.2.3.4", "localhost", "a" + ".b" * 200, "\n", "\ud800",
    ]),
    st.text(max_size=80),
)  # fmt: skip
ports = st.one_of(st.integers(0, 65535), st.sampled_from([65536, 70000, -1, 2**31, 2**70]), st.none(), st.text(max_size=3))
systems = st.one_of(st.just("demo"), st.text(max_size=20), st.sampled_from(["a@b", "a/b", "", "a\0b", "é", "\ud800"]))
paths = st.one_of(st.sampled_from(["/x", "x", "//x", "", "/", "/_cluster/_topology", "/a\nb"]), st.text(max_size=20))


@st.composite
def addresses(draw: st.DrawFn) -> Any:
    """Addresses that nobody checked, as a careless caller builds them."""
    node = draw(st.none() | st.builds(NodeAddress, hosts, ports))
    return ActorAddress(draw(systems), draw(paths), node)


refs: st.SearchStrategy[ActorRef] = st.builds(ActorRef, addresses())
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=10) | refs | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def uris_in_pickle(payload: bytes) -> list[str]:
    """Each string of a pickle that is a URI, and nothing that is hidden in other strings."""
    strings = (arg for _, arg, _ in pickletools.genops(payload) if isinstance(arg, str))
    return [arg for arg in strings if arg.startswith("casty://")]


def uris_in_tree(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        own = [tree["__ref__"]] if isinstance(tree.get("__ref__"), str) else []
        return own + [uri for part in tree.values() for uri in uris_in_tree(part)]
    if isinstance(tree, list):
        return [uri for part in tree for uri in uris_in_tree(part)]
    return []


READERS: dict[str, Callable[[bytes], list[str]]] = {
    "pickle": uris_in_pickle,
    "json": lambda payload: uris_in_tree(json.loads(payload)),
    "msgpack": lambda payload: uris_in_tree(msgpack.unpackb(payload)),
}


# --- by construction: whatever can be encoded is harmless -------------------------------------------------------------


@given(hosts, ports)
def test_a_handshake_that_can_be_encoded_is_harmless(host: str, port: Any) -> None:
    try:
        frame = encode_handshake(NodeAddress(host, port))
    except MisuseError:
        return
    assert frame[4] == 0
    check_handshake(frame[5:])


@given(st.integers(-5, 300), st.binary(max_size=20))
def test_a_frame_has_never_length_0(kind: int, body: bytes) -> None:
    try:
        frame = encode_frame(kind, body)
    except MisuseError:
        return
    assert int.from_bytes(frame[:4]) == len(body) + 1 == len(frame) - 4


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.binary(max_size=20))
def test_an_envelope_has_three_strings_whatever_they_are(target: str, sender: str, hint: str, payload: bytes) -> None:
    frame = encode_envelope(target, sender, hint, payload)
    size = int.from_bytes(frame[5:9])
    assert json.loads(frame[9 : 9 + size]) == {"target": target, "sender": sender, "type_hint": hint}
    assert frame[9 + size :] == payload


@pytest.mark.parametrize("serializer", SERIALIZERS)
@settings(max_examples=300)
@given(refs, values, st.sampled_from(Layout))
def test_a_message_that_can_be_encoded_holds_no_ref_that_ends_a_node(
    serializer: str, ref: ActorRef, value: Any, layout: Layout
) -> None:
    mine = Codec(table(messages), serializer, layout=layout)
    sent: list[Any] = [
        SubscribeTopology(ref), UnsubscribeTopology(ref), GetShardLocation(1, ref), ShardEnvelope("a", GetCount(ref)),
        Echo(value, ref), ShardEnvelope("a", Echo([value, (value,)], NOBODY)), ref,
    ]  # fmt: skip
    for message in sent:
        try:
            payload = mine.encode(message)
        except MisuseError:
            continue
        check_uris(READERS[serializer](payload))


# --- by watching: whatever a client is told ----------------------------------------------------------------------------


class Recorder(FakeNode):
    """Keeps every byte of every connection, in the order in which they were opened."""

    def __init__(self, system: str) -> None:
        super().__init__(system=system)
        self.streams: list[bytearray] = []

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Recording(self), self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]


class Recording(Connection):
    """One connection of a recorder."""

    def __init__(self, node: Recorder) -> None:
        super().__init__(node)
        self._stream = bytearray()
        node.streams.append(self._stream)

    def data_received(self, data: bytes) -> None:
        self._stream.extend(data)
        super().data_received(data)


@st.composite
def sessions(draw: st.DrawFn) -> dict[str, Any]:
    """How a client is made, and what it is asked to do."""
    chosen = {
        name: draw(strategy)
        for name, strategy in (
            ("client_host", hosts), ("client_port", ports), ("advertised_host", hosts), ("advertised_port", ports),
        )
        if draw(st.integers(0, 11)) == 0
    }  # fmt: skip
    return {
        "options": chosen,
        "system": draw(st.just("demo") | st.just("shop") | st.text("abc-é", min_size=1) | systems),
        "targets": draw(st.lists(addresses() | st.text(max_size=30), max_size=3)),
        "shard_types": draw(st.lists(st.just("counter") | st.text(max_size=20), max_size=2)),
        "entities": draw(st.lists(st.text(max_size=20), max_size=2)),
        "values": draw(st.lists(values, min_size=1, max_size=2)),
        "services": draw(st.lists(st.text(max_size=10), max_size=1)),
    }


async def run_session(session: dict[str, Any], node: Recorder) -> None:
    try:
        client = ClusterClient(
            contact_points=[node.address], system_name=session["system"], messages=[messages],
            settings=Settings(close_timeout=0.3), **session["options"],
        )  # fmt: skip
    except (CastyNotebookError, TypeError, ValueError):
        return
    async with client:
        try:
            await client.wait_for_topology(timeout=0.3)
        except CastyNotebookError:
            return
        for act in acts(client, session):
            try:
                await act
            except (CastyNotebookError, TypeError):
                continue


def acts(client: ClusterClient, session: dict[str, Any]) -> Any:
    """Coroutines: every target told and asked every value."""
    for value in session["values"]:
        for target in session["targets"]:
            to = ActorRef(target) if isinstance(target, ActorAddress) else target
            yield told(client, lambda to=to: to, Echo(value, NOBODY))
            yield asked(client, lambda to=to: to, value)
        for shard_type in session["shard_types"]:
            for entity in session["entities"]:
                kind = lambda name=shard_type: client.entity_ref(name, 100)  # noqa: E731
                yield told(client, kind, ShardEnvelope(entity, Echo(value, NOBODY)))
                yield asked(client, kind, value, entity)
        for service in session["services"]:
            first = lambda name=service: next(iter(client.lookup(ServiceKey(name)).instances)).ref  # noqa: E731
            yield told(client, first, Echo(value, NOBODY))


async def told(client: ClusterClient, target: Any, message: Any) -> None:
    try:
        to = target()
    except StopIteration:
        return
    client.tell(to, message)


async def asked(client: ClusterClient, target: Any, value: Any, entity: str | None = None) -> None:
    def message(ref: ActorRef) -> Any:
        return Echo(value, ref) if entity is None else ShardEnvelope(entity, Echo(value, ref))

    await client.ask(target(), message, timeout=0.05)


@settings(max_examples=60)
@given(sessions())
def test_whatever_a_client_is_told_it_writes_nothing_that_ends_a_node(session: dict[str, Any]) -> None:
    async def run() -> Recorder:
        async with Recorder(session["system"]) as node:
            await run_session(session, node)
            await asyncio.sleep(0)
        return node

    node = asyncio.run(run())
    frames = sum(check_stream(bytes(stream), uris_in_pickle) for stream in node.streams)
    event("no frame" if not frames else "a few frames" if frames < 5 else "many frames")


async def test_a_whole_life_of_a_client_is_recorded_and_harmless() -> None:
    async with Recorder("demo") as node:
        async with ClusterClient(contact_points=[node.address], system_name="demo", messages=[messages]) as client:
            counter = client.entity_ref("counter", 100)
            for n in range(20):
                await client.ask(counter, lambda r, n=n: ShardEnvelope(f"user-{n}", GetCount(r)))  # type: ignore[misc]
            node.cut_all()
            await client.ask(counter, lambda r: ShardEnvelope("user-1", GetCount(r)), retry=True)
        longest = max(node.streams, key=len)
        # A handshake, a subscription, locations and questions at least.
        assert check_stream(bytes(longest), uris_in_pickle) > 20


def test_the_check_itself_sees_what_is_forbidden() -> None:
    def stream(uri: str) -> bytes:
        payload = pickle.dumps(uri)
        return encode_handshake(NodeAddress("239.1.2.3", 7)) + encode_envelope("casty://s@h:1/x", "", "x", payload)

    check_stream(stream("casty://s@h:1/x"), uris_in_pickle)
    for bad in ("casty://s@a..b:1/x", "casty://s@1.2.3.4:70000/x", f"casty://s@{'x' * 64}:1/x", "casty://s@a\0b:1/x"):
        with pytest.raises(AssertionError):
            check_stream(stream(bad), uris_in_pickle)
    with pytest.raises(AssertionError):
        check_stream(bytes(4), uris_in_pickle)
    with pytest.raises(AssertionError):
        check_stream(encode_frame(0, b'{"host": null, "port": 1}'), uris_in_pickle)
    with pytest.raises(AssertionError):
        check_stream(encode_handshake(NodeAddress("h", 1)) + encode_frame(7, b""), uris_in_pickle)
