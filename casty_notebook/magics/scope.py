"""The names that a line sees where it stands: those of the function it is in, then of its module, then of the shell.

A magic's line is text to Python, so the compiler does not tie its names to the enclosing functions. What Python would have
found there and a look from outside cannot is refused by name: another variable of the same name is another entity.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FrameType
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Scope"]

_MACHINERY = ("IPython", "ipykernel", "traitlets", "decorator", "casty_notebook.magics")
"""Modules that may stand on the stack between the user's line and our method, as the standard library may (``map``, pools)."""


class Scope(Mapping[str, Any]):
    """Names as Python would find them at one place, read once.

    Examples
    --------
    >>> scope = Scope({"user": "bob"}, {"user": "alice", "n": 5})
    >>> scope["user"], scope["n"], "other" in scope
    ('bob', 5, False)
    """

    def __init__(self, *namespaces: Mapping[str, Any], code: CodeType | None = None) -> None:
        self._namespaces = namespaces
        self._code = code

    @classmethod
    def of_caller(cls, shell: InteractiveShell) -> Scope:
        """The scope of the line that the user wrote: of the first frame above us that is not of `_MACHINERY`."""
        namespaces: list[Mapping[str, Any]] = [shell.user_ns, shell.user_global_ns]
        frame = _users_frame()
        if frame is None or frame.f_locals is shell.user_ns:
            return cls(*namespaces)
        # From Python 3.13 on, `f_locals` shows a function's variables as they change. A copy stays as it is now.
        return cls(dict(frame.f_locals), frame.f_globals, *namespaces, code=_function(frame))

    def __getitem__(self, name: str) -> Any:
        for namespace in self._namespaces:
            if name in namespace:
                return namespace[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(name in namespace for namespace in self._namespaces)

    def __iter__(self) -> Iterator[str]:
        return iter({name: None for namespace in self._namespaces for name in namespace})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def as_globals(self) -> dict[str, Any]:
        """What an expression is evaluated in. Nothing is written to it."""
        first = self._namespaces[0]
        if self._code is None and isinstance(first, dict) and all(first is other for other in self._namespaces):
            return first
        return {name: self[name] for name in self}

    def check(self, name: str) -> None:
        """Refuse a name that Python would look up where we cannot.

        Raises
        ------
        UsageError
            If a variable of that name belongs to the function and has no value yet, or to one around it.
        """
        code = self._code
        if code is None or name in self._namespaces[0]:
            return
        if name in _variables(code):
            raise UsageError(f"{name} is a variable of {_called(code)} and has no value at this line. Give it one before.")
        if "<" not in code.co_qualname:
            return
        around = _around(code)
        if around is None and name in self:
            raise UsageError(
                f"{name}: the source of {_called(code)} is not at hand, so it cannot be seen whether a function around it "
                f"has a {name} of its own. Give it to {_called(code)} as an argument."
            )
        if owner := next((outer for outer in around or () if name in _variables(outer)), None):
            raise UsageError(
                f"{name} is a variable of {_called(owner)}, which a line inside {_called(code)} cannot see. "
                f"Give it to {_called(code)} as an argument, or write {name} = {name} as one of its defaults."
            )


def _users_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not _is_machinery(module):
            return frame
        if module == "IPython.core.interactiveshell" and frame.f_code.co_name == "run_code":
            return None
        frame = frame.f_back
    return None


def _is_machinery(module: str) -> bool:
    if module.partition(".")[0] in sys.stdlib_module_names:
        return True
    return any(module == name or module.startswith(f"{name}.") for name in _MACHINERY)


def _function(frame: FrameType) -> CodeType | None:
    """The code of a function's frame, or of a class within one; None for a module or a cell: their names are in their dicts."""
    code = frame.f_code
    return code if code.co_flags & inspect.CO_OPTIMIZED or "<locals>" in code.co_qualname else None


def _variables(code: CodeType) -> set[str]:
    """The variables of a function; of a module those that its comprehensions hide from it."""
    return {*code.co_varnames, *code.co_cellvars, *code.co_freevars}


def _called(code: CodeType) -> str:
    if code.co_name == "<module>":
        return "a comprehension around it"
    return f"{code.co_name}()" if code.co_name.isidentifier() else f"the {code.co_name.strip('<>')}"


# --- around a function -------------------------------------------------------------------------------------------


def _around(code: CodeType) -> list[CodeType] | None:
    """The code of the functions around a function, innermost first, its module last; None if its source is not at hand."""
    source = "".join(linecache.getlines(code.co_filename))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | (code.co_flags & __future__.annotations.compiler_flag)
    try:
        module = compile(source, code.co_filename, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _path(module, code)


def _path(outer: CodeType, code: CodeType) -> list[CodeType] | None:
    for inner in outer.co_consts:
        if not isinstance(inner, CodeType):
            continue
        if _is_same(inner, code):
            return [outer]
        if (found := _path(inner, code)) is not None:
            return [*found, outer]
    return None


def _is_same(one: CodeType, other: CodeType) -> bool:
    return one.co_qualname == other.co_qualname and list(one.co_positions()) == list(other.co_positions())
