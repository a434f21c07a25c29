"""A notebook that Voilà serves: somebody looks at a cluster who has no cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from casty_notebook.demo import DemoCluster
from tests.browser.lab import View
from tests.support.waiting import wait_until

SHOWN = """
import casty_notebook
from casty_notebook.demo.messages import Increment
cluster = casty_notebook.connect({uri!r}, shards={shards!r})
for number in range(20):
    cluster.tell(f"counter/{{number}}", Increment(1))
cluster.widget()
"""


def test_voila_shows_the_map_of_three_nodes_without_the_cells(open_in_voila: Callable[..., Any]) -> None:
    with DemoCluster() as demo:
        page = open_in_voila(SHOWN.format(uri=demo.uri, shards=demo.shards))
        root = page.locator(".casty-topology")
        root.wait_for(timeout=30_000)
        wait_until(lambda: root.locator(".ct-lane").count() == 3)
        assert all(root.locator(f".ct-lane[data-node='node-{number}']").is_visible() for number in (1, 2, 3))
        wait_until(lambda: View(root).colours > 1)
        assert "casty_notebook.connect" not in page.locator("body").inner_text()
