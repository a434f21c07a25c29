"""The live view on a cluster of casty 0.30: other things are placed, nobody leads, members have opinions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from casty_notebook.demo import DemoCluster
from tests.browser.lab import Notebook
from tests.support.waiting import wait_until

SHOWN = """import casty_notebook
cluster = casty_notebook.connect({uri!r})
cluster.ask_many("counter/key-{{1..60}}", "casty_notebook.demo.messages.GetCount()")
slow = next(f"sleeper/key-{{n}}" for n in range(100) if cluster.where(f"sleeper/key-{{n}}").node == "node-2")
for _ in range(200): cluster.tell(slow, "casty_notebook.demo.messages.GetCount()")
view = cluster.widget(); view"""


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoCluster]:
    with DemoCluster(casty="0.30") as cluster:
        yield cluster


def test_all_tabs_speak_of_a_virtual_cluster_in_its_words_and_its_past_can_be_gone_back_to(
    open_notebook: Callable[..., Notebook], demo: DemoCluster, artifacts: Path
) -> None:
    notebook = open_notebook("notebook", SHOWN.format(uri=demo.uri))
    notebook.run(0)
    view = notebook.view()
    wait_until(lambda: "3 members" in view.banner)
    tabs = [text.partition(" (")[0] for text in view.root.get_by_role("tab").all_inner_texts()]
    assert tabs == ["Map", "Problems", "Members", "Ring slices", "Types", "Timeline"]
    wait_until(lambda: view.colours > 2, message="the canvas stays empty")
    assert "ring slices" in view.lane("node-1").inner_text()
    assert "leader" not in view.lane("node-1").inner_text()

    # The demo's nodes have the helper, and are asked by the view alone.
    wait_until(lambda: "active key" in view.lane("node-1").inner_text())
    wait_until(lambda: "counter (60)" in view.root.locator(".ct-note").inner_text())
    wait_until(lambda: view.lane("node-2").locator(".ct-active").inner_text().endswith("waiting"))
    notebook.picture(artifacts / "virtual-activity.png")

    view.root.get_by_label("Find").fill("counter/user-42")
    view.root.get_by_label("Find").press("Enter")
    side = view.root.locator(".ct-side")
    wait_until(lambda: "counter/user-42 is in ring slice" in side.inner_text())
    assert "on node-" in side.inner_text()
    notebook.picture(artifacts / "virtual-map.png")

    view.open("Members")
    assert "members say" in view.root.locator("thead").filter(visible=True).inner_text()
    assert "leader" not in view.root.locator("thead").filter(visible=True).inner_text()
    wait_until(lambda: len(view.rows()) == 3)
    view.open("Ring slices")
    wait_until(lambda: view.count == "1,024 of 1,024")
    view.open("Types")

    view.open("Map")
    with notebook.page.expect_download() as download:
        view.root.get_by_role("button", name="Report", exact=True).click()
    assert download.value.suggested_filename.startswith("casty-demo-")
    report = Path(download.value.path()).read_text("utf-8")
    assert report.startswith("<!doctype html>")
    assert "node-3" in report

    demo.kill("node-3")
    wait_until(lambda: view.root.get_by_role("tab", name="Problems (").count() == 1, timeout=20)
    view.root.locator(".ct-banner").get_by_role("button", name="problem").click()
    wait_until(lambda: "node-3" in view.root.locator(".ct-problems").inner_text())
    notebook.picture(artifacts / "virtual-problems.png")
    view.open("Timeline")
    row = view.root.locator("tbody tr[data-key]").filter(visible=True).filter(has_text="connection from here is lost").first
    row.click()
    wait_until(lambda: view.root.get_attribute("data-connection") == "past")
    view.open("Map")
    assert view.lane("node-3").get_attribute("data-health") == "bad"
    notebook.picture(artifacts / "virtual-past.png")
