"""Mailboxes over time, at one look a second unless a test says otherwise."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from casty_notebook.address import NodeAddress
from casty_notebook.topology.mailboxes import FOLLOWED, Mailboxes, Turn
from casty_notebook.topology.node_report import Activation, NodeReport

START = datetime(2026, 11, 27, 12, tzinfo=UTC)
HERE, THERE = NodeAddress("10.0.1.10", 25520), NodeAddress("10.0.1.11", 25520)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def says(address: NodeAddress, **depths: int) -> dict[NodeAddress, NodeReport]:
    rows = tuple(Activation("shop.actors:counter", key, START, depth) for key, depth in depths.items())
    return {address: NodeReport(address, "0.30.2", rows, 0, (), 0, 0, 0, 0, 0, 0)}


def followed(depths: Iterable[int], mailboxes: Mailboxes | None = None, *, apart: float = 1.0, start: float = 0.0) -> list[Turn]:
    """What turns up of one key, whose mailbox is so deep at one look after the other."""
    mailboxes = mailboxes or Mailboxes()
    return [turn for place, depth in enumerate(depths) for turn in mailboxes.note(at(start + apart * place), says(HERE, a=depth))]


def told(turns: Sequence[Turn]) -> list[tuple[str, bool]]:
    return [(turn.waiting.kind, turn.over) for turn in turns]


def test_a_mailbox_that_grows_is_told_once_with_its_figures_and_again_when_half_is_left() -> None:
    turns = followed([*range(0, 400, 10), *range(390, 0, -20)])
    assert told(turns) == [("grows", False), ("grows", True)]
    grew, fell = (turn.waiting for turn in turns)
    assert (grew.node, grew.actor, grew.key) == (HERE, "shop.actors:counter", "a")
    assert grew.first < grew.now
    assert grew.since < at(15)
    assert fell.most == 390
    assert fell.now <= 195


def test_one_that_grows_by_fits_and_starts_grows() -> None:
    chance = random.Random(7)
    assert told(followed([3 * place + chance.randrange(25) for place in range(60)])) == [("grows", False)]


def test_it_stays_a_problem_while_it_is_deep_though_it_grows_no_more() -> None:
    mailboxes = Mailboxes()
    followed([*range(0, 400, 10), *[395, 390] * 30], mailboxes)
    (still,) = mailboxes.waiting(at(100))
    assert (still.kind, still.now) == ("grows", 390)


def test_one_from_which_nothing_is_taken_stands_until_one_is() -> None:
    turns = followed([2, 5, *[5] * 40, 4, 4, 3])
    assert told(turns) == [("stands", False), ("stands", True)]
    assert (turns[0].waiting.first, turns[0].waiting.now) == (2, 5)
    assert turns[0].waiting.looks >= 30


def test_a_healthy_mailbox_is_never_told_of() -> None:
    chance = random.Random(42)
    busy = [chance.randrange(200) for _ in range(300)]
    batches = [max(0, 1_000 - 60 * (place % 40)) for place in range(300)]
    bursts = [200 - 20 * (place % 10) for place in range(300)]
    one_waits_at_each_look = [1] * 300
    steady = [5 + place % 2 for place in range(300)]
    late_batch = [*[5, 6] * 15, 1_000, *range(990, 0, -30)]
    slow_batch = [*[5, 6] * 15, *range(1_000, 0, -3)]
    for depths in (busy, batches, bursts, one_waits_at_each_look, steady, late_batch, slow_batch, [0] * 100):
        assert followed(depths) == [], depths[:40]


def test_looks_in_one_moment_are_one_look_and_few_looks_are_no_evidence() -> None:
    assert followed(range(0, 4_000, 10), apart=0.01) == []
    assert followed([*[5] * 5], apart=9.0) == []
    assert told(followed([*[5] * 400], apart=0.1)) == [("stands", False)]


def test_what_was_seen_before_a_pause_says_nothing_of_now() -> None:
    mailboxes = Mailboxes()
    followed([5] * 40, mailboxes)
    assert len(mailboxes.waiting(at(40))) == 1
    assert mailboxes.waiting(at(51)) == ()
    turns = followed([5] * 3, mailboxes, start=60)
    assert told(turns) == [("stands", True)]
    assert mailboxes.waiting(at(63)) == ()


def test_a_key_that_became_active_anew_has_another_mailbox() -> None:
    mailboxes = Mailboxes()
    for place in range(60):
        later = Activation("shop:counter", "a", at(20 * (place // 20)), 5)
        report = NodeReport(HERE, "0.30.2", (later,), 0, (), 0, 0, 0, 0, 0, 0)
        assert mailboxes.note(at(place), {HERE: report}) == []


def test_a_node_that_says_nothing_for_long_and_a_key_that_is_no_longer_named_are_over() -> None:
    mailboxes = Mailboxes()
    followed([5] * 40, mailboxes)
    assert told(mailboxes.note(at(40), says(HERE, b=1))) == [("stands", True)]
    followed([5] * 40, mailboxes, start=100)
    assert mailboxes.note(at(145), says(THERE, b=1)) == []
    assert told(mailboxes.note(at(151), says(THERE, b=1))) == [("stands", True)]


def test_of_a_node_only_the_deepest_are_followed_the_deepest_first() -> None:
    mailboxes = Mailboxes()
    depths = {f"key-{place}": place + 2 for place in range(3 * FOLLOWED)}
    for place in range(32):
        turns = mailboxes.note(at(place), says(HERE, **depths))
    waiting = mailboxes.waiting(at(31))
    assert len(waiting) == FOLLOWED
    assert [each.now for each in waiting] == sorted(depths.values(), reverse=True)[:FOLLOWED]
    assert [turn.waiting.now for turn in turns] in ([], [each.now for each in waiting])
