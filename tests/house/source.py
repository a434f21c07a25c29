"""The package's source as the house's tests read it: parsed, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "casty_notebook"


@dataclass(frozen=True)
class Import:
    """One imported module, wherever the statement stands: at the top, in a function, under TYPE_CHECKING."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"

    @property
    def importer(self) -> str:
        """The room of the importing file; the file's own name if it stands at the top."""
        return room(self.file)


def files() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def room_of(module: str) -> str:
    """``casty_notebook.topology.events`` is in ``topology``, ``casty_notebook.errors`` in ``errors``; the top is ``roof``.

    A backend has rooms of its own: ``casty_notebook.backends.virtual.wire.frames`` is in ``virtual/wire``.
    """
    parts = module.split(".")
    if parts[1:2] == ["backends"] and len(parts) > 3 and parts[2] != "__init__":
        return "/".join(parts[2:4]) if parts[3] != "__init__" else parts[2]
    return parts[1] if len(parts) > 1 and parts[1] != "__init__" else "roof"


def room(file: Path) -> str:
    """The room that a file is in."""
    return room_of(".".join(("casty_notebook", *file.relative_to(PACKAGE).with_suffix("").parts)))


@cache
def imports(file: Path) -> tuple[Import, ...]:
    """All imports of a file, by absolute module name; read once for all tests that ask."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[Import]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write imports in full, so that their direction can be read"
            assert node.module is not None
            folder = ROOT.joinpath(*node.module.split("."))
            if node.module.split(".")[0] == "casty_notebook" and folder.is_dir():  # from casty_notebook import errors, connect
                for alias in node.names:
                    is_module = (folder / alias.name).is_dir() or (folder / f"{alias.name}.py").exists()
                    yield Import(file, node.lineno, f"{node.module}.{alias.name}" if is_module else node.module)
            else:
                yield Import(file, node.lineno, node.module)
