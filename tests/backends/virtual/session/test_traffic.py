"""Our own asks are counted by the session: what was answered in the lane of its node, what failed by its cause."""

from __future__ import annotations

from casty_notebook.backends.virtual.codec.protocol import Outcome
from casty_notebook.backends.virtual.session.events import Close, Replied
from tests.backends.virtual.session.test_session import key_of, ready
from tests.backends.virtual.session.world import World


def counted(world: World) -> set[tuple[str, str | None, int]]:
    rows = world.session.traffic_history(world.now).rows(every=1e6)
    return {(str(row.node), row.cause, row.count) for row in rows}


def test_answers_and_failures_are_counted_at_their_nodes() -> None:
    world = ready()
    key, lost = key_of(world, 1), key_of(world, 2)
    for number in (1, 2):
        world.ask(number, key)
    world.settle()
    world.ask(3, key)
    world.feed(Replied([Outcome(3, "Failed", b"", "ValueError", "no")]))
    world.kill(world.node(2))
    world.ask(4, lost, timeout=2.0)
    world.pass_time(20.0)
    assert counted(world) == {
        ("10.0.1.1:25520", None, 2), ("10.0.1.1:25520", "ActorFailed", 1), ("10.0.1.2:25520", "AskTimeout", 1),
    }  # fmt: skip


def test_what_a_listener_ends_with_and_what_leaving_ends_is_no_failed_ask() -> None:
    world = ready()
    world.ask(1, "a", listens=True)
    world.feed(Replied([Outcome(1, "Failed", b"", "ValueError", "no")]))
    world.ask(2, "a", listens=True)
    world.ask(3, "b")
    world.feed(Close())
    assert counted(world) == set()
