"""Small faults that can be put into a file: which there are, and the file's text with one of them in it."""

from __future__ import annotations

import ast
import copy
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["ByHand", "Fault", "Mutant", "by_hand", "explanations", "mutants"]

HERE = Path(__file__).parent

SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip

LIFTED = 1000
"""A figure that has a name is a bound or a measure, and one more or less of it is as good: it is multiplied."""

FOR_PEOPLE = {"validate", "__repr__", "TYPE_CHECKING"}
"""What only tests, debuggers and type checkers read."""


class Fault(Protocol):
    """Something wrong in a file below the root of a checkout."""

    @property
    def place(self) -> str: ...
    def __str__(self) -> str: ...
    def text(self, root: Path) -> str:
        """Return the file's text with the fault in it."""
        ...


@dataclass(frozen=True)
class Mutant:
    """The node with that number in its file's walk, and what is done to it."""

    place: str
    number: int
    line: int
    what: str
    code: str
    """The line as it is, by which an explanation finds it wherever it has moved to."""

    @property
    def name(self) -> tuple[str, str, str]:
        """What is left of it where the file changes elsewhere."""
        return self.place, self.code, self.what

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.what}: {self.code}"

    def text(self, root: Path) -> str:
        tree = ast.parse((root / self.place).read_text("utf-8"))
        chosen = next(node for number, node in enumerate(ast.walk(tree)) if number == self.number)
        named = id(chosen) in _named(tree)

        class Breaking(ast.NodeTransformer):
            def visit(self, node: ast.AST) -> ast.AST:
                return _broken(node, named=named) if node is chosen else self.generic_visit(node)

        return ast.unparse(ast.fix_missing_locations(Breaking().visit(tree)))


@dataclass(frozen=True)
class ByHand:
    """A fault that somebody thought of: a text in the place of another."""

    place: str
    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"

    def text(self, root: Path) -> str:
        text = (root / self.place).read_text("utf-8")
        if text.count(self.before) != 1:
            raise ValueError(f"{self}: {self.before!r} is there {text.count(self.before)} times, not once; mend by_hand.toml")
        return text.replace(self.before, self.after)


def by_hand() -> list[ByHand]:
    """Those of ``by_hand.toml``."""
    return [ByHand(**entry) for entry in tomllib.loads((HERE / "by_hand.toml").read_text("utf-8"))["fault"]]


def explanations() -> dict[tuple[str, str, str], str]:
    """Why a mutant is no fault, by file, line of code and what is done to it: those of ``equivalent.toml``."""
    entries = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8"))["mutant"]
    return {(entry["place"], entry["code"], entry["what"]): entry["reason"] for entry in entries}


def mutants(root: Path, place: str) -> Iterator[Mutant]:
    """Every fault that can be put into a file."""
    text = (root / place).read_text("utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    left_out = {id(node) for part in _for_people(tree) for node in ast.walk(part)}
    named = _named(tree)
    for number, node in enumerate(ast.walk(tree)):
        if id(node) not in left_out and (what := _fault_of(node, named=id(node) in named)):
            line: int = node.lineno  # type: ignore[attr-defined]
            yield Mutant(place, number, line, what, lines[line - 1].strip())


def _for_people(tree: ast.Module) -> Iterable[ast.AST]:
    for node in ast.walk(tree):
        name = node.name if isinstance(node, ast.FunctionDef) else node.test if isinstance(node, ast.If) else None
        if (name.id if isinstance(name, ast.Name) else name) in FOR_PEOPLE:
            yield node


def _named(tree: ast.Module) -> set[int]:
    """The nodes that are part of a constant of the module."""
    return {id(node) for each in tree.body if isinstance(each, ast.Assign) for node in ast.walk(each.value)}


def _fault_of(node: ast.AST, *, named: bool) -> str:
    """Name the fault that fits a node; none if nothing does."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in SWAPPED:
            return f"{type(operator).__name__} -> {SWAPPED[type(operator)].__name__}"
        case ast.Expr(value=ast.Call()):
            return "call dropped"
        case ast.If() | ast.While() | ast.IfExp():
            return "condition negated"
        case ast.Constant(value=bool(value)):
            return f"{value} -> {not value}"
        case ast.Constant(value=int(value) | float(value)) if named and value * LIFTED != value:
            return f"{value} -> {value * LIFTED}"
        case ast.Constant(value=int(value)):
            return f"{value} -> {value + 1}"
        case ast.BoolOp(op=ast.And()):
            return "and -> or"
        case ast.BoolOp(op=ast.Or()):
            return "or -> and"
        case _:
            return ""


def _broken(node: ast.AST, *, named: bool) -> ast.AST:
    """Return the node with its fault."""
    node = copy.deepcopy(node)
    match node:
        case ast.Compare(ops=[operator]):
            node.ops = [SWAPPED[type(operator)]()]
        case ast.Expr():
            return ast.Pass()
        case ast.If() | ast.While() | ast.IfExp():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value) | float(value)):
            node.value = value * LIFTED if named and value else value + 1
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return node
