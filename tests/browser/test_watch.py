"""A watch in a real JupyterLab: values as they change, failures as gaps with their cause, and its ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator

from casty_notebook.demo import DemoCluster
from tests.browser.lab import Notebook
from tests.support.waiting import wait_until

CONNECT = """
%load_ext casty_notebook
from casty_notebook import connect
from casty_notebook.demo.messages import GetCount, Increment
cluster = connect({uri!r}, shards={{"counter": 100}}, name="shop")
"""
ALONE = "%casty_watch --every 0.1 -t 0.5 counter/user-42 GetCount"
MANY = "many = %casty_watch --every 0.1 -t 0.5 counter/user-{1..4} GetCount\nmany"
TELL = """
import time
for number in range(12):
    cluster.tell("counter/user-42", Increment((number * 7) % 5))
    cluster.tell("counter/user-2", Increment(number))
    time.sleep(0.12)
"""


def watch_in(notebook: Notebook, cell: int) -> Locator:
    found = notebook.page.locator(".jp-Cell").nth(cell).locator(".casty-watch")
    found.wait_for(timeout=20_000)
    return found


def test_values_are_followed_failures_have_their_cause_and_the_button_ends_it(
    open_notebook: Callable[..., Notebook], start_cluster: Callable[..., DemoCluster], artifacts: Path
) -> None:
    demo = start_cluster(1)
    notebook = open_notebook(
        "lab", CONNECT.format(uri=demo.uri).strip(), ALONE, MANY, TELL.strip(), "many.stop(); many.data.shape"
    )
    page = notebook.page
    for cell in range(3):
        notebook.run(cell)
        wait_until(lambda: not notebook.busy, 30)
    alone, many = watch_in(notebook, 1), watch_in(notebook, 2)
    notebook.run(3)
    wait_until(lambda: alone.locator(".cw-value").inner_text() == "22", 20, "the value of counter/user-42")
    assert re.fullmatch(r"changed \d+ s ago, from \d+", alone.locator(".cw-said").inner_text())
    assert len(many.locator("tbody tr").all()) == 4
    wait_until(lambda: many.locator(".cw-value").nth(1).inner_text() == "66", 20, "the value of counter/user-2")
    assert "unchanged in" in many.locator(".cw-said").nth(0).inner_text()
    # The line follows: two ends at different heights.
    assert len(set(alone.locator(".cw-line").get_attribute("d").replace("M", "L").split("L"))) > 5  # type: ignore[union-attr]
    demo.kill("node-1")
    wait_until(lambda: "✕ " in alone.locator(".cw-said").inner_text(), 20, "the cause of a failure")
    wait_until(lambda: alone.get_attribute("data-state") == "lost")
    demo.restart("node-1")
    wait_until(lambda: alone.get_attribute("data-state") == "live", 30, "answers after the restart")
    page.screenshot(path=artifacts / "watch.png")
    page.set_viewport_size({"width": 760, "height": 900})
    alone.scroll_into_view_if_needed()
    page.screenshot(path=artifacts / "watch_narrow.png")
    page.set_viewport_size({"width": 1600, "height": 900})
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    wait_until(lambda: page.locator("body").get_attribute("data-jp-theme-light") == "false", 20, "the dark theme")
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    page.screenshot(path=artifacts / "watch_dark.png")
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    page.set_viewport_size({"width": 1280, "height": 900})
    alone.get_by_role("button", name="Stop").click()
    wait_until(lambda: "stopped in the notebook" in alone.locator(".cw-status").inner_text(), 20)
    notebook.run(4)
    wait_until(lambda: "it was stopped" in many.locator(".cw-status").inner_text(), 20)
    assert many.get_by_role("button", name="Stop").is_hidden()


NOTIFY = "%casty_watch --notify --every 0.2 counter/user-42 GetCount"
AWAY = """() => {
  document.hasFocus = () => false;
  window.shown = [];
  window.Notification = class { constructor(title, options) { shown.push([title, options.body]); } addEventListener() {} };
  Notification.permission = 'granted';
}"""


def test_notify_says_so_in_its_line_the_title_and_a_notification(
    open_notebook: Callable[..., Notebook], start_cluster: Callable[..., DemoCluster], artifacts: Path
) -> None:
    demo = start_cluster(2)
    notebook = open_notebook("lab", CONNECT.format(uri=demo.uri).strip(), NOTIFY)
    page = notebook.page
    for cell in range(2):
        notebook.run(cell)
        wait_until(lambda: not notebook.busy, 30)
    watch_in(notebook, 1)
    bell = page.locator(".casty-bell")
    assert bell.locator(".cb-words").inner_text() == "shop: no problem"
    before = page.title()
    page.evaluate(AWAY)
    demo.kill("node-2")
    wait_until(lambda: bell.get_attribute("data-state") == "bad", 30, "the bell's line")
    wait_until(lambda: page.title() == "⚠ shop", 10, "the title")
    wait_until(lambda: page.evaluate("shown"), 10, "a notification")
    assert "node-2" in page.evaluate("shown")[0][1]
    page.screenshot(path=artifacts / "bell.png")
    page.evaluate("() => { document.hasFocus = () => true; window.dispatchEvent(new Event('focus')); }")
    assert page.title() == before
