"""Nodes of casty 0.30 with TLS: each way of getting it wrong is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casty_notebook import TLS, VirtualClient
from casty_notebook.errors import NoContactPoint
from tests.backends.virtual.cluster import VirtualCluster
from tests.backends.virtual.messages import Get
from tests.support.tls import issue


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificates of the cluster, and of a stranger."""
    ours, strangers = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("strangers")
    issue(ours)
    issue(strangers)
    return ours, strangers


@pytest.fixture(scope="module")
def secure(folders: tuple[Path, Path]) -> Iterator[VirtualCluster]:
    with VirtualCluster(1, tls_folder=folders[0]) as cluster:
        yield cluster


def tls(certificate: Path, authority: Path) -> TLS:
    return TLS(certificate / "node.pem", certificate / "node.key", authority / "ca.pem")


async def reason(cluster: VirtualCluster, given: TLS | None) -> str:
    async with VirtualClient(contact_points=cluster.contacts, cluster_name="shop", tls=given) as client:
        with pytest.raises(NoContactPoint) as failed:
            await client.wait_for_members()
    return str(failed.value)


async def test_a_cluster_with_tls_is_asked(secure: VirtualCluster, folders: tuple[Path, Path]) -> None:
    ours, _ = folders
    async with VirtualClient(contact_points=secure.contacts, cluster_name="shop", tls=tls(ours, ours)) as client:
        assert await client.ask("shop.actors:counter/a", Get, force=True) == 0


async def test_a_plain_client_is_told_of_tls(secure: VirtualCluster) -> None:
    assert "with TLS answers there: pass tls=" in await reason(secure, None)


async def test_a_certificate_of_another_authority_is_named(secure: VirtualCluster, folders: tuple[Path, Path]) -> None:
    ours, strangers = folders
    assert "was not accepted" in await reason(secure, tls(ours, strangers))
    assert "client certificate" in await reason(secure, tls(strangers, ours))


async def test_a_plain_node_is_named_for_a_client_with_tls(shop: VirtualCluster, folders: tuple[Path, Path]) -> None:
    ours, _ = folders
    assert "TLS" in await reason(shop, tls(ours, ours))
