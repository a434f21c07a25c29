"""Our own asks are counted by the session: what was answered in the lane of its node, what failed by its cause."""

from __future__ import annotations

from tests.backends.sharded.session.test_session import all_on, ready
from tests.backends.sharded.session.world import World, node


def counted(world: World) -> set[tuple[str, str, str | None, int]]:
    rows = world.session.traffic_history(world.now).rows(every=1e6)
    return {(str(row.node), row.kind, row.cause, row.count) for row in rows}


def test_answers_and_failures_are_counted_at_their_nodes_by_the_types_own_name() -> None:
    world = ready(shards=all_on(2))
    for entity in "ab":
        world.ask(f"counter/{entity}")
    world.run(1.0)
    world.freeze(node(2))
    world.ask("counter/c", timeout=1.0)
    world.run(12.0)
    assert counted(world) == {("10.0.1.2:25520", "counter", None, 2), ("10.0.1.2:25520", "counter", "AskTimeout", 1)}


def test_what_a_listener_ends_with_is_no_failed_ask() -> None:
    world = ready(shards=all_on(2))
    world.listen("counter/a", timeout=1.0)
    world.run(0.5)
    world.kill(node(2))
    world.run(5.0)
    assert counted(world) == set()
