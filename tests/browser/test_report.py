"""A report opened from disk: no server, no network, no script; light and dark, wide and narrow; its recording downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.views.report.page import MOST_RECORDING
from casty_notebook.views.report.writing import Source, as_page
from tests.support.topologies import HOSTILE, member, node, owned_by, topology
from tests.topology.test_history import DOWN, LIVE, after
from tests.topology.test_recording_format import LABEL


def written(folder: Path, recording: bytes) -> Path:
    history = History()
    shards = {"cart": {shard: owned_by(shard % 3 + 1) for shard in range(60)}}
    for second in range(4):
        members = [member(1), member(2), member(3, name=HOSTILE)]
        left = shards if second < 2 else {"cart": {n: place for n, place in shards["cart"].items() if n % 3 != 2}}
        health = {node(1): LIVE, node(2): LIVE, node(3): DOWN if second > 1 else LIVE}
        history.note(Moment(after(second), topology(members, leader=1, shards=left), health))
    path = folder / "incident.html"
    path.write_text(as_page(Source(history=history, label=LABEL, recording=recording, problems=())), "utf-8")
    return path


def test_a_report_opens_from_disk_and_gives_its_recording(chromium: Any, tmp_path: Path, artifacts: Path) -> None:
    recording = os.urandom(MOST_RECORDING)  # the largest that is put into a page
    path = written(tmp_path, recording)
    for colours, width in (("light", 1600), ("dark", 900), ("light", 600)):
        context = chromium.new_context(color_scheme=colours, viewport={"width": width, "height": 900}, offline=True)
        said: list[str] = []
        asked: list[str] = []
        page = context.new_page()
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("dialog", lambda dialog, said=said: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request, asked=asked: asked.append(request.url[:200]))
        page.goto(path.as_uri())
        page.screenshot(path=artifacts / f"report-{colours}-{width}.png", full_page=True)
        assert page.locator("svg").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is as wide as its window"
        ground, ink = page.evaluate(
            "['backgroundColor', 'color'].map((name) => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number))"
        )
        assert (sum(ground) < sum(ink)) == (colours == "dark")
        assert (said, asked) == ([], [path.as_uri()]), "nothing runs, nothing is refused by its policy, nothing is fetched"
        context.close()
    context = chromium.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    with page.expect_download() as download:
        page.click("a[download]")
    assert download.value.suggested_filename == "casty-prod-20260102-030407.casty"
    assert Path(download.value.path()).read_bytes() == recording
    context.close()
