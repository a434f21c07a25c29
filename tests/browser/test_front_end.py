"""The front end by itself: what a page makes of what it is sent."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.node_report import NodeReport, TypeLoad
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, TopologySnapshot
from casty_notebook.views.facts import Shown
from casty_notebook.views.live.feed import FORGOTTEN
from casty_notebook.views.live.scene import milliseconds
from tests.browser.lab import View
from tests.browser.page import FrontEnd
from tests.support.topologies import HOSTILE, member, node, owned_by, topology
from tests.views.scenery import WrittenSource, moment

type Open = Callable[..., FrontEnd]

LIVE = NodeHealth(LinkState.live, 0.0004)
DOWN = NodeHealth(LinkState.down, None, "connection refused")


def shop(owners: dict[str, dict[int, int]], nodes: int = 3, **more: object) -> TopologySnapshot:
    shards = {
        name: {shard: owned_by(owner, owner % nodes + 1) for shard, owner in owned.items()} for name, owned in owners.items()
    }
    return topology([member(number) for number in range(1, nodes + 1)], leader=1, shards=shards, **more)  # type: ignore[arg-type]


def health(nodes: int = 3, *, down: tuple[int, ...] = ()) -> dict[NodeAddress, NodeHealth]:
    return {node(number): DOWN if number in down else LIVE for number in range(1, nodes + 1)}


def view_of(front: FrontEnd) -> View:
    return View(front.page.locator(".casty-topology"))


def spread(shards: int, nodes: int = 3) -> dict[int, int]:
    return {shard: shard % nodes + 1 for shard in range(shards)}


def test_what_is_shown_is_what_was_sent_after_any_deltas(front_end: Open) -> None:
    front, chance = front_end(), random.Random(7)
    owners: dict[str, dict[int, int]] = {"counter": spread(40)}
    front.show(shop(owners), health())
    for _ in range(30):
        kind = chance.choice(["counter", "cart", "user"])
        owned = owners.setdefault(kind, {})
        for shard in chance.sample(range(-5, 60), 5):
            if chance.random() < 0.3:
                owned.pop(shard, None)
            else:
                owned[shard] = chance.randrange(1, 4)
        if chance.random() < 0.1:
            del owners[kind]
        front.show(shop(owners), health())
    shown = front.page.evaluate(
        """() => { const { types, placements, nodes } = view.moments.shown;
                   const owner = (code) => nodes[placements[code][0]].name;
                   const shards = (type) => [...type.ids].map((id, at) => [id, owner(type.codes[at])]);
                   return [...types].map(([name, type]) => [name, shards(type)]); }"""
    )
    assert {name: {shard: int(owner[5:]) for shard, owner in owned} for name, owned in shown} == owners


def test_ten_thousand_shards_on_fifty_nodes_are_drawn_and_followed_without_a_long_task(front_end: Open) -> None:
    front, chance = front_end(), random.Random(1)
    owners = {"counter": {shard: chance.randrange(1, 51) for shard in range(10_000)}}
    front.show(shop(owners, 50), health(50))
    sizes: list[int] = []

    def follow() -> list[float]:
        # What starting the page itself costs is not asked here.
        front.page.evaluate("longTasks.length = 0")
        for _ in range(5):
            for shard in chance.sample(range(10_000), 100):
                owners["counter"][shard] = chance.randrange(1, 51)
            packet = front.show(shop(owners, 50), health(50))
            sizes.append(packet.size if packet is not None else 0)
        for tab in ("Members", "Shards", "Map"):
            view_of(front).open(tab)
            front.settle()
        tasks: list[float] = front.page.evaluate("longTasks")
        return tasks

    # Tasks are timed by the clock on the wall: a busy machine makes some long now and then, our code would each time.
    assert any(follow() == [] for _ in range(5))
    assert max(sizes) <= 8 * 1024
    assert min(sizes) > 100


def ring(nodes: int = 3) -> TopologySnapshot:
    """A virtual cluster with its 1,024 slices of the ring."""
    members = frozenset(Member(node(each), MemberStatus.alive, frozenset(), f"node-{each}") for each in range(1, nodes + 1))
    slices = {"ring": {each: owned_by(each * 7 % nodes + 1) for each in range(1024)}}
    return TopologySnapshot(members, None, slices, 0, kind=VIRTUAL)


def told(nodes: int = 3) -> dict[NodeAddress, NodeReport]:
    loads = (TypeLoad("shop.actors:counter", 7, 3, 2), TypeLoad("shop.actors:cart", 1, 0, 0))
    return {node(each): NodeReport(node(each), "0.30.2", (), 0, loads, 0, 0, 0, 0, 0, 0) for each in range(1, nodes + 1)}


TEXT_HEIGHT = "(each) => { const text = new Range(); text.selectNodeContents(each); return text.getBoundingClientRect().height; }"


@pytest.mark.parametrize("dark", [False, True])
def test_at_600_px_a_ring_is_seen_whole_and_its_tables_are_read_without_scrolling(
    front_end: Open, artifacts: Path, dark: bool
) -> None:
    front = front_end(width=600, dark=dark)
    front.show(ring(), health(), reports=told())
    view, hue = view_of(front), "dark" if dark else "light"
    assert front.page.evaluate("view.map.element.scrollHeight <= view.map.element.clientHeight")
    assert front.page.evaluate("view.map.layout.cell") >= 6
    front.page.screenshot(path=artifacts / f"ring-600-{hue}.png")

    def heads() -> list[str]:
        """Titles of the columns that are seen whole, each in one line."""
        found = view.root.locator("thead").filter(visible=True).locator("th")
        boxes = [(each.inner_text().strip(" ▲▼"), each.bounding_box(), each.get_by_role("button")) for each in found.all()]
        assert all(button.evaluate(TEXT_HEIGHT) < 22 for _, _, button in boxes)
        return [title for title, box, _ in boxes if box is not None and box["x"] + box["width"] <= 600]

    view.open("Members")
    assert heads()[:7] == ["node", "status", "from here", "active", "queued", "ring slices", "types"]
    assert [row.split("\t")[3:5] for row in view.root.locator("tbody tr[data-key]").filter(visible=True).all_inner_texts()] == [
        ["8", "3"]
    ] * 3
    front.page.screenshot(path=artifacts / f"ring-members-600-{hue}.png")
    view.open("Ring slices")
    assert heads()[:4] == ["ring slice", "node", "from here", "address"]
    view.open("Timeline")
    assert heads()[:4] == ["time (UTC)", "by", "subject", "event"]

    # A state is never cut: its column is wider as long as it is there.
    view.open("Members")
    front.show(ring(), health(down=(2,)), reports=told())
    words = view.root.locator("tr[data-key]").filter(visible=True).filter(has_text="not reachable").locator("td").nth(2)
    assert words.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_a_moment_that_is_fetched_says_that_nobody_remembers_what_was_active(front_end: Open) -> None:
    front = front_end()
    front.show(ring(), health(), reports=told())
    assert "counter (21)" in front.page.locator(".ct-note").inner_text()
    then = moment(ring(), health(), time=datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1))
    source = WrittenSource(then._replace(facts=replace(then.facts, activity_hint=FORGOTTEN)))
    front.say_times(source)
    front.page.evaluate("view.moments.goTo(0)")
    front.answer(source)
    assert front.page.locator(".ct-note").inner_text() == FORGOTTEN


def test_names_from_the_network_are_text_and_nothing_else(front_end: Open) -> None:
    front = front_end()
    snapshot = topology(
        [member(1, name=HOSTILE), member(2)], leader=1, shards={HOSTILE: {0: owned_by(1, 2)}},
        services=[ServiceEntry(HOSTILE, node(1), HOSTILE)],
    )  # fmt: skip
    front.show(snapshot, health(2), events=[(1, "member_joined", HOSTILE, HOSTILE, HOSTILE, HOSTILE)])
    for tab in ("Map", "Members", "Shards", "Services", "Timeline"):
        view_of(front).open(tab)
        front.settle()
        assert front.page.locator("main script, main img").count() == 0
        assert "<script>" in front.page.locator(".ct-panel:not([hidden])").inner_text()


def test_csv_carries_the_filtered_rows_in_order_and_no_formulas(front_end: Open, tmp_path: Path) -> None:
    front = front_end()
    front.show(shop({"=1+1": {2: 1}, 'a,"b"': {10: 1, 9: 2}}), health())
    view = view_of(front)
    view.open("Shards")
    view.root.get_by_role("button", name="shard", exact=True).click()
    view.root.get_by_label("Filter shards").fill("node-1")
    with front.page.expect_download() as download:
        view.root.get_by_role("button", name="CSV").locator("visible=true").click()
    download.value.save_as(tmp_path / "shards.csv")
    lines = (tmp_path / "shards.csv").read_text("utf-8").splitlines()
    assert lines[0] == "type,shard,node,from here,address,replicas"
    assert lines[1:] == [
        "'=1+1,2,node-1,● reachable,10.0.1.1:25520,node-2", '"a,""b""",10,node-1,● reachable,10.0.1.1:25520,node-2',
    ]  # fmt: skip
    assert view.count == "2 of 3"


def test_a_page_that_missed_an_update_asks_for_the_full_state(front_end: Open) -> None:
    front = front_end()
    owners = {"counter": spread(20)}
    front.show(shop(owners), health())
    front.page.evaluate("() => { window.kept = window.push; window.push = () => null; }")
    owners["counter"][3] = 3
    front.show(shop(owners), health())
    front.page.evaluate("() => { window.push = window.kept; }")
    owners["counter"][4] = 3
    front.show(shop(owners), health())
    assert front.page.evaluate("model.sent.at(-1)")["full"] is True
    front.resend()
    state = view_of(front).state
    assert state["sequence"] == 3
    view = view_of(front)
    view.open("Shards")
    assert {row[1]: row[2] for row in view.rows()}["3"] == "node-3"


def test_the_slider_takes_map_and_tables_back_and_live_returns(front_end: Open) -> None:
    front = front_end()
    front.show(shop({"counter": spread(12)}), health())
    front.show(shop({"counter": dict.fromkeys(range(12), 1)}), health(), events=[(1, "shards_moved", "counter", "a", "b", "")])
    view = view_of(front)
    slider = view.root.get_by_label("Moment")
    slider.focus()
    front.page.keyboard.press("Home")
    front.settle()
    assert view.lane("node-2").locator(".ct-load").inner_text() == "4 shards"
    assert view.root.get_attribute("data-connection") == "past"
    front.show(shop({"counter": {0: 1}}), health())
    assert view.lane("node-2").locator(".ct-load").inner_text() == "4 shards", "the past moved"
    view.open("Shards")
    assert view.count == "12 of 12"
    view.root.get_by_role("button", name="live").click()
    front.settle()
    assert view.count == "1 of 1"
    view.open("Timeline")
    view.root.locator("tbody tr[data-key]").locator("visible=true").first.click()
    front.settle()
    assert view.root.get_attribute("data-connection") == "past"


def test_moments_that_the_page_never_saw_are_fetched_one_at_a_time(front_end: Open) -> None:
    front = front_end()
    now = datetime.datetime.now(datetime.UTC)
    times = [now - datetime.timedelta(seconds=60 - step) for step in range(50)]
    past = [
        moment(shop({"counter": dict.fromkeys(range(12), 1 + step % 3)}), health(), time=time)
        for step, time in enumerate(times)
    ]
    front.show(shop({"counter": spread(12)}), health())
    source = WrittenSource(past[-1], past[:-1])
    front.say_times(source)
    view = view_of(front)
    assert view.moments == 51
    slider = view.root.get_by_label("Moment")
    slider.focus()
    for _ in range(5):
        front.page.keyboard.press("ArrowLeft")
    front.settle()
    wanted = milliseconds(past[49].facts.time)
    assert front.questions() == [wanted], "more than one question at a time"
    assert view.root.get_attribute("data-connection") == "live", "another moment than the one that was wanted was shown"
    assert "fetching" in view.banner
    front.answer(source)
    assert "fetching" in view.banner
    assert front.questions() == [wanted, milliseconds(past[45].facts.time)], "moments on the way were asked for"
    front.answer(source)
    assert view.root.get_attribute("data-connection") == "past"
    assert view.lane(f"node-{1 + 45 % 3}").locator(".ct-load").inner_text() == "12 shards"
    assert f"{past[45].facts.time:%H:%M:%S}" in view.banner


def test_a_moment_that_is_not_remembered_is_never_passed_off_as_another(front_end: Open) -> None:
    front = front_end()
    now = datetime.datetime.now(datetime.UTC)
    kept = moment(shop({"counter": spread(12)}), health(down=(3,)), time=now - datetime.timedelta(seconds=20))
    older = now - datetime.timedelta(seconds=28.2)
    front.show(shop({"counter": spread(12)}), health(), events=[(milliseconds(older), "lost", "node-3", "", "refused", "")])
    front.say_times(WrittenSource(kept))
    view = view_of(front)
    view.open("Timeline")
    view.root.locator("tbody tr[data-key]").locator("visible=true").first.click()
    front.answer(WrittenSource(kept))
    assert f"{older:%H:%M:%S}" in view.banner
    assert "is not remembered: this is 8.2 s later" in view.banner
    view.root.get_by_role("button", name="live").click()
    front.settle()
    assert "remembered" not in view.banner


def an_evening(front: FrontEnd) -> list[Shown]:
    """Forty moments with an outage among them, and the events of it, told to a page that has seen the last one only."""
    now = datetime.datetime.now(datetime.UTC)
    times = [now - datetime.timedelta(seconds=80 - 2 * step) for step in range(40)]
    past = [
        moment(shop({"counter": spread(12)}), health(down=(3,) if 10 <= step < 20 else ()), time=time)
        for step, time in enumerate(times)
    ]
    at = [milliseconds(each.facts.time) for each in past]
    allocated = [(at[30] + n, "shards_allocated", "counter", "", f"{n + 1} shards on node-{n % 4}", "node-1") for n in range(9)]
    front.show(
        shop({"counter": spread(12)}), health(),
        events=[
            (at[0] - 86_400_000, "leader_changed", "leader", "node-2", "node-1", ""),
            (at[10], "lost", "node-3", "reachable from here", "not reachable from here: connection refused", ""),
            (at[12], "unreachable", "node-3", "reachable", "unreachable", "node-1"),
            (at[12], "member_status", "node-3", "up", "down", "node-1"),
            (at[20], "reached_again", "node-3", "not reachable from here", "reachable from here", ""),
            (at[22], "reachable_again", "node-3", "unreachable", "reachable", ""),
            (at[22], "member_status", "node-3", "down", "up", "node-1"), *allocated,
        ],
    )  # fmt: skip
    front.say_times(WrittenSource(past[-1], past[:-1]))
    return past


def test_the_timeline_says_who_says_it_and_what_is_bad_and_folds_what_belongs_together(front_end: Open) -> None:
    front = front_end()
    past = an_evening(front)
    view = view_of(front)
    view.open("Timeline")
    rows = [row[1:] for row in view.rows()]
    assert rows[0] == ["node-1", "counter", "▸ shards allocated", "", "45 shards on 4 nodes"]
    assert ["here", "node-3", "✕ connection from here is lost"] in [row[:3] for row in rows]
    assert ["node-1", "node-3", "✕ status changed to down"] in [row[:3] for row in rows]
    assert ["cluster", "node-3", "● reachable again, says the cluster"] in [row[:3] for row in rows]
    bad = view.root.locator("tr.ct-bad").all_inner_texts()
    assert len(bad) == 3
    assert all("node-3" in text for text in bad)
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:", view.rows()[-1][0]), "yesterday has no date"
    view.root.locator("tbody tr[data-key]").locator("visible=true").first.click()
    front.settle()
    assert len(view.rows()) == len(rows) + 9
    view.root.get_by_label("Kind of event").select_option("only bad news")
    front.settle()
    assert [row[3][:2] for row in view.rows()] == ["✕ "] * 3
    assert front.questions() == [], "an unfolded row is no moment"
    assert past


def test_when_who_of_what_and_what_are_in_sight_at_600_pixels(front_end: Open, artifacts: Path) -> None:
    front = front_end(width=600)
    now = milliseconds(datetime.datetime.now(datetime.UTC))
    front.show(
        shop({"counter": spread(12)}), health(down=(3,)),
        events=[
            (now - 2000, "lost", "node-3", "reachable from here", "not reachable from here: connection refused", ""),
            (now - 1900, "unreachable", "node-3", "reachable", "unreachable", "node-1"),
            (now - 1900, "member_status", "node-3", "up", "down", "node-1"),
            (now - 1800, "opinions_differ", "node-3", "2 alive", "1 alive, 1 suspect", "node-2"),
            (now - 1700, "reachable_again", "node-3", "unreachable", "reachable", "node-1"),
            (now - 1600, "shards_freed", "counter", "18 shards on node-3", "", "node-1"),
        ],
    )  # fmt: skip
    view = view_of(front)
    view.open("Timeline")
    front.settle()
    front.page.screenshot(path=artifacts / "timeline-600.png")
    right = view.root.locator(".ct-panel:not([hidden]) .ct-scroller").evaluate("(each) => each.getBoundingClientRect().right")
    ends = view.root.evaluate(
        """(root) => [...root.querySelectorAll('.ct-panel:not([hidden]) tr[data-key]')].flatMap((row) =>
             [...row.cells].slice(0, 4).map((cell) => {
               const words = document.createRange();
               words.selectNodeContents(cell);
               return [cell.textContent, words.getBoundingClientRect().right, cell.getBoundingClientRect().right];
             }))"""
    )
    assert len(ends) == 24
    assert [text for text, words, cell in ends if words > min(cell, right)] == []


def test_the_slider_is_red_where_trouble_was_and_moments_can_be_played(front_end: Open) -> None:
    front = front_end()
    past = an_evening(front)
    source = WrittenSource(past[-1], past[:-1])
    view = view_of(front)
    red = """(canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 1, canvas.width, 1);
        const at = [...Array(canvas.width).keys()].filter((x) => data[4 * x + 3] > 0);
        return [at[0], at.at(-1)].map((x) => x / canvas.width);
    }"""
    start, end = view.root.locator(".ct-marks").evaluate(red)
    assert abs(start - 10 / 40) < 0.04
    assert abs(end - 22 / 40) < 0.04
    front.page.set_viewport_size({"width": 600, "height": 760})
    marks, slider = ".ct-marks", ".ct-slide input"
    widths = "([root, marks, slider]) => root.querySelector(marks).width === root.querySelector(slider).clientWidth"
    front.page.wait_for_function(widths, arg=[view.root.element_handle(), marks, slider], timeout=5_000)
    view.root.get_by_role("button", name="play").click()
    for step in range(3):
        front.page.wait_for_function(f"model.sent.filter(({{ kind }}) => kind === 'past').length === {step + 1}")
        front.answer(source)
        assert f"{past[step].facts.time:%H:%M:%S}" in view.banner
    view.root.get_by_role("button", name="stop").click()
    assert view.root.get_attribute("data-connection") == "past"


WRONG = [
    Problem(
        "bad", "unreached_up", "node-3", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), "here",
        "not reached from here (connection refused), while the cluster says up", "see that it runs",
    ),
    Problem(
        "warn", "last_instance", HOSTILE, datetime.datetime(2026, 1, 2, 3, 4, 9, tzinfo=datetime.UTC), "cluster, here",
        f"one instance is left of 2 {HOSTILE}", "start another before that one goes",
    ),
]  # fmt: skip


def test_problems_are_counted_in_the_banner_which_leads_to_their_list(front_end: Open) -> None:
    front = front_end()
    front.show(shop({"counter": spread(12)}), health(), problems=[])
    view = view_of(front)
    assert view.root.get_by_role("button", name="problem").count() == 0
    front.show(shop({"counter": spread(12)}), health(down=(3,)), problems=WRONG)
    assert view.root.get_by_role("tab", name="Problems").inner_text() == "Problems (2)"
    view.root.locator(".ct-banner").get_by_role("button", name="2 problems").click()
    front.settle()
    first, second = view.root.locator(".ct-problems li").all_inner_texts()
    assert re.match(r"✕\s+node-3\s+unreached up\s+since 2026-01-02 03:04:05 UTC \(\d+ h\)\s+by here", first)
    assert "while the cluster says up" in first
    assert "→ see that it runs" in first
    assert "<script>" in second
    front.show(shop({"counter": spread(12)}), health(), problems=[])
    assert view.root.locator(".ct-problems li").count() == 0
    assert "no problem" in view.root.locator(".ct-panel:not([hidden])").inner_text()


def test_problems_of_the_past_are_those_of_the_moment(front_end: Open) -> None:
    front = front_end()
    now = datetime.datetime.now(datetime.UTC)
    front.show(shop({"counter": spread(12)}), health(), problems=[])
    then = moment(shop({}), health(down=(3,)), time=now - datetime.timedelta(seconds=9), problems=WRONG)
    source = WrittenSource(then)
    front.say_times(source)
    view = view_of(front)
    view.open("Problems")
    view.root.get_by_label("Moment").focus()
    front.page.keyboard.press("Home")
    front.settle()
    front.answer(source)
    assert "2 problems then" in view.root.locator(".ct-panel:not([hidden])").inner_text()


def fifty(front: FrontEnd, *, down: tuple[int, ...] = (7, 31)) -> View:
    chance = random.Random(3)
    owners = {"counter": {shard: chance.randrange(1, 51) for shard in range(20_000)}, "account": {3: 18}}
    front.show(shop(owners, 50), health(50, down=down))
    return view_of(front)


@pytest.mark.parametrize("width", [600, 900, 1600])
def test_two_of_fifty_nodes_in_trouble_are_named_and_one_click_away(front_end: Open, width: int, artifacts: Path) -> None:
    front = front_end(width=width, dark=width == 900)
    view = fifty(front)
    assert view.root.get_by_label("compact").is_checked()
    front.page.screenshot(path=artifacts / f"fifty-{width}.png")
    view.open("Timeline")
    view.root.locator(".ct-banner").get_by_role("button", name="node-7, node-31").click()
    front.settle()
    assert view.root.locator(".ct-lane").evaluate_all("(all) => all.map((lane) => lane.dataset.node)") == ["node-7", "node-31"]
    view.root.get_by_label("Order of nodes").select_option("troubled first")
    front.settle()
    lanes = view.root.locator(".ct-lane").evaluate_all("(all) => all.map((lane) => lane.dataset.node)")
    assert lanes[:4] == ["node-7", "node-31", "node-1", "node-2"]


def test_a_node_a_number_and_an_entity_are_found(front_end: Open) -> None:
    front = front_end()
    view = fifty(front)
    side = view.root.locator(".ct-side")
    view.open("Shards")
    view.root.get_by_role("tab", name="Shards").focus()
    front.page.keyboard.press("/")
    front.page.keyboard.type("node-44")
    front.settle()
    assert view.lane("node-44").is_visible()
    assert "ct-found" in (view.lane("node-44").get_attribute("class") or "")
    assert side.inner_text() == "node-44"
    view.root.get_by_label("Find").fill("3")
    front.settle()
    assert "account shard 3 on node-18 (10.0.1.18:25520), reachable" in side.inner_text()
    assert "counter shard 3 on node-" in side.inner_text()
    assert view.lane("node-18").is_visible()
    view.root.get_by_label("Find").fill("account/mine")
    front.page.keyboard.press("Enter")
    front.settle()
    assert "asking the kernel" in side.inner_text()
    page = front.page.evaluate("view.moments.page")
    assert front.page.evaluate("model.sent.at(-1)") == {"kind": "find", "page": page, "target": "account/mine"}
    front.tell({"kind": "found", "page": page, "target": "account/mine", "type": "account", "shard": 3})
    assert side.inner_text() == "account/mine is in account shard 3 on node-18 (10.0.1.18:25520), reachable"
    front.show(shop({"account": {3: 18}}, 50), health(50, down=(18,)))
    assert side.inner_text() == "account/mine is in account shard 3 on node-18 (10.0.1.18:25520), not reachable"
    front.tell({"kind": "found", "page": page, "target": "account/mine", "error": f"no type {HOSTILE}"})
    assert "<script>" in side.inner_text()
    view.root.get_by_label("Find").press("Escape")
    front.settle()
    assert view.root.locator(".ct-found").count() == 0


CUT = """(root) => [...root.querySelectorAll('.ct-panel:not([hidden]) :is(.ct-words, td, .ct-problems *), .ct-banner *')]
    .filter((each) => !each.classList.contains('ct-age') && each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0)
    .map((each) => each.textContent)"""
OUTSIDE = """(root) => [...root.querySelectorAll('.ct-lane')].filter((lane) => {
    const words = lane.querySelector('.ct-words').getBoundingClientRect();
    return words.bottom > lane.getBoundingClientRect().bottom + 1;
}).map((lane) => lane.textContent)"""


@pytest.mark.parametrize("width", [600, 700])
@pytest.mark.parametrize("compact", [False, True])
def test_what_is_wrong_with_a_node_is_never_cut(front_end: Open, width: int, compact: bool, artifacts: Path) -> None:
    front = front_end(width=width)
    front.show(shop({"counter": spread(12)}, unreachable=[2]), health(down=(3,)), problems=WRONG)
    view = view_of(front)
    view.root.get_by_label("compact").set_checked(compact)
    front.settle()
    assert view.lane("node-2").locator(".ct-words").inner_text() == "reachable, but the cluster says not"
    assert view.root.evaluate(OUTSIDE) == []
    front.page.screenshot(path=artifacts / f"states-{width}-{'compact' if compact else 'wide'}.png")
    for tab in ("Map", "Members", "Shards", "Problems"):
        view.open(tab)
        front.settle()
        assert view.root.evaluate(CUT) == []


def test_a_lost_cluster_is_said_and_its_last_state_greyed(front_end: Open) -> None:
    front = front_end()
    front.show(shop({"counter": spread(12)}), health())
    front.show(shop({"counter": spread(12)}), health(down=(1, 2, 3)), age=7.0)
    view = view_of(front)
    assert re.search(r"No node of shop is reachable since \d\d:\d\d:\d\d", view.banner)
    assert view.root.locator(".ct-age").inner_text().startswith("snapshot 7 s old")
    assert "grayscale(1)" in view.root.locator(".ct-body").evaluate("(body) => getComputedStyle(body).filter")
    assert view.lane("node-3").locator(".ct-words").inner_text() == "not reachable"


def test_a_shard_is_walked_to_by_keys_described_and_copied(front_end: Open) -> None:
    front = front_end()
    front.show(shop({"counter": spread(12)}), health())
    view = view_of(front)
    view.root.locator(".ct-map").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        front.page.keyboard.press(key)
    front.page.wait_for_function("document.querySelector('.ct-side').textContent.includes('cop')")
    said = view.root.locator(".ct-side").inner_text()
    assert said.startswith("counter shard 4 · owner node-2 (10.0.1.2:25520), reachable · replicas node-3")


def test_moved_shards_and_replicas_can_be_told_on_the_map(front_end: Open, artifacts: Path) -> None:
    front = front_end(dark=True)
    front.show(shop({"counter": spread(60), "account": spread(30)}), health())
    moved = {shard: 1 if owner == 2 and shard % 2 else owner for shard, owner in spread(60).items()}
    front.show(shop({"counter": moved, "account": spread(30)}), health(down=(2,)))
    view = view_of(front)
    assert view.lane("node-1").locator(".ct-change").inner_text() == "+10"
    assert view.lane("node-2").locator(".ct-change").inner_text() == "−10 · node lost"
    view.root.get_by_label("replicas").check()
    front.settle()
    assert view.lane("node-3").locator(".ct-load").inner_text() == "30 shards + 20 replicas"
    front.page.screenshot(path=artifacts / "alone-dark.png")


def test_closing_a_view_lets_go_of_everything(front_end: Open) -> None:
    front = front_end()
    front.show(shop({"counter": spread(12)}), health())
    front.page.evaluate("window.close(); window.release()")
    assert front.page.evaluate("model.listeners.length") == 0
    assert front.page.evaluate("model.sent.at(-1).visible") is False


def test_a_marked_connection_is_marked_in_its_banner_also_when_one_looks_back(front_end: Open) -> None:
    front = front_end()
    front.show(shop({}), health(), colour="crimson", read_only=True)
    banner = front.page.locator(".ct-banner")
    edge = "getComputedStyle(document.querySelector('.ct-banner')).borderLeftColor"
    assert "Connected to shop (read-only) · 3 members" in banner.inner_text()
    assert front.page.evaluate(edge) == "rgb(220, 20, 60)"
    front.show(shop({}), health(down=(3,)))  # as a moment of the past comes: without marks
    assert "shop (read-only)" in banner.inner_text()
    assert front.page.evaluate(edge) == "rgb(220, 20, 60)"
