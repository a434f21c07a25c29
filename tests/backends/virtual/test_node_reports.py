"""What real nodes of casty 0.30 say they are at, by a file that lies beside their application."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import casty_notebook
from casty_notebook import Cluster, VirtualClient
from casty_notebook.backends.virtual.aio import node_reports
from casty_notebook.errors import ActorFailed, ClientClosed, MisuseError
from casty_notebook.nodeside import FILE
from casty_notebook.topology import mailboxes
from tests.backends.virtual.cluster import RELEASES, VirtualCluster
from tests.support.waiting import wait_until
from tests.versions.environments import interpreters

COUNTER = "shop.actors:counter"
OF_HELPERS = {"activations_gone", "mailbox_grows", "mailbox_stands", "mailbox_falls", "node_warned"}


def connect(nodes: VirtualCluster, name: str, **options: Any) -> Cluster:
    contacts = ",".join(f"127.0.0.1:{port}" for port in nodes.ports)
    return casty_notebook.connect(f"casty://shop@{contacts}", name=name, **options)


def happened(cluster: Cluster, kind: str) -> bool:
    """Whether that is in the timeline, after another look."""
    _ = cluster.loads
    return kind in set(cluster.events.kind)


def ask_and_go_on(cluster: Cluster, target: str, seconds: float, *, times: int) -> None:
    """Keep a key busy: it takes so long for each."""
    backend = cluster.backend
    for _ in range(times):
        asked = backend.question(f"x.Slow(seconds={seconds})", "reply_to")
        asking: Any = backend.ask(backend.route(target), asked, timeout=40.0, retry=False, fail_fast=None)
        cluster._loop.submit(asking)


@pytest.fixture(scope="module", params=RELEASES)
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    """Two nodes beside whose application the file comes to lie while they run."""
    folder = tmp_path_factory.mktemp("beside")
    with VirtualCluster(2, request.param, path=folder) as made:
        shutil.copy(FILE, folder)
        with connect(made, "warm") as cluster:
            cluster.ask(f"{COUNTER}/warm", "x.Get", force=True)
            wait_until(lambda: (cluster.services.type == "counter").sum() == 2)
        yield made


def test_without_the_file_one_line_says_how_to_get_it(shop: VirtualCluster) -> None:
    with connect(shop, "before") as cluster:
        with pytest.raises(MisuseError, match=r"copy casty_nodeside\.py .*, which needs casty alone"):
            _ = cluster.activations
        assert "active" not in cluster.members.columns
        assert "casty_notebook.nodeside.FILE" in repr(cluster)
    with connect(shop, "rail", read_only=True) as rail, pytest.raises(MisuseError, match="makes no node import anything"):
        _ = rail.activations


def test_with_the_file_nodes_tell_what_they_are_at(nodes: VirtualCluster) -> None:
    with connect(nodes, "after") as cluster:
        cluster.ask(f"{COUNTER}/known", "x.Get")
        assert "known" in set(cluster.activations.key)
        assert set(cluster.loads.node) == {"node-1", "node-2"}
        assert {"active", "writes", "bytes_sent"} <= set(cluster.members.columns)
        wait_until(lambda: "helper" in set(cluster.services.kind))
        assert "cluster.activations" in repr(cluster)
    with connect(nodes, "rail", read_only=True) as rail:
        wait_until(lambda: "helper" in set(rail.services.kind))
        assert "known" in set(rail.activations.key)


async def test_in_asyncio_the_client_says_it_itself(nodes: VirtualCluster) -> None:
    async with VirtualClient(contact_points=nodes.contacts, cluster_name="shop") as client:
        assert client.last_reports == {}
        await client.ask(f"{COUNTER}/awaited", "x.Get", force=True)
        reports = await client.node_reports()
        assert {str(address) for address in reports} == {f"127.0.0.1:{port}" for port in nodes.ports}
        assert "awaited" in {each.key for report in reports.values() for each in report.activations}
        assert client.last_reports == reports
        few = await client.node_reports(keys=0, met_only=True)
        assert few is await client.node_reports(keys=0), "asked within the second, the nodes are not asked again"
        with pytest.raises(MisuseError, match="keys must be a whole number"):
            await client.node_reports(keys=-1)
    with pytest.raises(ClientClosed):
        await client.node_reports()


async def test_in_asyncio_without_the_file_one_line_says_how_to_get_it(shop: VirtualCluster) -> None:
    async with VirtualClient(contact_points=shop.contacts, cluster_name="shop") as client:
        await client.wait_for_members()
        with pytest.raises(MisuseError, match="makes no node import anything"):
            await client.node_reports(met_only=True)
        with pytest.raises(MisuseError, match=r"copy casty_nodeside\.py .*, which needs casty alone"):
            await client.node_reports()


def test_a_deep_mailbox_is_named_first_with_its_node(nodes: VirtualCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_reports, "FRESH", 0.0)
    with connect(nodes, "deep") as cluster:
        cluster.ask_many("counter/light-{1..30}", "x.Get")
        ask_and_go_on(cluster, "counter/deep", 2.0, times=6)
        wait_until(lambda: cluster.activations.queued.max() >= 4)
        first = cluster.activations.iloc[0]
        assert (first.type, first.key, first.node) == ("counter", "deep", cluster.where("counter/deep").node)
        loads = cluster.loads.set_index(["type", "node"])
        assert loads.loc[("counter", first.node)].deepest >= 4
        assert loads.loc["counter"].active.sum() >= 31
        assert cluster.members.queued.sum() >= 4


def test_the_log_of_the_nodes_is_read_without_touching_it(nodes: VirtualCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_reports, "FRESH", 0.0)
    with connect(nodes, "log") as cluster:
        before = len(cluster.node_log)
        with pytest.raises(casty_notebook.errors.ActorFailed):
            cluster.ask("counter/boom", "x.Boom")
        wait_until(lambda: len(cluster.node_log) > before)
        line = cluster.node_log.iloc[-1]
        assert (line.level, line.node) == ("WARNING", cluster.where("counter/boom").node)
        assert line.text == "shop.actors:counter/boom failed: boom"
        assert len(cluster.node_log) == before + 1  # each record once, however often one looks


def test_nodes_are_asked_once_a_second_at_most_and_answers_are_bounded(
    nodes: VirtualCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(node_reports, "ROWS", 3)
    monkeypatch.setattr(node_reports, "FRESH", 600.0)
    with connect(nodes, "bounded") as cluster:
        cluster.ask_many("counter/many-{1..20}", "x.Get")
        table = cluster.activations
        assert len(table) == 6
        assert table.attrs["left_out"] >= 14
        assert any("6 of " in record.message and "are shown" in record.message for record in caplog.records)
        cluster.ask_many("counter/later-{1..20}", "x.Get")
        assert cluster.activations.attrs["left_out"] == table.attrs["left_out"], "nobody was asked again"


def test_what_a_node_warns_of_is_in_the_timeline_by_its_helpers_word_and_nothing_else_is(
    nodes: VirtualCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_reports, "FRESH", 0.0)
    with connect(nodes, "warned") as cluster:
        for _ in range(10):
            cluster.ask_many("counter/well-{1..20}", "x.Get")
            _ = cluster.activations
        assert not set(cluster.events.kind) & OF_HELPERS, "a cluster that is well"
        with pytest.raises(ActorFailed):
            cluster.ask("counter/unwell", "x.Boom")
        wait_until(lambda: happened(cluster, "node_warned"))
        (row,) = cluster.events[cluster.events.kind == "node_warned"].itertuples()
        assert row.subject == cluster.where("counter/unwell").node
        assert "counter/unwell failed" in str(row.after)


def test_a_mailbox_that_stands_is_a_problem_with_its_figures_and_two_events(
    nodes: VirtualCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_reports, "FRESH", 0.0)
    # Of half a minute of looks once a second, some seconds with a few looks.
    monkeypatch.setattr(mailboxes, "LOOKS", 4)
    monkeypatch.setattr(mailboxes, "APART", timedelta(seconds=0.05))
    monkeypatch.setattr(mailboxes, "STANDS_FOR", timedelta(seconds=1.0))
    with connect(nodes, "stands") as cluster:
        ask_and_go_on(cluster, "counter/stuck", 6.0, times=4)

        def found() -> list[Any]:
            _ = cluster.activations
            problems = cluster.problems
            return list(problems[problems.subject.str.startswith("counter/stuck on ")].itertuples())

        wait_until(found)
        (problem,) = found()
        assert problem.kind == "mailbox_stands"
        node = cluster.where("counter/stuck").node
        assert (problem.subject, problem.says) == (f"counter/stuck on {node}", f"{node}'s helper")
        assert problem.text.startswith("3 messages wait in its mailbox, and at ")
        wait_until(lambda: not found(), timeout=30)
        turns = cluster.events[cluster.events.subject == "counter/stuck"].kind.tolist()
        assert turns == ["mailbox_stands", "mailbox_falls"]


def test_keys_that_went_with_their_node_are_counted(tmp_path: Path) -> None:
    shutil.copy(FILE, tmp_path)
    with VirtualCluster(2, RELEASES[-1], path=tmp_path) as nodes, connect(nodes, "killed") as cluster:
        cluster.ask(f"{COUNTER}/first", "x.Get", force=True)
        cluster.ask_many("counter/key-{1..40}", "x.Get")
        loads = cluster.loads
        assert loads.active.sum() >= 40
        victim = nodes.ports[-1]
        assert cluster.topology is not None
        name = next(each.id for each in cluster.topology.members if each.address.port == victim)
        nodes.kill(victim)
        wait_until(lambda: happened(cluster, "activations_gone"), timeout=45)
        (row,) = cluster.events[cluster.events.kind == "activations_gone"].itertuples()
        assert row.subject == name
        assert row.before == f"{loads[loads.node == name].active.sum()} active keys: " + (
            f"{loads[loads.node == name].active.sum()} of counter"
        )


@pytest.mark.parametrize("configured", [False, True])
def test_what_casty_logged_to_stderr_before_it_still_does(configured: bool) -> None:
    code = "import logging, casty_nodeside; log = logging.getLogger('casty'); log.info('quiet'); log.warning('loud')"
    if configured:
        code = "import logging; logging.basicConfig(format='mine: %(message)s');" + code
    python = interpreters([RELEASES[-1]])[RELEASES[-1]]
    done = subprocess.run(
        [str(python), "-c", code], env=os.environ | {"PYTHONPATH": str(Path(FILE).parent)}, capture_output=True, text=True,
        timeout=30, check=True,
    )  # fmt: skip
    assert done.stderr == ("mine: loud\n" if configured else "loud\n")
