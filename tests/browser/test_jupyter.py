"""The live view on a real cluster, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import casty_notebook
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import Deposit, Increment
from tests.browser.lab import Notebook, View
from tests.support.waiting import wait_until

CONNECT = "import casty_notebook\ncluster = casty_notebook.connect({uri!r}, shards={shards!r})"
SHOW = "view = cluster.widget(); view"
AGAIN = "view"
LONG = "import time\nfor _ in range(60):\n    time.sleep(0.1)\nprint('ended')"
PID = "import os\nprint(os.getpid())"
MAGIC = "%load_ext casty_notebook\n%casty_topology"


class Hands:
    """Somebody else who works with the cluster while it is looked at."""

    def __init__(self, demo: DemoCluster) -> None:
        self.cluster = casty_notebook.connect(demo.uri, shards=demo.shards, name="hands")
        self._made = 0

    def allocate(self, count: int = 1, kind: str = "counter") -> None:
        """Wake entities until `count` more shards have an owner; those of other entities may have one already."""
        wanted = self.owned(kind) + count
        while self.owned(kind) < wanted:
            entity = f"{kind}/hand-{self._made}"
            self._made += 1
            self.cluster.tell(entity, Increment(1) if kind == "counter" else Deposit(1))
            wait_until(lambda: self.cluster.where(entity).address is not None, timeout=5)  # noqa: B023

    def owned(self, kind: str) -> int:
        topology = self.cluster.topology
        return len(topology.shard_allocations.get(kind, {})) if topology is not None else 0

    def shards_of(self, node: str) -> int:
        return int((self.cluster.shards["node"] == node).sum())

    @property
    def shards(self) -> int:
        return self.owned("counter") + self.owned("account")


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoCluster]:
    with DemoCluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def hands(demo: DemoCluster) -> Iterator[Hands]:
    made = Hands(demo)
    made.allocate(20)
    made.allocate(40, "account")
    yield made
    made.cluster.close()


@pytest.fixture(scope="module")
def shared_lab(open_notebook: Callable[..., Notebook], demo: DemoCluster, hands: Hands) -> Notebook:
    """Opening JupyterLab takes longer than any test."""
    uri = demo.uri.partition(",")[0]
    notebook = open_notebook("lab", CONNECT.format(uri=uri, shards=demo.shards), SHOW, AGAIN, LONG, PID)
    notebook.command("application:toggle-left-area")
    notebook.run(0)
    return notebook


@pytest.fixture
def lab(shared_lab: Notebook) -> Notebook:
    """A notebook in JupyterLab with a new view in its second cell, and no other."""
    shared_lab.command("notebook:clear-all-cell-outputs")
    wait_until(lambda: shared_lab.views().count() == 0)
    shared_lab.run(1)
    return shared_lab


def at_rest(view: View, hands: Hands) -> Any:
    """What the view shows once it shows all that the cluster has."""
    wait_until(lambda: sum(len(ids) for _, ids, _ in view.state["types"]) == hands.shards)
    return view.state


def test_the_map_draws_the_cluster_and_a_killed_node_is_marked_within_three_seconds(
    lab: Notebook, demo: DemoCluster, hands: Hands, artifacts: Path
) -> None:
    view = lab.view()
    for node in ("node-1", "node-2", "node-3"):
        view.lane(node).wait_for()
    wait_until(lambda: "3 members" in view.banner)
    assert view.lane("node-1").locator(".ct-crown").inner_text() == "★ leader"
    assert "payment" in view.lane("node-1").inner_text()
    wait_until(lambda: view.colours > 3, message="the canvas stays empty")

    demo.kill("node-3")
    killed = time.monotonic()
    wait_until(lambda: view.lane("node-3").get_attribute("data-health") == "bad", timeout=3.0)
    assert time.monotonic() - killed < 3.0
    assert "not reachable" in view.lane("node-3").inner_text()
    lab.picture(artifacts / "topology.png")
    view.open("Timeline")
    wait_until(lambda: any("node-3" in row for row in view.rows()), timeout=3.0)
    lab.picture(artifacts / "lab-timeline.png")

    demo.restart("node-3")
    view.open("Map")
    wait_until(lambda: view.lane("node-3").get_attribute("data-health") == "good", timeout=10.0)


def hidden(lab: Notebook) -> None:
    """Have another tab in front of the notebook."""
    lab.command("launcher:create")
    wait_until(lambda: not lab.views().first.is_visible())


def shown_again(lab: Notebook) -> None:
    lab.page.evaluate("() => { jupyterapp.commands.execute('application:activate-previous-tab') }")
    lab.views().first.wait_for()


def test_an_outage_that_nobody_looked_at_can_be_gone_back_to_and_after_a_reload_too(
    lab: Notebook, demo: DemoCluster, hands: Hands, artifacts: Path
) -> None:
    view = lab.view()
    at_rest(view, hands)
    hidden(lab)
    before = len(hands.cluster.history)
    demo.kill("node-3")
    wait_until(lambda: len(hands.cluster.history) > before)
    demo.restart("node-3")
    wait_until(lambda: hands.cluster.members.reachable.all() and not len(hands.cluster.problems), timeout=20)
    shown_again(lab)
    wait_until(lambda: view.lane("node-3").get_attribute("data-health") == "good")
    remembered = view.moments
    _goes_back_to_the_loss(view)
    lab.picture(artifacts / "lab-outage.png")

    lab.command("docmanager:save")
    wait_until(lambda: lab.page.evaluate("!jupyterapp.shell.currentWidget.context.model.dirty"))
    lab.page.reload()
    lab.wait_ready()
    again = lab.view()
    wait_until(lambda: again.moments >= remembered)
    _goes_back_to_the_loss(again)


def _goes_back_to_the_loss(view: View) -> None:
    """A click on the last loss of node-3 shows node-3 lost, at the very time that was clicked."""
    view.open("Timeline")
    view.root.get_by_label("Kind of event").select_option("lost")
    row = view.root.locator("tbody tr[data-key]").locator("visible=true").filter(has_text="node-3").first
    clicked = row.locator("td").first.inner_text()
    row.click()
    wait_until(lambda: view.root.get_attribute("data-connection") == "past")
    assert clicked in view.banner
    view.open("Map")  # drawn with the page's next frame
    wait_until(lambda: view.lane("node-3").get_attribute("data-health") == "bad")
    view.root.get_by_role("button", name="live").click()


def test_sort_filter_selection_and_place_survive_twenty_updates(lab: Notebook, hands: Hands, artifacts: Path) -> None:
    view = lab.view()
    at_rest(view, hands)
    view.open("Shards")
    view.root.get_by_role("button", name="shard", exact=True).click()
    view.root.get_by_role("button", name="shard", exact=True).click()
    view.root.get_by_label("Filter shards").fill("node-1")
    view.root.locator("tbody tr[data-key]").nth(2).click()
    chosen = view.root.locator("tr[aria-selected=true]").inner_text()
    before = view.moments
    while view.moments < before + 20:
        seen = view.moments
        hands.allocate()
        wait_until(lambda: view.moments > seen)  # noqa: B023
    at_rest(view, hands)
    wait_until(lambda: view.count.partition(",")[0].endswith(f" of {hands.shards}"))
    numbers = [int(row[1]) for row in view.rows()]
    assert numbers == sorted(numbers, reverse=True)
    assert {row[2] for row in view.rows()} == {"node-1"}
    assert view.root.locator("th[aria-sort=descending]").inner_text().startswith("shard")
    assert view.root.locator("tr[aria-selected=true]").inner_text() == chosen
    shown, _, total = view.count.partition(",")[0].partition(" of ")
    assert (int(shown), int(total)) == (hands.shards_of("node-1"), hands.shards)
    lab.picture(artifacts / "lab-shards.png")


def test_the_view_follows_while_a_long_cell_runs_and_a_second_view_shows_the_same(lab: Notebook, hands: Hands) -> None:
    view = lab.view()
    at_rest(view, hands)
    lab.run(3)
    wait_until(lambda: lab.busy)
    for _ in range(3):
        hands.allocate()
        at_rest(view, hands)
    assert "ended" not in lab.output(3), "the cell was over before the view was looked at"
    assert lab.busy

    lab.page.get_by_text("ended", exact=True).wait_for(timeout=15_000)
    lab.run(2)
    second = lab.view(1)
    second.root.scroll_into_view_if_needed()
    hands.allocate()
    # The cluster may say something else between two looks.
    wait_until(lambda: at_rest(second, hands) == at_rest(view, hands))
    lab.run(1)  # Another widget on the same cluster, in place of the first view.
    wait_until(lambda: lab.views().count() == 2)
    other = at_rest(lab.view(0), hands)
    assert _steady(other) == _steady(second.state)
    # One history for all views of a connection, since when each of them was opened or looked at.
    wait_until(lambda: lab.view(0).moments == second.moments)


def _steady(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes without their round trips, and in order: each widget has numbers of its own."""
    nodes = [{name: value for name, value in node.items() if name != "rtt"} for node in state["nodes"]]
    return sorted(nodes, key=lambda node: node["address"])


def test_a_reloaded_page_shows_the_present_state_in_the_dark_theme_too(
    lab: Notebook, hands: Hands, artifacts: Path
) -> None:
    view = lab.view()
    at_rest(view, hands)
    light = view.root.evaluate("(root) => getComputedStyle(root).backgroundColor")
    lab.command("apputils:change-theme", theme="JupyterLab Dark")
    wait_until(lambda: view.root.evaluate("(root) => getComputedStyle(root).backgroundColor") != light)
    lab.page.locator("#jupyterlab-splash").wait_for(state="detached")
    hands.allocate(3)
    at_rest(view, hands)
    lab.picture(artifacts / "topology-dark.png")

    lab.command("docmanager:save")
    wait_until(lambda: lab.page.evaluate("!jupyterapp.shell.currentWidget.context.model.dirty"))
    lab.page.reload()
    hands.allocate(2)
    lab.wait_ready()
    again = lab.view()
    at_rest(again, hands)
    hands.allocate()
    at_rest(again, hands)
    assert again.lane("node-2").is_visible()
    lab.command("apputils:change-theme", theme="JupyterLab Light")


def pid_of_kernel(notebook: Notebook, cell: int) -> int:
    notebook.run(cell)
    wait_until(lambda: notebook.output(cell).strip().isdigit())
    return int(notebook.output(cell))


def test_a_kernel_that_is_stuck_is_said_to_be_within_seconds_and_its_return_too(lab: Notebook) -> None:
    view = lab.view()
    wait_until(lambda: re.fullmatch(r"snapshot \d+ s old", view.root.locator(".ct-age").inner_text()))
    kernel = pid_of_kernel(lab, 4)
    os.kill(kernel, signal.SIGSTOP)
    try:
        wait_until(lambda: view.banner.startswith("No answer from the kernel since"), timeout=15)
        assert re.fullmatch(r"snapshot \d+ s old", view.root.locator(".ct-age").inner_text())
    finally:
        os.kill(kernel, signal.SIGCONT)
    wait_until(lambda: "Connected to demo" in view.banner, timeout=15)


def test_a_saved_notebook_shows_a_dated_picture_where_its_kernel_is_gone(
    open_notebook: Callable[..., Notebook], demo: DemoCluster, artifacts: Path
) -> None:
    uri = demo.uri.partition(",")[0]
    notebook = open_notebook("lab", f"{CONNECT.format(uri=uri, shards=demo.shards)}\n{SHOW}", PID)
    notebook.run(0)
    view = notebook.view()
    wait_until(lambda: "Connected to demo" in view.banner)
    assert notebook.page.locator(".casty-nb").filter(visible=True).count() == 0, "the picture beside the live view"
    kernel = pid_of_kernel(notebook, 1)
    notebook.command("docmanager:save")
    wait_until(lambda: notebook.page.evaluate("!jupyterapp.shell.currentWidget.context.model.dirty"))
    os.kill(kernel, signal.SIGKILL)  # The server starts another, which knows nothing of the view.
    wait_until(lambda: view.banner.startswith("No answer from the kernel since"), timeout=15)
    view.root.evaluate("(root) => root.parentElement.castyView.moments.look(true)")  # As it does every 15 s.
    notebook.page.get_by_role("button", name="Ok", exact=True).click()
    notebook.page.reload()
    notebook.wait_ready()
    picture = notebook.page.locator(".casty-nb svg")
    picture.wait_for()
    assert re.search(r"as it was at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", picture.text_content() or "")
    assert not notebook.page.get_by_text("Error displaying widget").is_visible()
    notebook.page.screenshot(path=artifacts / "lab-saved.png")


def test_notebook_seven_shows_dated_pictures_of_a_watch_and_a_bell_whose_kernel_is_gone(
    open_notebook: Callable[..., Notebook], demo: DemoCluster, artifacts: Path
) -> None:
    connect = CONNECT.format(uri=demo.uri, shards=demo.shards)
    ask = "from casty_notebook.demo.messages import GetCount\ncluster.watch('counter/saved', GetCount, every=0.2)"
    notebook = open_notebook("notebook", f"{connect}\n{ask}", "cluster.bell()", PID)
    notebook.run(0)
    notebook.run(1)
    for drawn in (".casty-watch", ".casty-bell"):
        notebook.page.locator(drawn).wait_for(timeout=20_000)
    pictures = notebook.page.locator(".casty-nb")
    assert pictures.filter(visible=True).count() == 0, "a picture beside its live view"
    kernel = pid_of_kernel(notebook, 2)
    notebook.command("docmanager:save")
    wait_until(lambda: notebook.page.evaluate("!jupyterapp.shell.currentWidget.context.model.dirty"))
    os.kill(kernel, signal.SIGKILL)
    notebook.page.reload()
    notebook.wait_ready()
    wait_until(lambda: pictures.filter(visible=True).count() == 2, timeout=20)
    for said in pictures.all_inner_texts():
        assert re.search(r"as it was at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said)
    assert notebook.page.get_by_text("Error displaying widget").filter(visible=True).count() == 0
    notebook.page.screenshot(path=artifacts / "notebook-saved.png")


def test_notebook_seven_shows_it_by_the_magic_and_says_when_the_connection_is_closed(
    open_notebook: Callable[..., Notebook], demo: DemoCluster, hands: Hands, artifacts: Path
) -> None:
    notebook = open_notebook("notebook", CONNECT.format(uri=demo.uri, shards=demo.shards), MAGIC, "cluster.close()")
    notebook.run(0)
    notebook.run(1)
    view = notebook.view()
    wait_until(lambda: view.colours > 3)
    at_rest(view, hands)
    notebook.picture(artifacts / "notebook.png")
    notebook.run(2)
    wait_until(lambda: view.root.get_attribute("data-connection") == "closed")
    assert "closed at" in view.banner
    assert view.lane("node-1").is_visible()


def test_a_view_stays_beside_the_notebook(open_notebook: Callable[..., Notebook], demo: DemoCluster, artifacts: Path) -> None:
    pytest.importorskip("sidecar", reason="extra lab: ./dev setup installs it")
    connect = CONNECT.format(uri=demo.uri, shards=demo.shards)
    notebook = open_notebook("lab", f"{connect}\nview = cluster.widget()\nview.open_beside()", "print('went on')")
    notebook.run(0)
    view = notebook.view()
    wait_until(lambda: "Connected to demo" in view.banner, 20)
    inside = notebook.page.locator(".jp-NotebookPanel .casty-topology")
    assert inside.count() == 0
    assert notebook.page.locator(".lm-TabBar-tabLabel", has_text="Casty cluster demo").count() == 1
    notebook.page.screenshot(path=artifacts / "beside.png")
