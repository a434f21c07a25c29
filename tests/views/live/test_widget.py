"""The widget as an object of the kernel: what it carries, what it leaves behind."""

from __future__ import annotations

import contextlib
import datetime
import gc
import itertools
import re
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import ipywidgets
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from IPython.utils.capture import capture_output
from nbconvert import HTMLExporter
from traitlets.config import Config

import casty_notebook
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import Increment
from casty_notebook.loops.background import background_loop
from casty_notebook.topology.load_history import LoadHistory
from casty_notebook.topology.snapshot import ServiceEntry
from casty_notebook.views.live import feed as sources
from casty_notebook.views.live import static_files
from casty_notebook.views.live.scene import SceneBuilder, milliseconds
from casty_notebook.views.live.static_files import MODULES, module, style
from casty_notebook.views.live.svg_map import map_html
from casty_notebook.views.live.topology_widget import TopologyWidget
from tests.support.topologies import HOSTILE, member, node, owned_by, topology
from tests.support.waiting import wait_until
from tests.views.scenery import WrittenSource, moment


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(config=config)
    made.kernel = None  # type: ignore[attr-defined]  # As the shells of kernels have one, and those of terminals have none.
    yield made
    InteractiveShell.clear_instance()


SNAPSHOT = topology(
    [member(1), member(2, name=HOSTILE)], leader=1, shards={"cart": {n: owned_by(1 + n % 2) for n in range(9)}, HOSTILE: {}},
    unreachable=[2], services=[ServiceEntry(HOSTILE, node(2), "/x")],
)  # fmt: skip

WIDGET = "application/vnd.jupyter.widget-view+json"


def test_it_carries_text_html_with_the_map_and_the_widget() -> None:
    widget = TopologyWidget(WrittenSource(moment(SNAPSHOT)))
    bundle = widget._repr_mimebundle_()
    assert bundle is not None
    data, _ = bundle
    assert data["text/plain"].startswith("Casty cluster shop\n")
    assert "<svg" in data["text/html"]
    assert data[WIDGET]["model_id"] == widget.model_id
    assert repr(widget) == "<TopologyWidget shop: live, 2 sharded types>"
    widget.close()


def test_a_cell_shows_a_dated_picture_for_pages_without_a_kernel_and_then_the_view(shell: InteractiveShell) -> None:
    widget = TopologyWidget(WrittenSource(moment(SNAPSHOT)))
    with capture_output() as shown:
        display(widget)
    still, live = (output.data for output in shown.outputs)
    assert set(still) == {"text/plain", "text/html"}
    assert live == {WIDGET: live[WIDGET], "text/plain": ""}
    place = re.match(r'<div class="(ct-still-\w+)">', still["text/html"])
    assert place is not None
    assert still["text/html"].count(place[1]) == 4, "its own place, and what hides it in Lab, with its error, and in VS Code"
    dates = re.findall(r"as it was at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", still["text/html"])
    taken = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    assert len(dates) == 2, "the card and the map"
    assert all(date > f"{taken:%Y-%m-%d %H:%M:%S}" for date in dates), "when it was taken, not since when it is so"
    widget.close()


def test_nbconvert_shows_the_picture_with_and_without_states_of_widgets(shell: InteractiveShell) -> None:
    widget = TopologyWidget(WrittenSource(moment(SNAPSHOT)))
    with capture_output() as shown:
        display(widget)
    outputs = [nbformat.v4.new_output("display_data", output.data) for output in shown.outputs]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("cluster.widget()", outputs=outputs)])
    stored = {"version_major": 2, "version_minor": 0, "state": {widget.model_id: {"model_name": "AnyModel", "state": {}}}}
    for states in (None, stored):
        if states is not None:
            book.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": states}
        page, _ = HTMLExporter(template_name="basic").from_notebook_node(book)
        assert "<svg" in page
        assert "as it was at" in page
    widget.close()


def test_the_state_is_packed_when_it_is_asked_for() -> None:
    source = WrittenSource(moment(SNAPSHOT))
    widget = TopologyWidget(source)
    state = widget.get_state("full")["full"]
    assert state["head"]["kind"] == "full"
    assert [type(buffer) for buffer in state["buffers"]] == [bytes, bytes]
    assert state["story"] == []
    widget.close()


def test_a_closed_view_is_freed_and_its_source_let_go() -> None:
    source = WrittenSource(moment(SNAPSHOT))
    widget = TopologyWidget(source)
    before = len(ipywidgets.Widget._instances) if hasattr(ipywidgets.Widget, "_instances") else None
    gone = weakref.ref(widget), weakref.ref(widget.bridge), weakref.ref(widget.layout)
    widget.close()
    widget.close()
    wait_until(lambda: source.callbacks == [])
    del widget

    def freed() -> bool:
        gc.collect()
        return all(each() is None for each in gone)

    wait_until(freed)
    assert before is None or len(ipywidgets.Widget._instances) < before


def test_a_view_of_a_real_cluster_outlives_it_and_says_so(demo_cluster: DemoCluster) -> None:
    cluster = casty_notebook.connect(demo_cluster.uri, name="viewed")
    widget = cluster.widget()
    assert widget.bridge.scene.status.connection == "live"
    assert {each.name for each in widget.bridge.scene.nodes if each is not None} == {"node-1", "node-2", "node-3"}
    cluster.close()
    widget.bridge.hear({"kind": "look", "page": "p", "visible": True, "full": False})
    wait_until(lambda: widget.bridge.scene.status.connection == "closed")
    widget.close()


def test_a_view_that_is_opened_late_has_a_past_of_the_latest_moments(
    start_cluster: Callable[..., DemoCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MOST_EARLIER", 2)
    demo = start_cluster(nodes=1)  # Of its own: in a shared one all shards may have owners already.
    with casty_notebook.connect(demo.uri, shards=demo.shards, name="late") as cluster:
        entities = (f"counter/late-{number}" for number in itertools.count())
        while cluster.history.shards.iloc[-4:].nunique() < 4:
            cluster.tell(next(entities), Increment(1))
            known = len(cluster.history)
            with contextlib.suppress(AssertionError):  # Its shard had an owner already.
                wait_until(lambda: len(cluster.history) > known, timeout=1)  # noqa: B023
        widget = cluster.widget()
        heads = [packet.head for packet in widget.bridge.story]
        assert 0 < len(heads) <= 2
        assert heads[0]["kind"] == "full"
        assert {head["time"] for head in heads} <= {milliseconds(time) for time in cluster.history.time.iloc[1:-1]}
        assert heads[0]["status"]["connection"] == "live"
        widget.close()


# --- static files -----------------------------------------------------------------------------------------------------


def test_the_modules_become_one_without_imports_or_names_that_clash() -> None:
    text = module()
    assert not re.search(r"^import ", text, re.MULTILINE)
    assert len(re.findall(r"^export ", text, re.MULTILINE)) == 1
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", text, re.MULTILINE)
    assert sorted(names) == sorted(set(names))
    assert sorted(MODULES) == sorted(path.name for path in (Path(static_files.__file__).parent / "static").glob("*.js"))


def test_nothing_is_fetched_from_anywhere() -> None:
    for text in (module(), style()):
        assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|\beval\b|innerHTML|insertAdjacentHTML", text)


def test_every_style_is_under_one_class() -> None:
    rules = re.sub(r"/\*.*?\*/", "", style(), flags=re.DOTALL)
    selectors = [selector.strip() for block in re.findall(r"([^{}]+)\{", rules) for selector in block.split(",\n")]
    loose = [each for each in selectors if not each.startswith((".casty-topology", "@container", "@media"))]
    assert loose == []


# --- the map as SVG ---------------------------------------------------------------------------------------------------


def svg(source: str) -> ElementTree.Element:
    match = re.search(r"<svg.*</svg>", source, re.DOTALL)
    assert match is not None
    return ElementTree.fromstring(match[0])


def test_the_svg_says_who_leads_what_is_wrong_and_what_is_where() -> None:
    drawn = svg(map_html(moment(SNAPSHOT)))
    texts = ["".join(text.itertext()) for text in drawn.iter("text")]
    assert "○ node-1 ★ leader" in texts
    assert any("not reachable" in text for text in texts)
    assert any("cart (9 shards)" in text for text in texts)
    assert not list(drawn.iter("script"))


def test_the_svg_of_many_shards_stays_small_and_says_what_it_leaves_out() -> None:
    shards = {"cart": {n: owned_by(1 + n % 100) for n in range(20_000)}}
    source = map_html(moment(topology([member(n) for n in range(1, 101)], shards=shards)))
    assert len(source) < 60_000
    assert "60 of 100 nodes shown" in source


@pytest.mark.parametrize("snapshot", [None, topology()])
def test_without_nodes_there_is_a_map_all_the_same_or_none(snapshot: object) -> None:
    source = map_html(moment(snapshot))  # type: ignore[arg-type]
    assert source == "" or svg(source) is not None


def test_what_was_active_is_remembered_of_the_moments_in_which_somebody_asked(virtual_demo: DemoCluster) -> None:
    with casty_notebook.connect(virtual_demo.uri) as cluster:
        source = sources.LiveSource(cluster)

        async def now() -> str:
            return source.current().facts.activity_hint

        before = source.at(cluster.clock)
        assert before is not None
        assert before.facts.activity_hint == ""
        cluster.ask("counter/remembered", "casty_notebook.demo.messages.GetCount()")
        loads = cluster.loads  # asks the nodes
        assert background_loop().run(now()) == ""
        wait_until(lambda: bool(cluster.told_in(cluster.recent_moments[-1])), message="the counts are noted")
        then = source.at(cluster.clock)
        assert then is not None
        told = then.facts.reports
        assert sum(load.active for report in told.values() for load in report.loads) == loads.active.sum()
        assert not any(report.activations or report.log for report in told.values())
        drawn = SceneBuilder().build(then)
        assert drawn.activity.rows


def test_of_a_moment_in_which_nobody_asked_it_is_said_that_it_is_not_known(virtual_demo: DemoCluster) -> None:
    with casty_notebook.connect(virtual_demo.uri) as cluster:
        assert len(cluster.loads)
        wait_until(lambda: bool(cluster.told_in(cluster.recent_moments[-1])), message="the counts are noted")
        cluster._recorder.load_history = LoadHistory()
        then = sources.LiveSource(cluster).at(cluster.clock)
        assert then is not None
        assert then.facts.activity_hint == sources.FORGOTTEN
