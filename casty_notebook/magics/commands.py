"""The commands: one frozen value for each line that can be typed, and the way from the line to the value.

Pure: nothing here knows a shell, a cluster or the user's namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.magics import grammars
from casty_notebook.magics.grammar import Grammar, parse
from casty_notebook.magics.targets import TargetPattern

__all__ = [
    "CELL_COMMANDS",
    "LINE_COMMANDS",
    "Activations",
    "Ask",
    "Command",
    "Connect",
    "Disconnect",
    "Doctor",
    "Events",
    "FanOut",
    "Given",
    "Listen",
    "Members",
    "Problems",
    "Report",
    "Services",
    "Shards",
    "Tell",
    "Topology",
    "Watch",
    "Where",
    "parse_cell",
    "parse_line",
]


type Given = str | tuple[tuple[str, str], ...]
"""The name of a variable (or a bastion), or the fields of what could be in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command can carry; None means not given."""

    connection: str | None = None
    timeout: float | None = None
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Command):
    """``%casty_connect``: attach to a cluster, make a connection current, or list the connections."""

    uri: TargetPattern | None = None
    name: str | None = None
    shards: tuple[tuple[str, int], ...] = ()
    address_map: tuple[tuple[NodeAddress, NodeAddress], ...] = ()
    demo: bool = False
    serializer: str | None = None
    compression: str | None = None
    tls: Given | None = None
    ssh: Given | None = None
    messages: tuple[str, ...] = ()
    read_only: bool = False
    send_main: bool = False
    questions: tuple[str, ...] = ()
    colour: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor(Command):
    """``%casty_doctor``: examine an address or a connection."""

    uri: TargetPattern | None = None
    shards: tuple[tuple[str, int], ...] = ()
    address_map: tuple[tuple[NodeAddress, NodeAddress], ...] = ()
    serializer: str | None = None
    compression: str | None = None
    tls: Given | None = None
    ssh: Given | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Command):
    """``%casty_ask``: one request, one reply; with `everyone`, one from each instance of a service; with `count`, many."""

    target: TargetPattern
    expression: str
    everyone: bool = False
    retry: bool = False
    fail_fast: bool = False
    force: bool = False
    reply_field: str | None = None
    count: int | None = None
    every: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut(Command):
    """``%%casty_ask``: the message in the cell's body to many targets."""

    targets: tuple[TargetPattern, ...]
    output: str | None = None
    concurrency: int | None = None
    fields: bool = False
    fail_fast: bool = False
    reply_field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell(Command):
    """``%casty_tell``: one message, no reply; with `everyone`, to each instance of a service."""

    target: TargetPattern
    expression: str
    everyone: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen(Command):
    """``%casty_listen``: one message, and whatever comes to its reply address."""

    target: TargetPattern
    expression: str
    count: int | None = None
    seconds: float | None = None
    fields: bool = False
    retry: bool = False
    reply_field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Command):
    """``%casty_watch``: one message to one or many targets, again and again."""

    targets: tuple[TargetPattern, ...]
    expression: str
    every: float | None = None
    field: str | None = None
    seconds: float | None = None
    everyone: bool = False
    notify: bool = False
    fail_fast: bool = False
    force: bool = False
    reply_field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Members(Command):
    """``%casty_members``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards(Command):
    """``%casty_shards``: of every type, or of one."""

    shard_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services(Command):
    """``%casty_services``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events(Command):
    """``%casty_events``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations(Command):
    """``%casty_activations``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems(Command):
    """``%casty_problems``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Command):
    """``%casty_report``: an incident as one file."""

    path: str | None = None
    before: str | float | None = None
    note: str | None = None
    without_recording: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Where(Command):
    """``%casty_where``: who owns a target."""

    target: TargetPattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology(Command):
    """``%casty_topology``: the live view."""

    notify: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect(Command):
    """``%casty_disconnect``: close one connection, or every one."""

    name: str | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class _Syntax:
    grammar: Grammar
    command: Callable[..., Command]


_LINES = {
    syntax.grammar.name.strip("%"): syntax
    for syntax in (
        _Syntax(grammars.CONNECT, Connect),
        _Syntax(grammars.ASK, Ask),
        _Syntax(grammars.TELL, Tell),
        _Syntax(grammars.LISTEN, Listen),
        _Syntax(grammars.WATCH, Watch),
        _Syntax(grammars.MEMBERS, Members),
        _Syntax(grammars.SHARDS, Shards),
        _Syntax(grammars.SERVICES, Services),
        _Syntax(grammars.EVENTS, Events),
        _Syntax(grammars.ACTIVATIONS, Activations),
        _Syntax(grammars.PROBLEMS, Problems),
        _Syntax(grammars.REPORT, Report),
        _Syntax(grammars.WHERE, Where),
        _Syntax(grammars.TOPOLOGY, Topology),
        _Syntax(grammars.DISCONNECT, Disconnect),
        _Syntax(grammars.DOCTOR, Doctor),
    )
}
_CELLS = {"casty_ask": _Syntax(grammars.FAN_OUT, FanOut)}

LINE_COMMANDS: dict[str, Grammar] = {name: syntax.grammar for name, syntax in _LINES.items()}
"""Grammar of each ``%name``."""
CELL_COMMANDS: dict[str, Grammar] = {name: syntax.grammar for name, syntax in _CELLS.items()}
"""Grammar of each ``%%name``."""


def parse_line(name: str, line: str) -> Command:
    """Read the line of ``%name``.

    Raises
    ------
    UsageError
        One line that says what to write instead.

    Examples
    --------
    >>> parse_line("casty_ask", 'counter/user-42 Get( "a  b" )').expression
    'Get( "a  b" )'
    """
    return _command(_LINES[name], line)


def parse_cell(name: str, line: str) -> Command:
    """Read the first line of ``%%name``. Raises `UsageError` like `parse_line`."""
    return _command(_CELLS[name], line)


def _command(syntax: _Syntax, line: str) -> Command:
    values: dict[str, Any] = parse(syntax.grammar, line)
    for field in values.keys() & {"target", "uri"}:
        values[field] = TargetPattern.of(values[field])
    if "targets" in values:
        values["targets"] = tuple(map(TargetPattern.of, values["targets"]))
    return syntax.command(**values)
