"""Every tutorial runs from top to bottom on its demo cluster, and its results are what its text promises."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import psutil
import pytest

from tests.notebooks.running import NOTEBOOKS, Executed, Runner, read
from tests.support.leftovers import describe, leftovers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(180)

CHECKS = {
    "01_connect": """
assert sorted(members.node) == ["node-1", "node-2", "node-3"]
assert members.reachable.all() and (members.status == "up").all() and members.leader.sum() == 1
assert count == 3 and place.shard == 87 and place.node in set(members.node) and place.reachable
assert receipt.amount == 100 and receipt.node in ("node-1", "node-2")
assert cluster.ask("counter/user-42", GetCount) == 7
""",
    "02_topology": """
assert len(counts) == 50 and counts.error.isna().all() and len(balances) == 30 and balances.error.isna().all()
assert newcomer.name == "node-4"
cluster.wait_until(lambda seen: seen.members.reachable.all(), timeout=10)  # a busy machine's node may be missed for a moment
table = cluster.members.set_index("node")
assert table.shards["node-4"] > 0 and table.shards.sum() == len(shards), table.to_string()
assert set(shards.type) == {"counter", "account"}
assert list(cluster.events.query("kind == 'member_joined'").subject) == ["node-4"]
assert ax.get_xlabel() == "shards owned" and len(ax.get_yticklabels()) == 4
""",
    "03_tell_and_ask": """
assert [answer.amount for answer in answers] == [50, 60, 70] and by_magic.amount == 80
assert {type(answer).__name__ for answer in answers} == {"Balance"}
assert "Surprise" in str(refused) and "module" in str(refused)
assert report.shard is not None and report.owner and report.owner_health == "live" and report.may_have_run
failed = table[table.error.notna()]
assert len(table) == 201 and list(failed.target) == ["counter/sleepy"], failed.to_string()
assert table.attrs["summary"]["answered"] == 200
assert ax.get_xlabel() == "latency in ms" and len(ax.get_lines()) >= 3
assert counts == [0, 0, 7, 0, 0]
""",
    "04_services": """
assert len(listing) == 2 and chosen == {"node-1", "node-2"}
assert len(everyone) == 2 and {reply.node for reply in everyone.reply} == {"node-1", "node-2"}
assert "payment" in str(missing)
assert survivors == {"node-1"}
""",
    "05_when_nodes_fail": """
assert before.error.isna().all() and (before.reply == 1).all() and before.node.nunique() == 3
assert noticed
lived_there = set(before[before.node == "node-3"].target)
assert after[~after.target.isin(lived_there)].error.isna().all(), "no entity of a living node fails"
assert returned.error.isna().all()
kept = returned[~returned.target.isin(lived_there)]
assert (kept.reply == 1).all()
assert (returned[returned.target.isin(lived_there)].reply == 0).all()
kinds = list(events[events.subject == "node-3"].kind)
assert kinds.index("lost") < kinds.index("reached_again")
""",
    "06_ssh_tunnel": """
assert count == 5 and answers.sum() == 60 and len(answers) == 3
assert all(forward.used for forward in forwards)
assert cluster.members.reachable.all()
""",
    "07_history_and_replay": """
assert len(then.members) == 3 and not then.unreachable
assert "lost" in set(changes.kind)
assert recording.name == "demo" and "lost" in set(recording.events.kind)
assert calm_members.reachable.all() and list(final_members.set_index("node").reachable) == [True, True, False]
assert "damaged.casty" in str(complaint)
assert view._repr_mimebundle_()[0]["text/plain"].startswith("Casty cluster demo")
""",
    "08_ask_experiments": """
assert type(balance).__name__ == "StandIn" and balance.money.amount == 100 and again.money.amount == 120
assert list(table.owner) == ["alice", "bob", "carol"] and [money.currency for money in table.money] == ["USD"] * 3
failed = many[many.error.notna()]
assert len(many) == 201 and list(failed.target) == ["nobody"], failed.to_string()
assert len(samples) == 60 and samples.error.isna().all() and len(ax.get_lines()) >= 1
assert up and rich and heard["max"].tolist() == [100, 160, 100] and heard["min"].tolist() == [100] * 3
assert traffic["count"].sum() >= 260 + len(watch.data) and traffic.errors.sum() == 0 and "bank-account" in set(traffic.type)
assert hits.get() == 5 and jobs.size() == 1
assert [type(error).__name__ for error in refused] == ["ReadOnly"] * 3
assert untouched[0].money.amount == 120 and untouched[1] == 5
""",
    "09_casty_030": """
assert count == 3 and many.error.isna().all() and many.node.nunique() == 3
assert len(slices) == 1024 and place.heir is not None and place.heir != place.address
assert "countr" in str(refused) and "counter" in str(refused)
assert after.error.isna().all() and len(after) > 20
# Keys of the node that was killed are answered once the members have agreed on another owner.
assert cluster.counter("visits", timeout=30).get() == 4 and cluster.dict("prices", timeout=30).get("plum") == 12
assert "takes int" in str(wrong_type)
assert active.key.iloc[0] == "busy" and active.queued.iloc[0] >= 2 and loads.active.sum() >= 60
""",
    "10_incident": """
assert alarms[0] == "node-3" and "node-3" in set(problems.subject)
assert hit and failed <= hit, "nothing else than what lived there fails"
assert set(lost) <= hit and lost
said = path.read_text("utf-8")
assert "the last moment before the trouble began" in said and "killed at the console" in said and "data:application" in said
""",
    "90_how_it_works": """
assert shard == 87 == shard_id and owner in contact_points
assert type(where).__name__ == "StandIn" or "Whereabouts" in repr(where)
assert count == 2
""",
    "91_performance": """
assert run["rounds"] >= 1 and set(targets) <= set(figures.against)
assert {"floor", "ours", "Cluster", "official"} <= set(latency.columns) and rates.notna().all().all()
assert len(observed) == 6 and len(slow) >= 4 and len(goals) >= 13
assert {"ours", "Cluster", "official", "plain"} <= {side for _, side in pushed.index} and len(lasting) >= 3
assert set(growing.step) >= set(STEPS) and growing.nodes.max() == 1000 and growing.shards.max() == 100_000
""",
}
"""For each notebook, what holds in its kernel before the last cell cleans up."""


@pytest.fixture(scope="module")
def before() -> set[int]:
    """Processes of this run that are not the notebooks': the cluster that tests share."""
    return {process.pid for process in leftovers()}


@pytest.fixture(scope="module")
def executed(
    before: set[int], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Executed]]]:
    """The chosen notebooks, running; the first tests wait for theirs while the next is at work."""
    asked = [getattr(item, "callspec", None) for item in request.session.items if "executed" in getattr(item, "fixturenames", ())]
    wanted = [call.params["name"] for call in asked if call is not None]
    runner = Runner(tmp_path_factory.mktemp("notebooks"))
    yield {name: runner.start(name, CHECKS[name]) for name in wanted}
    runner.close()


def names() -> list[str]:
    return sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_it_runs_from_top_to_bottom_and_shows_what_it_promises(name: str, executed: dict[str, Future[Executed]]) -> None:
    notebook = executed[name].result(timeout=170)
    assert list(notebook.complaints()) == []
    assert notebook.widgets is None, "stored widget state is drawn from a CDN, in place of our HTML"
    if name in SHOWN:
        SHOWN[name](notebook)


def test_no_node_outlives_its_notebook(before: set[int], executed: dict[str, Future[Executed]]) -> None:
    def left() -> list[psutil.Process]:
        return [process for process in leftovers() if process.pid not in before]

    for running in executed.values():
        running.exception(timeout=170)
    wait_until(lambda: not left(), timeout=5.0, message="\n".join(map(describe, left())))


def _connected(notebook: Executed) -> None:
    output = notebook.outputs_of("%casty_connect --demo")[-1]  # What it says while it takes long stands before that.
    # The card is shown as soon as one node has told of the others, which are reached a moment later.
    assert re.search(r"members +3, 3 up, [123] reachable from here", output.data["text/plain"])
    assert "<table" in output.data["text/html"]
    assert "PaymentReceipt(number=1, amount=100" in notebook.text_of("ProcessPayment(amount=100)")
    assert "node-3" in notebook.text_of("%casty_members")


def _viewed(notebook: Executed) -> None:
    # A picture for whoever opens the saved notebook later, then the live view.
    shown = {kind for output in notebook.outputs_of("view = cluster.widget()") for kind in output.data}
    assert {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"} <= shown
    assert "image/png" in notebook.outputs_of("cluster.plot_shards()")[-1].data


def _failed(notebook: Executed) -> None:
    took = re.search(r"noticed after (\d+) ms", notebook.text_of("demo.kill("))
    assert took is not None
    assert int(took[1]) < 5000


def _scripted(notebook: Executed) -> None:
    assert notebook.text_of("count = asyncio.run(main())").strip() == "user-42 is at 2"
    assert "<TopologySnapshot: 3 members" in notebook.text_of("client.topology is None")


def _plotted(notebook: Executed) -> None:
    charts = [output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]
    assert len(charts) == 7
    assert "ask, one in flight, p50" in notebook.outputs_of("goals.style")[0].data["text/html"]


SHOWN: dict[str, Callable[[Executed], None]] = {
    "01_connect": _connected, "02_topology": _viewed, "05_when_nodes_fail": _failed, "90_how_it_works": _scripted,
    "91_performance": _plotted,
}  # fmt: skip


# --- as they are stored -----------------------------------------------------------------------------------------------


def test_every_notebook_is_checked() -> None:
    assert names() == sorted(CHECKS)


@pytest.mark.parametrize("name", names())
def test_it_is_stored_without_outputs_or_traces_of_a_run(name: str) -> None:
    notebook = read(name)
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


@pytest.mark.parametrize("name", names())
def test_its_cells_are_named_after_it_so_that_changes_stay_small(name: str) -> None:
    ids = [cell.id for cell in read(name).cells]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(rf"{name[:2]}-\d\d[a-z]?", each) for each in ids), ids
    text = (NOTEBOOKS / f"{name}.ipynb").read_text("utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n", "as Jupyter writes it"


@pytest.mark.parametrize("name", names())
def test_its_links_lead_somewhere(name: str) -> None:
    for cell in read(name).cells:
        for target in re.findall(r"\]\(([^)]+)\)", cell.source if cell.cell_type == "markdown" else ""):
            assert (NOTEBOOKS / target).exists(), target
