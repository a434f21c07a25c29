"""What the nodes are at in the live view: bounded, in few bytes, printable, and the same by differences as in full."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.topology.kinds import SHARDED, VIRTUAL
from casty_notebook.topology.node_report import NodeReport, TypeLoad
from casty_notebook.topology.snapshot import Member, MemberStatus, TopologySnapshot
from casty_notebook.views.live.activity_scene import MOST_TYPES
from casty_notebook.views.live.deltas import delta, full
from casty_notebook.views.live.scene import Scene, SceneBuilder
from casty_notebook.views.live.svg_map import topology_svg
from casty_notebook.views.theme import Look
from tests.views.scenery import moment

MOST_DEPTH = 2**53


def node(number: int) -> NodeAddress:
    return NodeAddress(f"10.0.{number // 250}.{number % 250 + 1}", 25520)


def cluster(nodes: int) -> TopologySnapshot:
    members = [Member(node(number), MemberStatus.alive, frozenset(), f"node-{number}") for number in range(nodes)]
    return TopologySnapshot(frozenset(members), None, {}, 0, kind=VIRTUAL)


def says(*loads: TypeLoad) -> NodeReport:
    return NodeReport(node(0), "0.30.2", (), 0, loads, 0, 0, 0, 0, 0, 0)


def scene(
    reports: Mapping[NodeAddress, NodeReport], nodes: int = 3, builder: SceneBuilder | None = None, hint: str = ""
) -> Scene:
    return (builder or SceneBuilder()).build(moment(cluster(nodes), reports=reports, activity_hint=hint))


def read(known: Any, head: dict[str, Any]) -> Any:
    """What a page knows after a packet: by node and type's place, three counts."""
    told = json.loads(json.dumps(head.get("activity")))
    if told is None:
        return known
    if "rows" in told:
        known = {number: {} for number, _ in told["rows"]}
    changed: Iterable[Any] = told.get("rows", told.get("changed"))
    for number, counts in changed:
        if counts is None:
            known = {other: rows for other, rows in known.items() if other != number}
            continue
        rows = known.get(number, {}) | {counts[at]: tuple(counts[at + 1 : at + 4]) for at in range(0, len(counts), 4)}
        known = {**known, number: {place: row for place, row in rows.items() if row[:2] != (0, 0)}}
    return known


def shown(of: Scene) -> Any:
    return {number: {row[0]: row[1:] for row in rows} for number, rows in of.activity.rows.items()}


LOADS = st.builds(
    TypeLoad, st.sampled_from([f"m.n:{name}" for name in "abc"] + ["other:a", "x"]), st.integers(0, 50), st.integers(0, 9),
    st.integers(0, 9),
)  # fmt: skip
REPORTS = st.dictionaries(st.integers(0, 3).map(node), st.lists(LOADS, max_size=4).map(lambda loads: says(*loads)), max_size=4)


@settings(deadline=None)
@given(st.lists(REPORTS, min_size=1, max_size=6))
def test_after_any_changes_a_page_knows_what_the_scene_shows(moments: list[dict[NodeAddress, NodeReport]]) -> None:
    builder = SceneBuilder()
    before = scene({}, builder=builder)
    known = read({}, full(before, 1, ()).head)
    for reports in moments:
        after = scene(reports, builder=builder)
        packet = delta(before, after, 2, ())
        known = read(known, packet.head) if packet is not None else known
        assert known == shown(after)
        assert read({}, full(after, 1, ()).head) == shown(after)
        before = after


def test_fifty_nodes_with_ten_types_cost_six_kilobytes_where_all_has_changed_and_a_half_where_a_tenth_has() -> None:
    chance = random.Random(1)
    actors = [f"shop.actors:type-{place}" for place in range(10)]

    def told(of: Mapping[tuple[int, str], int]) -> dict[NodeAddress, NodeReport]:
        return {node(n): says(*(TypeLoad(actor, of[n, actor], 3, 2) for actor in actors)) for n in range(50)}

    counts = {(n, actor): chance.randrange(1, 2_000) for n in range(50) for actor in actors}
    builder = SceneBuilder()
    before = scene(told(counts), 50, builder)

    def size(changed: dict[tuple[int, str], int]) -> int:
        packet = delta(before, scene(told(counts | changed), 50, builder), 2, ())
        return packet.size if packet is not None else 0

    assert size({}) == 0
    assert 4_000 < size({key: count + 1 for key, count in counts.items()}) < 8_000
    assert size({key: counts[key] + 1 for key in chance.sample(sorted(counts), 50)}) < 1_300


def test_ten_thousand_types_of_a_hostile_node_are_a_dozen_and_the_others() -> None:
    report = says(*(TypeLoad(f"m:type-{place}", MOST_DEPTH, MOST_DEPTH, MOST_DEPTH) for place in range(10_000)))
    made = scene({node(0): report})
    assert len(made.activity.looks) == MOST_TYPES + 1
    assert made.activity.looks[-1].name == "other types"
    assert sum(active for _, active, _, _ in made.activity.rows[0]) == 10_000 * MOST_DEPTH
    assert full(made, 1, ()).size < 8_000
    assert len(str(topology_svg(made))) < 20_000


def test_a_type_keeps_its_look_while_others_come_and_go_and_there_is_room() -> None:
    builder = SceneBuilder()

    def looks(*names: str) -> list[Look]:
        reports = {node(0): says(*(TypeLoad(name, 1, 0, 0) for name in names))}
        return list(scene(reports, builder=builder).activity.looks)

    first = looks("m:order", "m:cart")
    assert [name for name, *_ in first] == ["cart", "order"]
    assert looks("m:order")[:2] == first
    assert looks("m:account", "m:order")[:2] == first
    many = looks(*(f"m:type-{place}" for place in range(MOST_TYPES)))
    assert [name for name, *_ in many] == [f"type-{place}" for place in range(MOST_TYPES)]


def test_names_of_types_are_printable_short_and_told_apart() -> None:
    names = ["m:\x1b[31mred\n", "m:" + "x" * 9_000, "a:cart", "b:cart", "<script>", "m:\u202eevil"]
    made = scene({node(0): says(*(TypeLoad(name, 1, 0, 0) for name in names))})
    told = [look.name for look in made.activity.looks]
    assert all(name.isprintable() and len(name) <= 230 for name in told)
    assert {"a:cart", "b:cart"} <= set(told), "two of a name are told apart by their modules"
    svg = str(topology_svg(made))
    assert "<script>" not in svg
    assert "\x1b" not in svg
    assert "\u202e" not in svg


def test_how_to_get_it_is_said_only_where_nothing_is_told() -> None:
    assert scene({}, hint="copy it").activity.hint == "copy it"
    assert scene({node(0): says(TypeLoad("m:a", 1, 0, 0))}, hint="copy it").activity.hint == ""


def test_a_node_without_a_lane_has_no_dots() -> None:
    assert set(scene({node(9): says(TypeLoad("m:a", 1, 0, 0))}).activity.rows) == set()


def test_the_picture_has_dots_counts_and_deep_mailboxes_in_words() -> None:
    loads = TypeLoad("shop:cart", 45, 352, 340), TypeLoad("shop:idle", 0, 0, 0), TypeLoad("shop:order", 3, 1, 1)
    svg = str(topology_svg(scene({node(0): says(*loads)})))
    assert "cart: 45 active keys, 352 messages waiting, 340 in the deepest mailbox" in svg
    assert "45 · 340 deep" in svg
    assert "3 · 1 waiting" in svg
    assert "idle" not in svg
    assert "dots: active keys of C cart, O order; 5 a dot" in svg
    assert "dots" not in str(topology_svg(scene({})))


def test_only_clusters_whose_nodes_can_tell_say_how() -> None:
    assert VIRTUAL.tells_activity
    assert not SHARDED.tells_activity
