"""No file of the package needs another that needs it, whether at the top, in a function or for the type checker only."""

from __future__ import annotations

from tests.house.source import PACKAGE, files, imports


def module_of(name: str) -> str:
    """``casty_notebook.values`` is the module ``casty_notebook.values.__init__``."""
    return f"{name}.__init__" if (PACKAGE.parent / name.replace(".", "/")).is_dir() else name


def graph() -> dict[str, set[str]]:
    needed: dict[str, set[str]] = {}
    for file in files():
        name = ".".join(("casty_notebook", *file.relative_to(PACKAGE).with_suffix("").parts))
        needed[name] = {module_of(found.module) for found in imports(file) if found.module.startswith("casty_notebook.")}
    return needed


def circles(needed: dict[str, set[str]]) -> list[frozenset[str]]:
    """Groups of modules that reach each other."""
    reached = {name: set(direct) for name, direct in needed.items()}
    changed = True
    while changed:
        changed = False
        for name, known in reached.items():
            more = set().union(*(reached.get(each, set()) for each in known)) - known
            if more:
                reached[name] = known | more
                changed = True
    in_one = [name for name in reached if name in reached[name]]
    found = {frozenset(other for other in in_one if name in reached[other] and other in reached[name]) for name in in_one}
    return sorted(found, key=sorted)


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [frozenset({"b", "c"})]


def test_there_is_no_circle_of_imports() -> None:
    assert [sorted(circle) for circle in circles(graph())] == []
