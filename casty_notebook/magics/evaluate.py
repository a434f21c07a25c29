"""What the user typed as a message → the message, evaluated in the user's namespace.

The expression becomes the body of a function of ``reply_to``, so comprehensions and nested lambdas see it, nothing is
written into the user's namespace, and the same code can run once for each target. Classes that are not here are built
by their dotted name.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import inspect
import re
import symtable
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from IPython.core.error import UsageError

from casty_notebook.magics.lines import end_of_code
from casty_notebook.magics.scope import Scope
from casty_notebook.magics.suggest import closest, did_you_mean

__all__ = ["StandIns", "evaluate", "evaluate_message"]

StandIns = Callable[[str], Any]
"""From a module's dotted name to something with that module's classes as attributes: `Cluster.module`."""

_FILE = "<casty message>"
_REPLY_TO = "reply_to"
_CALL = "_casty_call"
_STAND_IN = "_casty_stand_in_{}"


def evaluate(source: str, namespace: Mapping[str, Any]) -> Any:
    """Return the value of a plain expression, as in the braces of a target.

    Raises
    ------
    UsageError
        If it is no expression, names something that does not exist, or raises.
    """
    tree = _parse(source)
    with _compiling(source):
        _check_names(source, tree, namespace)
        function = _function(tree, namespace, {})
    return _run(function, source, None)


def evaluate_message(
    source: str, namespace: Mapping[str, Any], stand_ins: StandIns, *, reply_field: str | None = _REPLY_TO
) -> Any:
    """Return the message that `source` describes, or a callable that takes the reply ref where it needs one.

    Parameters
    ----------
    source
        A Python expression; a final ``;`` is ignored.
    namespace
        The user's names, as a dict or the `Scope` of a line. Read only.
    stand_ins
        Gives modules whose classes are not here.
    reply_field
        The parameter that the outermost call may leave out, because the reply ref goes there; None for a tell.

    Raises
    ------
    UsageError
        If it is no expression, names something that does not exist, or raises in itself. What the user's own code
        raises deeper passes.

    Examples
    --------
    >>> evaluate_message("dict(to=reply_to)", {}, stand_ins=None)("me")
    {'to': 'me'}
    """
    tree = _parse(source)
    with _compiling(source):
        found = _StandInNames(namespace, stand_ins)
        body = found.visit(tree)
        _check_names(source, body, namespace, bound=found.bound)
        late = _uses_reply_to(body)
        if late and reply_field is None:
            raise UsageError("reply_to has no meaning in a tell: nothing comes back. Use %casty_ask.")
        if not late and reply_field is not None and isinstance(body, ast.Call):
            body = ast.Call(ast.Name(_CALL, ast.Load()), [body.func, *body.args], body.keywords)
            found.bound[_CALL] = functools.partial(_call, reply_field)
        function = _function(body, namespace, found.bound)
    if late:
        return lambda reply_to: _run(function, source, reply_to)
    return _run(function, source, None)


@contextlib.contextmanager
def _compiling(source: str) -> Iterator[None]:
    """Report what the compiler finds after the parser was content (``await``, nesting too deep) in one line."""
    try:
        yield
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{_shown(source)} cannot be evaluated: {_first_line(error)}") from None


def _parse(source: str) -> ast.expr:
    text = source[: end_of_code(source)].rstrip(";").strip()
    if not text:
        raise UsageError("the message is missing. Write its class, or a call like GetCount().")
    try:
        # In parentheses an expression may run over several lines of a cell; the line break lets it end in a comment.
        tree = ast.parse(f"({text}\n)", _FILE, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        problem = f"{_shown(text)} is not a Python expression: {reason.rstrip('.?')}."
        raise UsageError(f"{problem}{_flag_hint(text)}") from None
    if any(isinstance(node, ast.Yield | ast.YieldFrom | ast.Await) for node in ast.walk(tree)):
        raise UsageError(f"{_shown(text)}: await and yield have no place in a message: compute the value before.")
    return tree.body


def _function(body: ast.expr, namespace: Mapping[str, Any], bound: Mapping[str, Any]) -> Callable[[Any], Any]:
    parameters = [ast.arg(name) for name in (_REPLY_TO, *bound)]
    arguments = ast.arguments([], parameters, None, [], [], None, [])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    names = namespace.as_globals() if isinstance(namespace, Scope) else dict(namespace)
    function = eval(compile(tree, _FILE, "eval"), names)  # noqa: S307  the user's own line, typed in the user's own shell
    return functools.partial(_swapped, function, tuple(bound.values()))


def _swapped(function: Callable[..., Any], bound: tuple[Any, ...], reply_to: Any) -> Any:
    return function(reply_to, *bound)


def _run(function: Callable[[Any], Any], source: str, reply_to: Any) -> Any:
    try:
        return function(reply_to)
    except Exception as error:
        if _raised_here(error):
            problem = f"{_shown(source)}: {type(error).__name__}: {_first_line(error)}"
            raise UsageError(f"{problem}{_flag_hint(source)}") from error
        raise


def _raised_here(error: BaseException) -> bool:
    """Whether the expression itself raised (a wrong call, a missing attribute), not the user's code that it called."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_filename in (_FILE, __file__)


def _uses_reply_to(tree: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == _REPLY_TO for node in ast.walk(tree))


# --- names -------------------------------------------------------------------------------------------------------


def _check_names(source: str, tree: ast.expr, namespace: Mapping[str, Any], bound: Iterable[str] = ()) -> None:
    """Refuse names that do not exist, before anything runs."""
    for name in _free_names(tree, [_REPLY_TO, *bound]):
        if isinstance(namespace, Scope):
            namespace.check(name)
        if _is_defined(name, namespace):
            continue
        # A message is seldom meant by the name of a function of Python's.
        python = [other for other in vars(builtins) if other[:1].isupper() or not name[:1].isupper()]
        names = [other for other in (*namespace, *python) if not other.startswith("_")]
        guess = closest(name, names)
        dotted = next((path for path in _dotted_paths(tree) if path.startswith(f"{name}.")), None)
        hint = f" Did you mean {guess}?" if guess else ""
        if not guess and name[:1].isupper():
            hint = f" Import it, or write it in full, like bank.messages.{name}: then the class is not needed here."
        if dotted and not guess:
            hint = f" Import {name}. Only a dotted name with a capital, like bank.messages.GetBalance, is sent by name."
        where = "" if source.strip() == name else f"{_shown(source)}: "
        raise UsageError(f"{where}{name} is not defined here.{_flag_hint(source, name) or hint}")


def _free_names(tree: ast.expr, bound: list[str]) -> Iterator[str]:
    """Names that the expression reads and does not bind itself, as the compiler sees it."""
    tables = [symtable.symtable(f"lambda {', '.join(bound)}: (\n{ast.unparse(tree)}\n)", _FILE, "eval")]
    while tables:
        table = tables.pop()
        yield from (
            symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()
        )
        tables.extend(table.get_children())


def _is_defined(name: str, namespace: Mapping[str, Any]) -> bool:
    return name in namespace or hasattr(builtins, name)


def _dotted(node: ast.expr) -> list[str]:
    """``a.b.C`` as its parts; empty if the node is anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) and parts else []


def _dotted_paths(tree: ast.expr) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and (parts := _dotted(node)):
            yield ".".join(parts)


# --- classes that are not here -----------------------------------------------------------------------------------


def _class_index(parts: list[str]) -> int:
    """Where in a dotted name the class begins: at the first part with a capital (but not the very first); 0 if there is none.

    A name without a capital is not taken for a class: a mistyped ``usr.balance()`` must not reach the cluster as a message.
    """
    return next((index for index, part in enumerate(parts) if index and part.lstrip("_")[:1].isupper()), 0)


class _StandInNames(ast.NodeTransformer):
    """Replaces ``a.b.C``, where ``a`` is not defined here, by a value bound under a private name."""

    def __init__(self, namespace: Mapping[str, Any], stand_ins: StandIns) -> None:
        self.namespace = namespace
        self.stand_ins = stand_ins
        self.bound: dict[str, Any] = {}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        parts = _dotted(node)
        if not parts or parts[0] == _REPLY_TO or not _class_index(parts) or _is_defined(parts[0], self.namespace):
            return self.generic_visit(node)
        if isinstance(self.namespace, Scope):
            self.namespace.check(parts[0])
        name = _STAND_IN.format(len(self.bound))
        self.bound[name] = self._resolve(parts)
        return ast.Name(name, ast.Load())

    def _resolve(self, parts: list[str]) -> Any:
        index = _class_index(parts)
        module = ".".join(parts[:index])
        # An import could run anything and take any time, and would happen because of a typing mistake; the node sees
        # the same dotted name either way. A module that is already here costs nothing and checks the fields.
        value = sys.modules.get(module)
        if value is None:
            self._refuse_if_mistaken(module, parts)
            value = self.stand_ins(module)
        for name in parts[index:]:
            if not hasattr(value, name):
                raise UsageError(f"{module} is loaded here and has no {name}.{did_you_mean(name, dir(value))}")
            value = getattr(value, name)
        return value

    def _refuse_if_mistaken(self, module: str, parts: list[str]) -> None:
        if parts[0] in sys.stdlib_module_names:
            raise UsageError(f"{parts[0]} is not imported here. Run: import {module}")
        guess = closest(parts[0], self.namespace)
        if guess is not None and hasattr(self.namespace[guess], parts[1]):
            raise UsageError(f"{parts[0]} is not defined here. Did you mean {'.'.join([guess, *parts[1:]])}?")


# --- calls that lack the reply address ---------------------------------------------------------------------------


def _call(reply_field: str, factory: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call `factory`; if only its reply field is missing, return a function of the reply ref instead."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return factory(*args, **kwargs)
    parameter = signature.parameters.get(reply_field)
    if parameter is None or parameter.default is not parameter.empty or _binds(signature, args, kwargs):
        return factory(*args, **kwargs)
    if not _binds(signature, args, {**kwargs, reply_field: None}):
        return factory(*args, **kwargs)
    return lambda reply_to: factory(*args, **kwargs, **{reply_field: reply_to})


def _binds(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "no message").splitlines()[0]


def _flag_hint(source: str, name: str = r"[A-Za-z][\w-]*") -> str:
    """``GetCount -t -1`` is a subtraction to Python. Name what looks like a flag, if there is one (called `name`)."""
    found = re.search(rf"\s(--?{name})(?=[\s=]|$)", source.rstrip(" ;"))
    return f" If {found[1]} is meant as a flag, write it before the expression." if found else ""


def _shown(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= 80 else text[:79] + "…"
