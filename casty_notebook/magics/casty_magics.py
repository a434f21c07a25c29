"""The magics: parse the line, call the function of the same name, return what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatchmethod
from types import ModuleType
from typing import Any, cast

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool, Float, Int

from casty_notebook.errors import CastyNotebookError
from casty_notebook.magics import api
from casty_notebook.magics.commands import (
    CELL_COMMANDS,
    LINE_COMMANDS,
    Ask,
    Command,
    Connect,
    Disconnect,
    Doctor,
    Events,
    FanOut,
    Members,
    Services,
    Shards,
    Tell,
    Topology,
    Where,
    parse_cell,
    parse_line,
)
from casty_notebook.magics.evaluate import evaluate, evaluate_message, is_silenced
from casty_notebook.magics.recent import RecentEntities
from casty_notebook.magics.suggest import did_you_mean
from casty_notebook.magics.targets import TargetPattern, expand
from casty_notebook.magics.usage import as_usage_error

__all__ = ["CastyMagics"]


def _line(name: str) -> Callable[[CastyMagics, str], Any]:
    """Make the line magic of a command, with the help that ``%name?`` shows.

    IPython's own expansion of ``{}`` and ``$`` is off: it would rewrite Python source, and fails silently.
    """

    def magic(self: CastyMagics, line: str) -> Any:
        silenced = is_silenced(line)
        return self._finish(parse_line(name, line.rstrip()[:-1] if silenced else line), silenced)

    magic.__name__ = name
    magic.__qualname__ = f"CastyMagics.{name}"
    magic.__doc__ = LINE_COMMANDS[name].help()
    return cast("Callable[[CastyMagics, str], Any]", line_magic(no_var_expand(magic)))


def _fan_out(self: CastyMagics, line: str, cell: str) -> Any:
    return self._finish(parse_cell("casty_ask", line), is_silenced(cell), cell)


_fan_out.__doc__ = CELL_COMMANDS["casty_ask"].help()
_cell: Any = cell_magic("casty_ask")(cast("Any", no_var_expand(_fan_out)))


@magics_class
class CastyMagics(Magics):
    """Look into a live Casty cluster. See ``%config CastyMagics`` for the defaults below."""

    timeout = Float(
        None,
        allow_none=True,
        help="Longest wait for a reply in seconds, where -t says nothing. None: the client's own.",
    ).tag(config=True)
    connect_timeout = Float(10.0, help="Longest wait for a cluster in seconds, where -t says nothing.").tag(config=True)
    concurrency = Int(100, min=1, help="Asks that %%casty_ask keeps on their way at one time.").tag(config=True)
    verbose = Bool(False, help="On failure show the whole story, as -v does.").tag(config=True)

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:
        super().__init__(shell, **kwargs)
        self.recent = RecentEntities()

    casty_connect = _line("casty_connect")
    casty_disconnect = _line("casty_disconnect")
    casty_doctor = _line("casty_doctor")
    casty_ask = _line("casty_ask")
    casty_tell = _line("casty_tell")
    casty_members = _line("casty_members")
    casty_shards = _line("casty_shards")
    casty_services = _line("casty_services")
    casty_events = _line("casty_events")
    casty_where = _line("casty_where")
    casty_topology = _line("casty_topology")
    _fan_out = _cell

    # --- from command to result ---

    def _finish(self, command: Command, silenced: bool, *body: str) -> Any:
        """Run a command; every error of this package becomes one line. Ctrl-C and the user's own errors pass."""
        try:
            result = self._run(command, *body)
        except CastyNotebookError as error:
            raise as_usage_error(error, verbose=command.verbose or self.verbose) from error
        return None if silenced else result

    @singledispatchmethod
    def _run(self, command: Command, *body: str) -> Any:
        raise NotImplementedError(type(command).__name__)

    @_run.register
    def _(self, command: Connect) -> Any:
        options: dict[str, Any] = {
            "serializer": command.serializer,
            "compression": command.compression,
            "tls": self._variable(command.tls),
            "ssh": self._bastion(command.ssh),
            "messages": self._classes(command.messages),
            "read_only": command.read_only,
            "send_main": command.send_main,
            "questions": self._questions(command),
            "colour": command.colour,
        }
        return api.casty_connect(
            command.uri,
            name=command.name or command.connection,
            shards=dict(command.shards) or None,
            address_map=dict(command.address_map) or None,
            demo=command.demo,
            timeout=command.timeout or self.connect_timeout,
            **{key: value for key, value in options.items() if value},
        )

    @_run.register
    def _(self, command: Disconnect) -> None:
        api.casty_disconnect(command.name or command.connection, everything=command.everything)

    @_run.register
    def _(self, command: Doctor) -> Any:
        options: dict[str, Any] = {
            "address_map": dict(command.address_map),
            "tls": self._variable(command.tls),
            "ssh": self._bastion(command.ssh),
            "shards": dict(command.shards),
        }
        given = {key: value for key, value in options.items() if value}
        return api.casty_doctor(command.uri, connection=command.connection, **given)

    @_run.register
    def _(self, command: Ask) -> Any:
        target = self._target(command.target)
        reply_field = command.reply_field or "reply_to"
        message = self._message(command, command.expression, reply_field)
        options: dict[str, Any] = {
            "timeout": command.timeout or self.timeout,
            "reply_field": reply_field,
            "fail_fast": command.fail_fast or None,
        }
        if command.count is not None:
            return self._sample(command, target, message, **options)
        if command.every is not None:
            raise UsageError("--every says how often of --count: give both, for example --count 100 --every 0.1")
        if command.everyone:
            return self._ask_many([target], message, connection=command.connection, **options)
        reply = api.casty_ask(target, message, connection=command.connection, retry=command.retry, **options)
        self.recent.note(target)
        return reply

    @_run.register
    def _(self, command: FanOut, body: str) -> Any:
        targets = expand(command.targets, self._evaluate)
        reply_field = command.reply_field or "reply_to"
        table = self._ask_many(
            targets,
            self._message(command, body, reply_field),
            connection=command.connection,
            timeout=command.timeout or self.timeout,
            concurrency=command.concurrency,
            fields=command.fields,
            fail_fast=command.fail_fast or None,
            reply_field=reply_field,
        )
        if command.output is None:
            return table
        self._namespace[command.output] = table
        return None

    @_run.register
    def _(self, command: Tell) -> None:
        target = self._target(command.target)
        message = self._message(command, command.expression, None)
        api.casty_tell(target, message, connection=command.connection, everyone=command.everyone)
        self.recent.note(target)

    @_run.register
    def _(self, command: Members) -> Any:
        return api.casty_members(connection=command.connection)

    @_run.register
    def _(self, command: Shards) -> Any:
        return api.casty_shards(command.shard_type, connection=command.connection)

    @_run.register
    def _(self, command: Services) -> Any:
        return api.casty_services(connection=command.connection)

    @_run.register
    def _(self, command: Events) -> Any:
        return api.casty_events(connection=command.connection)

    @_run.register
    def _(self, command: Where) -> Any:
        return api.casty_where(self._target(command.target), connection=command.connection)

    @_run.register
    def _(self, command: Topology) -> Any:
        return api.casty_topology(connection=command.connection)

    def _ask_many(
        self,
        targets: Sequence[str],
        message: Any,
        *,
        connection: str | None,
        concurrency: int | None = None,
        **options: Any,
    ) -> Any:
        return api.casty_ask_many(
            targets, message, connection=connection, concurrency=concurrency or self.concurrency, **options
        )

    def _sample(self, command: Ask, target: str, message: Any, **options: Any) -> Any:
        if command.everyone:
            raise UsageError("--count asks one target: leave out --all")
        options |= {name: value for name in ("count", "every") if (value := getattr(command, name)) is not None}
        table = api.casty_sample(target, message, connection=command.connection, **options)
        self.recent.note(target)
        print(api.latencies_in_words(table))  # noqa: T201  on the thread of the cell, above the table
        return table

    # --- the user's namespace ---

    @property
    def _namespace(self) -> dict[str, Any]:
        assert self.shell is not None, "IPython makes magics for a shell"  # noqa: S101  narrows IPython's optional type
        namespace: dict[str, Any] = self.shell.user_ns
        return namespace

    def _message(self, command: Command, expression: str, reply_field: str | None) -> Any:
        cluster = api.find_connection(command.connection)
        return evaluate_message(expression, self._namespace, cluster.module, reply_field=reply_field)

    def _evaluate(self, expression: str) -> Any:
        return evaluate(expression, self._namespace)

    def _target(self, pattern: TargetPattern) -> str:
        targets = expand([pattern], self._evaluate)
        if len(targets) > 1:
            raise UsageError(f"{pattern} stands for {len(targets):,} targets. Ask them with %%casty_ask.")
        return targets[0]

    def _classes(self, names: tuple[str, ...]) -> list[type | ModuleType]:
        """Return the classes and modules in those variables, collections of them unpacked."""
        found: list[type | ModuleType] = []
        for name in names:
            value = self._variable(name)
            values = value if isinstance(value, list | tuple | set | frozenset) else (value,)
            if wrong := [each for each in values if not isinstance(each, type | ModuleType)]:
                raise UsageError(f"{name} holds {wrong[0]!r:.80}, which is neither a class nor a module.")
            found += values
        return found

    def _bastion(self, name: str | None) -> Any:
        """Return the `SSH` in the variable of that name, else the name: bastions may be called like variables."""
        from casty_notebook.runtime.bastion import SSH

        value = self._namespace.get(name) if name is not None else None
        return value if isinstance(value, SSH) else name

    def _questions(self, command: Connect) -> list[Any]:
        """Return what the names mean: variables with classes or modules, or else dotted names of classes elsewhere."""
        found: list[Any] = []
        for name in command.questions:
            plain = name if name in self._namespace or "." not in name else None
            found += [name] if plain is None else self._classes((name,))
        return found

    def _variable(self, name: str | None) -> Any:
        if name is None:
            return None
        if name not in self._namespace:
            raise UsageError(f"no variable is named {name}.{did_you_mean(name, self._namespace)}")
        return self._namespace[name]
