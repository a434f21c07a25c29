"""TLS on real nodes: it works, through a tunnel too, and each way to get it wrong has its own error within two seconds."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casty_notebook import TLS, ClusterClient, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from casty_notebook.errors import MisuseError, NoContactPoint
from casty_notebook.values.envelope import ShardEnvelope
from tests.support.forwarder import Forwarder
from tests.support.ports import free_port
from tests.support.tls import issue

VERDICT_WITHIN = 2.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``node`` (the cluster's), ``client`` (of the same authority), ``named`` (not 127.0.0.1), ``stranger`` (of another)."""
    folder = tmp_path_factory.mktemp("tls")
    authority = issue(folder / "node")
    issue(folder / "client", "explorer.example", authority=authority)
    issue(folder / "named", "nodes.example", authority=authority)
    issue(folder / "stranger")
    return folder


@pytest.fixture(scope="module")
def secure_cluster(certificates: Path) -> Iterator[DemoCluster]:
    with DemoCluster(2, tls=certificates / "node") as demo:
        yield demo


def tls_of(folder: Path, authority: Path | None = None, **options: str) -> TLS:
    return TLS(folder / "node.pem", folder / "node.key", (authority or folder) / "ca.pem", **options)


def verdict(uri: str, tls: TLS | ssl.SSLContext | None) -> str:
    """The outcome at the one contact point, which must be known soon."""
    started = time.monotonic()
    with pytest.raises(NoContactPoint) as caught:
        connect(uri, tls=tls, timeout=10.0).close()
    assert time.monotonic() - started < VERDICT_WITHIN
    (attempt,) = caught.value.attempts
    assert attempt.contact in uri
    return attempt.outcome


@pytest.fixture
def one_contact(secure_cluster: DemoCluster) -> str:
    return f"casty://demo@{secure_cluster.contact_points[0]}"


def test_a_cluster_with_tls_is_used_like_any_other(secure_cluster: DemoCluster, certificates: Path) -> None:
    with connect(secure_cluster.uri, shards={"counter": 100}, tls=tls_of(certificates / "client")) as cluster:
        assert cluster.ask("counter/tls-1", GetCount) == 0
        assert len(cluster.members) == 2
        assert cluster.members.reachable.all()


def test_a_context_of_the_users_own_does_as_well(secure_cluster: DemoCluster, certificates: Path) -> None:
    context = ssl.create_default_context(cafile=certificates / "client" / "ca.pem")
    context.load_cert_chain(certificates / "client" / "node.pem", certificates / "client" / "node.key")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with connect(secure_cluster.uri, shards={"counter": 100}, tls=context) as cluster:
        assert cluster.ask("counter/tls-2", GetCount) == 0


@pytest.mark.parametrize("dialled", ["localhost", "127.0.0.1"])
async def test_through_a_tunnel_the_name_to_verify_is_given(dialled: str, certificates: Path) -> None:
    with DemoCluster(1, tls=certificates / "node") as demo:
        (node,) = demo.contact_points
        async with Forwarder(node) as tunnel:
            port = tunnel.address[1]
            options: dict[str, Any] = {"server_hostname": "127.0.0.1"} if dialled == "localhost" else {}
            async with ClusterClient(
                contact_points=[("10.0.1.10", 25520)], system_name="demo",
                address_map={("10.0.1.10", 25520): (dialled, port), node: (dialled, port)},
                tls=tls_of(certificates / "client", **options),
            ) as client:  # fmt: skip
                await client.wait_for_topology(5.0)
                counter = client.entity_ref("counter", 100)
                assert await client.ask(counter, lambda r: ShardEnvelope("tunnel", GetCount(r))) == 0
            assert tunnel.connections >= 1


def test_a_name_that_is_not_in_the_certificate_is_named(one_contact: str, certificates: Path) -> None:
    said = verdict(one_contact, tls_of(certificates / "client", server_hostname="other.example"))
    assert "certificate was not accepted" in said
    assert "other.example" in said
    assert "server_hostname=" in said


def test_a_wrong_authority_is_a_certificate_that_was_not_accepted(one_contact: str, certificates: Path) -> None:
    said = verdict(one_contact, tls_of(certificates / "client", certificates / "stranger"))
    assert "its TLS certificate was not accepted" in said
    assert "cafile=" in said


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_client_certificate_is_a_probable_rejection(
    one_contact: str, certificates: Path, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cafile=certificates / "client" / "ca.pem")
    context.minimum_version = context.maximum_version = version
    assert "rejected our client certificate" in verdict(one_contact, context)


def test_a_client_certificate_of_another_authority_is_a_probable_rejection(one_contact: str, certificates: Path) -> None:
    said = verdict(one_contact, tls_of(certificates / "stranger", certificates / "client"))
    assert "rejected our client certificate" in said


def test_a_plain_client_is_told_that_the_node_expects_tls(one_contact: str) -> None:
    assert "a node with TLS answers there: pass tls=" in verdict(one_contact, None)


def test_a_client_with_tls_is_told_that_the_node_has_none(demo_cluster: DemoCluster, certificates: Path) -> None:
    one = f"casty://demo@{demo_cluster.contact_points[0]}"
    assert "a node without TLS answers there: leave out tls=" in verdict(one, tls_of(certificates / "client"))


def test_a_frozen_node_is_not_taken_for_a_plain_one(certificates: Path) -> None:
    with DemoCluster(1, tls=certificates / "node") as demo:
        demo.freeze("node-1")
        with pytest.raises(NoContactPoint) as caught:
            connect(demo.uri, tls=tls_of(certificates / "client"), timeout=2.5)
        demo.thaw("node-1")
    assert "no answer to the connection attempt within 2 s" in caught.value.attempts[0].outcome
    assert "within 2.5 s" in str(caught.value)


def test_one_contact_point_that_may_still_come_is_waited_for(secure_cluster: DemoCluster, certificates: Path) -> None:
    absent = free_port()
    started = time.monotonic()
    with pytest.raises(NoContactPoint) as caught:
        connect(f"{secure_cluster.uri},127.0.0.1:{absent}", timeout=1.5)
    assert time.monotonic() - started >= 1.5
    assert [attempt.outcome.split(":")[0] for attempt in caught.value.attempts].count("connection refused") == 1


async def test_a_client_that_waits_is_in_once_the_node_has_the_right_certificate(
    certificates: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "node"
    issue(folder)
    with DemoCluster(1, tls=folder) as demo:
        async with ClusterClient(
            contact_points=demo.contact_points, system_name="demo", tls=tls_of(certificates / "client")
        ) as client:
            with pytest.raises(NoContactPoint, match="not accepted"):
                await client.wait_for_topology()
            for path in (certificates / "node").iterdir():
                (folder / path.name).write_bytes(path.read_bytes())
            await asyncio.to_thread(demo.restart, "node-1")
            await client.wait_for_topology(5.0)


async def test_files_that_are_renewed_are_read_again(tmp_path: Path) -> None:
    """A new authority for all: the node restarts with its files, ours lie where they always did."""
    node, ours = tmp_path / "node", tmp_path / "ours"
    issue(ours, authority=issue(node))
    with DemoCluster(1, tls=node) as demo:
        async with ClusterClient(contact_points=demo.contact_points, system_name="demo", tls=tls_of(ours)) as client:
            await client.wait_for_topology()
            counter = client.entity_ref("counter", 100)
            await client.ask(counter, lambda r: ShardEnvelope("a", GetCount(r)))
            issue(ours, authority=issue(node))
            await asyncio.to_thread(demo.restart, "node-1")
            assert await client.ask(counter, lambda r: ShardEnvelope("a", GetCount(r)), timeout=20, retry=True) == 0


def test_files_that_cannot_be_used_are_named_without_their_content(certificates: Path, tmp_path: Path) -> None:
    good = certificates / "client"
    (tmp_path / "broken.key").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0LWtleQ==\n-----END PRIVATE KEY-----\n")
    for tls, named in (
        (TLS(good / "missing.pem", good / "node.key", good / "ca.pem"), "missing.pem"),
        (TLS(good / "node.pem", tmp_path / "broken.key", good / "ca.pem"), "broken.key"),
        (TLS(good / "node.pem", good / "node.key", tmp_path / "no-ca.pem"), "no-ca.pem"),
    ):
        with pytest.raises(MisuseError, match=named) as caught:
            tls.context()
        assert "c2VjcmV0" not in str(caught.value)


def test_a_password_is_seen_nowhere(
    certificates: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, one_contact: str
) -> None:
    caplog.set_level(logging.DEBUG)
    sealed = seal(certificates / "client" / "node.key", tmp_path / "sealed.key", b"hunter2-right")
    good = certificates / "client"
    right = TLS(good / "node.pem", sealed, good / "ca.pem", password="hunter2-right")
    wrong = TLS(good / "node.pem", sealed, good / "ca.pem", password="hunter2-wrong")
    with pytest.raises(MisuseError) as refused:
        wrong.context()
    with connect(one_contact, tls=right) as cluster:
        shown = repr(cluster) + cluster._repr_html_() + repr(cluster.client) + repr(vars(cluster))
    with pytest.raises(NoContactPoint) as caught:
        connect(one_contact, tls=TLS(good / "node.pem", sealed, certificates / "stranger" / "ca.pem", password="hunter2-right"))
    seen = [repr(right), str(right), str(refused.value), repr(refused.value), str(caught.value), shown, caplog.text]
    assert not [text for text in seen if "hunter2" in text]
    assert "sealed.key" in str(refused.value)


def seal(plain: Path, sealed: Path, password: bytes) -> Path:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(plain.read_bytes(), None)
    form = s.PrivateFormat.PKCS8
    sealed.write_bytes(key.private_bytes(s.Encoding.PEM, form, s.BestAvailableEncryption(password)))
    return sealed


