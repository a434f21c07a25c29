"""One palette, one rule for a node's health, one set of words for events: in whatever draws them."""

from __future__ import annotations

import re

import pytest

from casty_notebook.topology.events import Change
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.snapshot import Member, MemberStatus
from casty_notebook.views.event_words import EVENT_WORDS
from casty_notebook.views.live.deltas import full
from casty_notebook.views.live.scene import SceneBuilder
from casty_notebook.views.live.static_files import module, style
from casty_notebook.views.live.svg_map import map_html
from casty_notebook.views.plots import figures
from casty_notebook.views.theme import BAD, COLOURS, health_of, looks_of
from tests.support.topologies import member, node, owned_by, topology
from tests.views.scenery import moment

LIVE = NodeHealth(LinkState.live, 0.001)


def test_vermilion_is_for_what_is_wrong_and_for_no_type() -> None:
    assert BAD not in COLOURS
    assert vars(figures)["COLOURS"] is COLOURS
    assert BAD in style()
    assert not re.search("#[0-9a-f]{6}", module()), "the front end has a palette of its own"


def test_map_and_svg_give_types_the_same_letters_and_colours() -> None:
    at = moment(topology([member(1)], shards={name: {0: owned_by(1)} for name in ("counter", "cart", "cab")}))
    scene = SceneBuilder().build(at)
    looks = full(scene, 1, []).head["looks"]
    assert [(name, letter) for name, letter, _ in looks] == [("cab", "C"), ("cart", "A"), ("counter", "O")]
    drawn = map_html(at)
    for name, letter, colour in looks:
        assert f"{letter} {name} (1 shard)" in drawn
        assert colour in drawn


@pytest.mark.parametrize(("reach", "flagged", "status"), [
    (reach, flagged, status) for reach in (True, False, None) for flagged in (True, False) for status in MemberStatus
])  # fmt: skip
def test_map_and_svg_judge_a_node_alike(reach: bool | None, flagged: bool, status: MemberStatus) -> None:
    state = {True: LinkState.live, False: LinkState.down, None: LinkState.connecting}[reach]
    at = moment(topology([member(1, status)], unreachable=[1] if flagged else []), {node(1): NodeHealth(state)})
    (lane,) = SceneBuilder().build(at).nodes
    assert lane is not None
    health = health_of(member(1, status), reach=reach, flagged=flagged)
    assert (lane.health, lane.words) == health
    assert f"{health.mark} node-1" in map_html(at)
    if reach is False or flagged:
        assert health.tone == "bad"


def test_members_that_differ_are_neither_well_nor_lost() -> None:
    said = ((node(1), MemberStatus.alive), (node(2), MemberStatus.suspect))
    disputed = Member(node(3), MemberStatus.alive, frozenset(), "node-3", opinions=said)
    assert health_of(disputed, reach=True, flagged=False) == ("open", "reachable, but members differ: 1 alive, 1 suspect")


def test_every_kind_of_event_has_words_of_its_own() -> None:
    assert set(EVENT_WORDS) == set(Change)
    assert len({words.words for words in EVENT_WORDS.values()}) == len(Change)
    assert EVENT_WORDS[Change.reachable_again].by == "cluster"
    assert EVENT_WORDS[Change.reached_again].by == "here"


def test_letters_are_all_different_while_there_are_any() -> None:
    looks = looks_of([f"cart{number}" for number in range(36)])
    assert len({look.letter for look in looks}) == 36
