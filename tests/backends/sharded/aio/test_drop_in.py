"""casty's own objects, of a user who has casty installed, in place of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import casty
import pytest
from casty.config import CompressionConfig
from casty.remote import extras, serialization
from casty.remote.tls import Config

from casty_notebook import ClusterClient
from casty_notebook.backends.sharded.aio.codecs import named
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import GetCount, Increment, PaymentReceipt, ProcessPayment
from casty_notebook.errors import MisuseError
from casty_notebook.settings import Settings
from tests.support.tls import issue
from tests.support.waiting import wait_until_async

TYPES = serialization.TypeRegistry()
PICKLE, JSON = serialization.PickleSerializer(), serialization.JsonSerializer(TYPES)


def client_of(demo: DemoCluster, **options: Any) -> ClusterClient:
    return ClusterClient(contact_points=demo.contact_points, system_name="demo", messages=[messages], **options)


async def test_a_listing_has_the_key_that_was_given(demo_cluster: DemoCluster) -> None:
    key: Any = casty.ServiceKey("payment")
    async with client_of(demo_cluster) as client:
        assert client.lookup(key).key is key
        await client.wait_for_topology(timeout=5.0)
        listing = client.lookup(key)
        assert listing.key == key
        assert {instance.ref.id for instance in listing.instances} == {"/payment"}


async def test_the_arguments_of_ask_have_castys_names(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", num_shards=100)
        counter.tell(casty.ShardEnvelope("dropped-in", Increment(2)))
        count = await client.ask(
            ref=counter, msg_factory=lambda r: casty.ShardEnvelope("dropped-in", GetCount(reply_to=r)), timeout=5.0
        )
        assert count == 2
        assert counter.id == "/_proxy-counter"
        (instance, *_) = await wait_until_async(lambda: client.lookup("payment").instances)
        receipt = await client.ask(ref=instance.ref, msg_factory=lambda r: ProcessPayment(amount=1, reply_to=r))
        assert isinstance(receipt, PaymentReceipt)


@pytest.mark.parametrize(
    ("theirs", "names"),
    [
        (None, ("pickle", None)),
        (PICKLE, ("pickle", None)),
        (JSON, ("json", None)),
        (extras.MsgpackSerializer(TYPES), ("msgpack", None)),
        (extras.CloudPickleSerializer(), ("cloudpickle", None)),
        *[
            (serialization.CompressedSerializer(JSON, CompressionConfig(algorithm)), ("json", algorithm))
            for algorithm in ("zlib", "gzip", "bz2", "lzma")
        ],
        (extras.Lz4CompressedSerializer(extras.CloudPickleSerializer()), ("cloudpickle", "lz4")),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_castys_serializers_are_as_good_as_their_names(theirs: Any, names: tuple[str, str | None]) -> None:
    assert named(theirs, None, Settings()) == names


def test_a_serializer_of_the_user_s_own_is_refused() -> None:
    class Mine(serialization.PickleSerializer):  # type: ignore[misc]  # untyped
        pass

    for mine in (Mine(), object(), serialization.PickleSerializer):
        with pytest.raises(MisuseError, match="one of casty's own serializers, not"):
            ClusterClient(contact_points=[("127.0.0.1", 1)], system_name="demo", serializer=mine)


async def test_castys_serializer_and_tls_objects_reach_a_node_that_is_configured_so(
    start_cluster: Any, tmp_path: Path
) -> None:
    issue(tmp_path)
    demo = start_cluster(1, tls=tmp_path, serializer="json", compression="gzip")
    files = {"certfile": tmp_path / "node.pem", "keyfile": tmp_path / "node.key", "cafile": tmp_path / "ca.pem"}
    tls: Any = Config.from_paths(**{name: str(path) for name, path in files.items()})
    serializer = serialization.CompressedSerializer(JSON, CompressionConfig("gzip"))
    async with client_of(demo, tls=tls, serializer=serializer) as client:
        await client.wait_for_topology(timeout=5.0)
        counter = client.entity_ref("counter", num_shards=100)
        assert await client.ask(counter, lambda r: casty.ShardEnvelope("told", GetCount(reply_to=r))) == 0
    with pytest.raises(MisuseError, match="tls= takes"):
        client_of(demo, tls=object())
