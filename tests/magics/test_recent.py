"""The memory of entities that were asked lately."""

from __future__ import annotations

from casty_notebook.magics.recent import RecentEntities


def test_the_newest_comes_first_and_the_oldest_is_forgotten() -> None:
    recent = RecentEntities(kept=2)
    for target in ("c/1", "c/2", "c/1", "c/3"):
        recent.note("prod", target)
    assert recent.targets("prod") == ("c/3", "c/1")


def test_only_entities_are_remembered() -> None:
    recent = RecentEntities()
    for target in ("payment", "casty://s@h:1/p", "counter/"):
        recent.note("prod", target)
    assert recent.targets("prod") == ()
