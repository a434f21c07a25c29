"""The text view: what the picture says, what the keys do, and a node's death in a real terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

import pexpect
import pytest

from casty_notebook import connect
from casty_notebook.address import NodeAddress
from casty_notebook.console import cells, in_cells
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from casty_notebook.printable import printable
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.kinds import SHARDED, VIRTUAL
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import Problem
from casty_notebook.views.terminal.picture import (
    NodeRow,
    Picture,
    _nodes,
    cells_of,
    fitted,
    headings_of,
    picture_of,
    sorted_nodes,
)
from tests.house.source import ROOT
from tests.support.topologies import HOSTILE, member, topology
from tests.support.topologies import node as spot
from tests.support.waiting import wait_until
from tests.topology.test_history import after

pytest.importorskip("textual", reason="extra top: ./dev setup installs it")

from rich.cells import cell_len

from casty_notebook.views.terminal.top import Top


def node(number: int, tone: str = "good", shards: int = 0, rtt: float | None = 1.0, name: str | None = None) -> NodeRow:
    owned = {"cart": shards} if shards else {}
    words = {"good": "reachable", "bad": "not reachable", "open": "not known yet"}[tone]
    return NodeRow(
        name or f"node-{number}", f"10.0.1.{number}:25520", tone, "up", words, number == 1, "web", owned, number % 2, rtt
    )  # fmt: skip


NODES = (node(1, shards=7), node(2, "bad", shards=3, rtt=None), node(10, "open", shards=90, rtt=30.0))
PICTURE = Picture("Casty cluster shop", (("state", "connected"),), SHARDED, NODES, ("cart",), (), ())


def names(rows: list[NodeRow]) -> list[str]:
    return [row.name for row in rows]


def test_trouble_comes_first_and_every_order_can_be_turned_round() -> None:
    assert names(sorted_nodes(NODES)) == ["node-2", "node-10", "node-1"]
    assert names(sorted_nodes(NODES, "name")) == ["node-1", "node-2", "node-10"]
    assert names(sorted_nodes(NODES, "shards")) == ["node-10", "node-1", "node-2"]
    assert names(sorted_nodes(NODES, "round trip", backwards=True)) == ["node-2", "node-1", "node-10"]


@pytest.mark.parametrize(
    ("wanted", "found"), [("NOT REACH", [2]), ("10.0.1.1:", [1]), ("leader", [1]), ("web", [1, 2, 10]), ("x", [])]
)
def test_a_filter_looks_at_all_that_is_said_of_a_node(wanted: str, found: list[int]) -> None:
    assert names(sorted_nodes(NODES, "name", wanted=wanted)) == [f"node-{number}" for number in found]


def test_bars_compare_nodes_and_many_types_become_others() -> None:
    first, last = (cells_of(PICTURE, each) for each in (NODES[0], NODES[2]))
    assert first[headings_of(PICTURE).index("shards")].split() == ["██", "7"]
    assert last[headings_of(PICTURE).index("shards")] == f"{'█' * 16} 90"
    kinds = tuple(f"t{n}" for n in range(6))
    wide = replace(PICTURE, types=kinds, nodes=(NODES[0]._replace(owned=dict.fromkeys(kinds, 2)),))
    assert headings_of(wide)[7:12] == ["t0", "t1", "t2", "t3", "others"]
    assert cells_of(wide, wide.nodes[0])[7:12] == ["2", "2", "2", "2", "4"]


def test_what_a_peer_wrote_is_neither_a_sequence_of_the_terminal_nor_markup() -> None:
    event = TopologyEvent(after(0), "lost", HOSTILE, HOSTILE, HOSTILE)
    wrong = Problem("bad", "odd", HOSTILE, after(0), HOSTILE, HOSTILE, HOSTILE)
    shown = repr(replace(PICTURE, problems=(wrong,), events=(event,)))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "<script>alert(1)</script>\\x1b[2J" in shown


AWKWARD = [
    HOSTILE, "節点" * 40, "a" * 5_000, "e" + "\u0301" * 300, "\u0301mark", "\u202eevil\u200f\u2067", "שלום עולם",
    "\U0001f469\u200d\U0001f469\U0001f3fd\U0001f1e9\U0001f1ea\u2764\ufe0f", "[red]x[/] [/y] [link=http://x]",
    "한국어\u1100\u1161\u11a8",
]  # fmt: skip


def awkward() -> Picture:
    """Every kind of name that could break a row, as node, type, roles, subject."""
    words = "reachable, but the cluster says not"
    nodes = tuple(
        node(number, "bad", shards=number)._replace(
            name=printable(name), words=words, roles=printable(name), owned={printable(name): number, "cart": 1_000}
        )
        for number, name in enumerate(AWKWARD, start=1)
    )
    wrong = tuple(Problem("bad", "odd", name, after(0), "here", name, name) for name in AWKWARD)
    events = tuple(TopologyEvent(after(0), "lost", name, name, name) for name in AWKWARD)
    types = ("cart", printable(HOSTILE), AWKWARD[8])
    return replace(PICTURE, nodes=nodes, types=types, problems=wrong, events=events)


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("most", [10, 16, 40])
def test_a_name_is_no_wider_than_its_room_in_any_terminal(name: str, most: int) -> None:
    shown = in_cells(name, most)
    assert cells(shown) == cell_len(shown) <= most
    assert not re.search("[\ufe0f\u200d\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]|\u0301{5}|^\u0301", shown)


def test_names_that_differ_at_their_end_stay_different() -> None:
    assert len({in_cells(f"casty-eu-west-1-shop-{number:04}", 16) for number in range(300)}) == 300


def test_in_a_text_the_columns_stand_below_one_another_whatever_nodes_are_called() -> None:
    lines = repr(awkward()).splitlines()
    head = next(line for line in lines if line.startswith("node "))
    rows = [line for line in lines if line.startswith("✕ ") and "reachable, but" in line]
    assert len(rows) == len(AWKWARD)
    assert {cells(row.partition("reachable, but")[0]) for row in rows} == {head.index("from here")}


async def test_at_80_columns_what_a_node_owns_is_seen_beside_the_longest_words_and_names() -> None:
    screen = Screen(awkward())
    async with screen.app.run_test(size=(80, 30)) as pilot:
        table: Any = screen.app.query_one("#nodes")
        widths = {str(column.label): column.get_render_width(table) for column in table.ordered_columns}
        assert [label.strip() for label in widths][:4] == ["node", "from here", "shards", "address"]
        assert sum([*widths.values()][:4]) <= 80
        assert {cell_len(table.render_line(place).text) for place in range(table.size.height)} == {table.size.width}
        await pilot.resize_terminal(140, 30)
        deadline = monotonic() + 10
        while str(table.ordered_columns[1].label) != "cluster says":  # which is beyond the edge no more
            assert monotonic() < deadline
            await pilot.pause(0.05)
        screen.picture = replace(PICTURE, nodes=(node(1)._replace(words="x"),))
        screen.app.show()
        screen.picture = replace(PICTURE, nodes=(node(1)._replace(words="reachable, but the cluster says not"),))
        screen.app.show()
        while "reachable, but the cluster says not" not in table.render_line(1).text:
            assert monotonic() < deadline
            await pilot.pause(0.05)


def troubled() -> Picture:
    """Eight nodes of one host, two of them in trouble of long words, with a problem and an event each."""
    words = {2: "not reached from here", 3: "reachable, but the cluster says not"}
    nodes = tuple(
        node(n, "bad" if n in words else "good", shards=n * 4)._replace(
            address=f"127.0.0.1:{20_000 + n * 713}", words=words.get(n, "reachable")
        )
        for n in range(1, 9)
    )
    wrong = tuple(Problem("bad", "odd", f"node-{n}", after(0), "here", "connection is lost", "start it anew") for n in words)
    events = tuple(TopologyEvent(after(n), "lost", f"node-{n}", "reachable", "not reachable") for n in words)
    lines = (("state", "connected"), ("members", "8, 6 reachable"), ("shards", "144"))
    return replace(PICTURE, nodes=nodes, lines=lines, problems=wrong, events=events)


@pytest.mark.parametrize("width", range(30, 180, 7))
def test_no_column_is_cut_by_the_edge_and_an_address_keeps_its_port(width: int) -> None:
    picture = troubled()
    headings, rows = fitted(picture, picture.nodes, width)
    edge, seen = 0, 0
    for heading, *column in zip(headings, *rows, strict=True):
        edge += max(map(cells, (heading, *column))) + 2
        seen += edge <= width
        if edge >= width:
            break
    assert edge == width or seen == len(headings)
    place = [heading.strip() for heading in headings].index("address")
    shown = [row[place] for row in rows]
    assert [each[-6:] for each in shown] == [f":{20_000 + n * 713}" for n in range(1, 9)]
    assert width < 37 or place < seen
    if width >= 86:  # with all that is said of them, and what they own
        assert [heading.strip() for heading in headings][:5] == [headings[0], headings[1], "from here", "shards", "address"]
        assert shown == [each.address for each in picture.nodes]


@pytest.mark.parametrize("width", [38, 60, 79])
@pytest.mark.parametrize("host", ["shop-{}.eu-west-1.example", "10.128.100.{}", "eu-west-1-{}", "節点{}.例", "[2001:db8::{}]"])
def test_hosts_that_differ_stay_different_in_a_narrow_terminal(host: str, width: int) -> None:
    nodes = tuple(node(n)._replace(address=f"{host.format(n)}:25520", words="x" * 40) for n in range(10, 40))
    headings, rows = fitted(replace(PICTURE, nodes=nodes), nodes, width)
    place = [heading.strip() for heading in headings].index("address")
    assert len({row[place] for row in rows}) == len(nodes)


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((40, 8), ["✕ node-2", "✕ node-3", "node-2: connection"]),
        ((40, 12), ["8, 6 reachable", "✕ node-2", "✕ node-3", "node-2: connection", "node-3: connection"]),
        ((80, 12), ["✕ node-2", "✕ node-3", "● node-1", ":21426", "node-3: connection", "start it anew"]),
        ((80, 16), ["✕ node-2", "● node-4", "node-3: connection", "start it anew", "newest", "connection from here is lost (r"]),
        ((80, 24), ["✕ node-2", "✕ node-3", "● node-1", ":21426", "node-3: connection", "start it anew", "newest", "order"]),
    ],
)
async def test_a_low_terminal_shows_troubled_nodes_then_what_is_wrong_then_the_rest(
    size: tuple[int, int], seen: list[str]
) -> None:
    screen = Screen(troubled())
    async with screen.app.run_test(size=size) as pilot:
        await pilot.pause()
        screen.app.show()
        await pilot.pause()
        shown = "\n".join(line.text for line in screen.app.screen._compositor.render_strips())
        assert [text for text in seen if text not in shown] == []
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        screen.app.show()
        await pilot.pause()
        shown = "\n".join(line.text for line in screen.app.screen._compositor.render_strips())
        assert all(text in shown for text in ("● node-8", "127.0.0.1:25704", "order", "start it anew", "newest"))


def test_events_are_told_in_the_words_of_the_kind() -> None:
    moved = (TopologyEvent(after(0), "shards_moved", "ring", "3 ring slices on node-1", "3 ring slices on node-2"),)
    assert "ring: ring slices moved (3 ring slices on node-1" in repr(replace(PICTURE, kind=VIRTUAL, events=moved))
    assert "cart: shards moved" in repr(replace(PICTURE, events=(replace(moved[0], subject="cart"),)))


def test_a_node_that_is_not_reached_has_no_round_trip() -> None:
    health = {spot(1): NodeHealth(LinkState.live, 0.002), spot(2): NodeHealth(LinkState.down, 0.002, "connection refused")}
    rows = _nodes(Moment(after(0), topology([member(1), member(2)]), health))
    assert [row.rtt for row in rows] == [2.0, None]


class Screen:
    """The view without a terminal; `looked` is what it is shown."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.app = Top(lambda: self.picture)

    @property
    def rows(self) -> list[str]:
        table = self.app.query_one("#nodes")
        return [str(table.get_row_at(place)[0]) for place in range(table.row_count)]  # type: ignore[attr-defined]

    def said(self, part: str) -> str:
        return str(self.app.query_one(part).content)  # type: ignore[attr-defined]


async def test_keys_sort_turn_filter_and_quit() -> None:
    screen = Screen(PICTURE)
    async with screen.app.run_test(size=(120, 40)) as pilot:
        assert screen.rows == ["✕ node-2", "○ node-10", "● node-1"]
        await pilot.press("s")
        assert screen.rows == ["● node-1", "✕ node-2", "○ node-10"]
        assert "by name" in screen.said("#state")
        await pilot.press("r")
        assert screen.rows == ["○ node-10", "✕ node-2", "● node-1"]
        await pilot.press("slash", *"qs2", "backspace", "backspace", "backspace", *"e-1")
        assert screen.rows == ["○ node-10", "● node-1"]
        await pilot.press("enter", "escape")
        assert len(screen.rows) == 3
        await pilot.press("q")
    assert screen.app.return_code == 0


async def test_two_addresses_that_are_printed_alike_are_two_rows() -> None:
    alike = [NodeAddress(host, 25520) for host in ("shop\u200b", "shop\\u200b")]
    assert str(alike[0]) == str(alike[1])
    seen = topology([replace(member(n), address=address) for n, address in enumerate(alike, 1)])
    screen = Screen(replace(PICTURE, nodes=tuple(_nodes(Moment(after(0), seen, {})))))
    async with screen.app.run_test(size=(120, 40)):
        assert [row.split()[1] for row in screen.rows] == ["node-1", "node-2"]


async def test_who_stands_on_a_row_stays_on_it_and_markup_is_text() -> None:
    odd = "[red]node[/] [link=x]"
    screen = Screen(replace(PICTURE, nodes=(node(1), node(2, name=odd), node(3))))
    async with screen.app.run_test(size=(120, 40)) as pilot:
        assert f"● {odd}" in screen.rows
        table: Any = screen.app.query_one("#nodes")
        await pilot.press("down", "down")
        stood = screen.rows[table.cursor_row]
        screen.picture = replace(screen.picture, nodes=(node(1), node(2, name=odd), node(3, "bad")))
        screen.app.show()
        await pilot.pause()
        assert screen.rows[0] == "✕ node-3"
        assert screen.rows[table.cursor_row].split()[1:] == stood.split()[1:]
        screen.picture = replace(screen.picture, problems=(Problem("bad", "odd", odd, after(0), "here", odd, odd),))
        screen.app.show()
        assert odd in screen.said("#problem-lines")


def test_the_picture_is_that_of_either_kind_of_cluster(demo_cluster: DemoCluster, virtual_demo: DemoCluster) -> None:
    with connect(demo_cluster.uri, shards=demo_cluster.shards, name="sharded") as cluster:
        assert cluster.ask_many("counter/user-{1..30}", GetCount).error.isna().all()
        picture = wait_until(lambda: made if (made := picture_of(cluster)).types else None)
        assert [row.name for row in picture.nodes] == ["node-1", "node-2", "node-3"]
        assert sum(row.total for row in picture.nodes) == cluster.shards.shape[0]
    assert "closed" in repr(picture_of(cluster))
    assert cluster.latest_record is cluster.latest_moment  # its name before
    with connect(demo_cluster.uri, name="careful", colour="crimson", read_only=True) as cluster:
        assert "[crimson, read-only]" in picture_of(cluster).title
    with connect(virtual_demo.uri, name="virtual") as cluster:
        picture = picture_of(cluster)
        assert headings_of(picture) == ["node", "cluster says", "from here", "ring slices", "ms", "types", "address"]
        assert sum(row.total for row in picture.nodes) == 1024
        assert "leader" not in headings_of(picture)


@contextmanager
def terminal(*arguments: str, term: str = "xterm-256color", size: tuple[int, int] = (40, 140)) -> Iterator[Any]:
    command = ["-m", *(arguments if arguments[0].startswith("tests.") else ("casty_notebook.cli.main", *arguments))]
    environment = {"TERM": term, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "HOME": str(ROOT)}
    process = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=30, env=environment, dimensions=size)
    try:
        yield process
    finally:
        process.close(force=True)


def expect_all(process: Any, *texts: str) -> None:
    """Wait for all of them; which part of the screen is drawn first is not said."""
    left = list(texts)
    while left:
        del left[process.expect_exact(left)]


def test_a_death_is_seen_in_a_real_terminal_which_is_left_as_it_was(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(3)
    with terminal("top", demo.uri, "--shards", "counter=100") as shown:
        shown.expect_exact("\x1b[?1049h")  # the other screen
        shown.expect_exact("● node-3")
        demo.kill("node-3")
        expect_all(shown, "✕ node-3", "node-3: connection from here is lost", "not reached from here (")
        shown.send("q")
        shown.expect_exact("\x1b[?1049l")
        shown.expect(pexpect.EOF)
        shown.close()
        assert shown.exitstatus == 0


def test_a_terminal_that_cannot_be_drawn_on_gets_the_text_once(demo_cluster: DemoCluster) -> None:
    with terminal("top", demo_cluster.uri, term="dumb") as shown:
        shown.expect(pexpect.EOF)
        shown.close()
        assert shown.exitstatus == 0
        # Right after connecting, a node may not have answered here yet.
        assert re.search(r"[●○] node-3 .* up +(reachable|not known yet)", shown.before)
        assert "\x1b" not in shown.before
    with terminal("top", demo_cluster.uri, "--json") as shown:
        shown.expect_exact("members, shards, problems and events have --json and --csv")
        shown.expect(pexpect.EOF)
        shown.close()
        assert shown.exitstatus == 2


@pytest.mark.parametrize("kind", ["sharded", "virtual"])
def test_a_terminal_of_80_columns_shows_what_each_node_owns(
    kind: str, demo_cluster: DemoCluster, virtual_demo: DemoCluster
) -> None:
    uri = demo_cluster.uri if kind == "sharded" else virtual_demo.uri
    with connect(demo_cluster.uri, shards=demo_cluster.shards, name="used") as cluster:
        assert cluster.ask_many("counter/user-{1..30}", GetCount).error.isna().all()
    with terminal("top", uri, size=(24, 80)) as shown:
        expect_all(shown, "● node-1", "● node-2", "● node-3", "█████ ")
        shown.send("q")
        shown.expect(pexpect.EOF)


def test_nothing_that_a_peer_wrote_reaches_a_real_terminal_as_it_was() -> None:
    with terminal("tests.views.terminal.awkward", size=(60, 120)) as shown:
        expect_all(shown, "\\u202eevil", "[red]x[/]", "<script>alert(1)", "events, the newest first")
        seen = shown.before
        shown.send("q")
        shown.expect(pexpect.EOF)
        seen += shown.before
        shown.close()
        assert shown.exitstatus == 0
    assert "\x1b[2J\"'&" not in seen
    assert not re.search("[\u200d-\u200f\u202a-\u202e\u2066-\u2069\ufe0f\U0001f3fb-\U0001f3ff]", seen)
