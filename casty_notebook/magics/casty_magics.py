"""The magics: parse the line, call the function of the same name, return what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, singledispatchmethod
from types import ModuleType
from typing import Any, cast

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool

from casty_notebook.advice import IN_MAGICS, spoken
from casty_notebook.client.profiles import ssh_of, tls_of
from casty_notebook.console import say
from casty_notebook.errors import CastyNotebookError
from casty_notebook.magics import api
from casty_notebook.magics.commands import (
    CELL_COMMANDS,
    LINE_COMMANDS,
    Activations,
    Ask,
    Command,
    Connect,
    Disconnect,
    Doctor,
    Events,
    FanOut,
    Given,
    Listen,
    Members,
    Problems,
    Report,
    Services,
    Shards,
    Tell,
    Topology,
    Watch,
    Where,
    parse_cell,
    parse_line,
)
from casty_notebook.magics.evaluate import evaluate, evaluate_message
from casty_notebook.magics.lines import end_of_code, is_silenced, without_comment
from casty_notebook.magics.recent import RecentEntities
from casty_notebook.magics.scope import Scope
from casty_notebook.magics.suggest import did_you_mean
from casty_notebook.magics.targets import TargetPattern, expand
from casty_notebook.magics.traits import Count, Seconds
from casty_notebook.magics.usage import as_usage_error, stopped

__all__ = ["CastyMagics"]


_INTERRUPTED = {
    Connect: "no connection was made.",
    Ask: "the reply is no longer waited for; the question may have been answered.",
    FanOut: "the replies are no longer waited for; the questions may have been answered.",
    Tell: "the message may have left.",
}


def _line(name: str) -> Callable[[CastyMagics, str], Any]:
    """Make the line magic of a command, with the help that ``%name?`` shows.

    IPython's own expansion of ``{}`` and ``$`` is off: it would rewrite Python source, and fails silently.
    """

    def magic(self: CastyMagics, line: str) -> Any:
        text = without_comment(LINE_COMMANDS[name], line)
        silenced = is_silenced(text)
        return self._finish(parse_line(name, text[:-1] if silenced else text), self._scope, silenced)

    magic.__name__ = name
    magic.__qualname__ = f"CastyMagics.{name}"
    magic.__doc__ = LINE_COMMANDS[name].help()
    return cast("Callable[[CastyMagics, str], Any]", line_magic(no_var_expand(magic)))


def _fan_out(self: CastyMagics, line: str, cell: str) -> Any:
    text = without_comment(CELL_COMMANDS["casty_ask"], line)
    return self._finish(parse_cell("casty_ask", text), self._scope, is_silenced(cell[: end_of_code(cell)]), cell)


_fan_out.__doc__ = CELL_COMMANDS["casty_ask"].help()
_cell: Any = cell_magic("casty_ask")(cast("Any", no_var_expand(_fan_out)))


@magics_class
class CastyMagics(Magics):
    """Look into a live Casty cluster. See ``%config CastyMagics`` for the defaults below."""

    timeout = Seconds(
        None,
        allow_none=True,
        help="Longest wait for a reply in seconds, where -t says nothing. None: the client's own.",
    ).tag(config=True)
    connect_timeout = Seconds(10.0, help="Longest wait for a cluster in seconds, where -t says nothing.").tag(config=True)
    concurrency = Count(100, help="Asks that %%casty_ask keeps on their way at one time.").tag(config=True)
    verbose = Bool(False, help="On failure show the whole story, as -v does.").tag(config=True)

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:
        super().__init__(shell, **kwargs)
        self.recent = RecentEntities()

    casty_connect = _line("casty_connect")
    casty_disconnect = _line("casty_disconnect")
    casty_doctor = _line("casty_doctor")
    casty_ask = _line("casty_ask")
    casty_tell = _line("casty_tell")
    casty_listen = _line("casty_listen")
    casty_watch = _line("casty_watch")
    casty_members = _line("casty_members")
    casty_shards = _line("casty_shards")
    casty_services = _line("casty_services")
    casty_events = _line("casty_events")
    casty_activations = _line("casty_activations")
    casty_problems = _line("casty_problems")
    casty_report = _line("casty_report")
    casty_where = _line("casty_where")
    casty_topology = _line("casty_topology")
    _fan_out = _cell

    # --- from command to result ---

    @property
    def _scope(self) -> Scope:
        """The names where the line stands. To be read by the magic itself, before anything else is called."""
        return Scope.of_caller(self._shell)

    def _finish(self, command: Command, names: Scope, silenced: bool, *body: str) -> Any:
        """Run a command; every error of this package becomes one line, and so does Ctrl-C. The user's own errors pass."""
        try:
            with spoken(IN_MAGICS):
                result = self._run(command, names, *body)
        except KeyboardInterrupt:
            raise stopped(_INTERRUPTED.get(type(command), "nothing was left behind.")) from None
        except CastyNotebookError as error:
            raise as_usage_error(error, verbose=command.verbose or self.verbose) from error
        return None if silenced else result

    @singledispatchmethod
    def _run(self, command: Command, _names: Scope, *_body: str) -> Any:
        raise NotImplementedError(type(command).__name__)

    @_run.register
    def _(self, command: Connect, names: Scope) -> Any:
        options = {
            "serializer": command.serializer,
            "compression": command.compression,
            "tls": _certificates(command.tls, names),
            "ssh": _bastion(command.ssh, names),
            "messages": _classes(command.messages, names),
            "read_only": command.read_only,
            "send_main": command.send_main,
            "questions": _questions(command, names),
            "colour": command.colour,
        }
        uri = _filled_in(command.uri, names)
        of_profile = uri is not None and uri.startswith("@")  # which may have a timeout of its own
        return api.casty_connect(
            uri,
            name=command.name or command.connection,
            shards=dict(command.shards) or None,
            address_map=dict(command.address_map) or None,
            demo=command.demo,
            timeout=command.timeout or (None if of_profile else self.connect_timeout),
            **{key: value for key, value in options.items() if value},
        )

    @_run.register
    def _(self, command: Disconnect, _names: Scope) -> None:
        api.casty_disconnect(command.name or command.connection, everything=command.everything)

    @_run.register
    def _(self, command: Doctor, names: Scope) -> Any:
        options = {
            "address_map": dict(command.address_map),
            "serializer": command.serializer,
            "compression": command.compression,
            "tls": _certificates(command.tls, names),
            "ssh": _bastion(command.ssh, names),
            "shards": dict(command.shards),
        }
        given = {key: value for key, value in options.items() if value}
        return api.casty_doctor(_filled_in(command.uri, names), connection=command.connection, **given)

    @_run.register
    def _(self, command: Ask, names: Scope) -> Any:
        target = _target(command.target, names)
        reply_field = command.reply_field or "reply_to"
        message = _message(command, command.expression, names, reply_field)
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
        reply = api.casty_ask(
            target, message, connection=command.connection, retry=command.retry, force=command.force, **options
        )
        self._note(command, target)
        return reply

    @_run.register
    def _(self, command: FanOut, names: Scope, body: str) -> Any:
        targets = expand(command.targets, partial(evaluate, namespace=names))
        reply_field = command.reply_field or "reply_to"
        table = self._ask_many(
            targets,
            _message(command, body, names, reply_field),
            connection=command.connection,
            timeout=command.timeout or self.timeout,
            concurrency=command.concurrency,
            fields=command.fields,
            fail_fast=command.fail_fast or None,
            reply_field=reply_field,
        )
        if command.output is None:
            return table
        self._shell.user_ns[command.output] = table
        return None

    @_run.register
    def _(self, command: Tell, names: Scope) -> None:
        target = _target(command.target, names)
        message = _message(command, command.expression, names, None)
        api.casty_tell(target, message, connection=command.connection, everyone=command.everyone, force=command.force)
        self._note(command, target)

    @_run.register
    def _(self, command: Listen, names: Scope) -> Any:
        target = _target(command.target, names)
        reply_field = command.reply_field or "reply_to"
        table = api.casty_listen(
            target,
            _message(command, command.expression, names, reply_field),
            connection=command.connection,
            count=command.count,
            seconds=command.seconds,
            fields=command.fields,
            timeout=command.timeout or self.timeout,
            retry=command.retry,
            reply_field=reply_field,
        )
        self._note(command, target)
        return table

    @_run.register
    def _(self, command: Watch, names: Scope) -> Any:
        targets = expand(command.targets, partial(evaluate, namespace=names))
        reply_field = command.reply_field or "reply_to"
        options = {"every": command.every, "field": command.field, "seconds": command.seconds}
        watch = api.casty_watch(
            targets,
            _message(command, command.expression, names, reply_field),
            connection=command.connection,
            timeout=command.timeout or self.timeout,
            everyone=command.everyone,
            fail_fast=command.fail_fast or None,
            force=command.force,
            reply_field=reply_field,
            **{name: value for name, value in options.items() if value is not None},
        )
        if command.notify:
            api.casty_notify(connection=command.connection)
        for target in targets:
            self._note(command, target)
        return watch

    @_run.register
    def _(self, command: Members, _names: Scope) -> Any:
        return api.casty_members(connection=command.connection)

    @_run.register
    def _(self, command: Shards, _names: Scope) -> Any:
        return api.casty_shards(command.shard_type, connection=command.connection)

    @_run.register
    def _(self, command: Services, _names: Scope) -> Any:
        return api.casty_services(connection=command.connection)

    @_run.register
    def _(self, command: Activations, _names: Scope) -> Any:
        return api.casty_activations(connection=command.connection)

    @_run.register
    def _(self, command: Problems, _names: Scope) -> Any:
        return api.casty_problems(connection=command.connection)

    @_run.register
    def _(self, command: Report, _names: Scope) -> Any:
        path = api.casty_report(
            command.path, connection=command.connection, before=command.before, note=command.note or "",
            recording=not command.without_recording, overwrite=command.overwrite,
        )  # fmt: skip
        say(f"wrote {path} ({path.stat().st_size:,} bytes).")
        return path

    @_run.register
    def _(self, command: Events, _names: Scope) -> Any:
        return api.casty_events(connection=command.connection)

    @_run.register
    def _(self, command: Where, names: Scope) -> Any:
        return api.casty_where(_target(command.target, names), connection=command.connection)

    @_run.register
    def _(self, command: Topology, _names: Scope) -> Any:
        if command.notify:
            api.casty_notify(connection=command.connection)
        # By name: a kernel need not import what terminals need.
        if any(each.__name__ == "TerminalInteractiveShell" for each in type(self._shell).__mro__):
            return api.casty_top(connection=command.connection)
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
        self._note(command, target)
        say(api.latencies_in_words(table))
        return table

    def _note(self, command: Command, target: str) -> None:
        self.recent.note(api.find_connection(command.connection).name, target)

    @property
    def _shell(self) -> InteractiveShell:
        assert self.shell is not None, "IPython makes magics for a shell"  # noqa: S101  narrows IPython's optional type
        return self.shell


# --- what the user's names mean ----------------------------------------------------------------------------------


def _message(command: Command, expression: str, names: Scope, reply_field: str | None) -> Any:
    cluster = api.find_connection(command.connection)
    return evaluate_message(expression, names, cluster.module, reply_field=reply_field)


def _target(pattern: TargetPattern, names: Scope) -> str:
    targets = expand([pattern], partial(evaluate, namespace=names))
    if len(targets) > 1:
        raise UsageError(f"{pattern} stands for {len(targets):,} targets. Ask them with %%casty_ask.")
    return targets[0]


def _filled_in(pattern: TargetPattern | None, names: Scope) -> str | None:
    if pattern is None:
        return None
    values = expand([pattern], partial(evaluate, namespace=names))
    if len(values) > 1:
        raise UsageError(f"{pattern} stands for {len(values):,} addresses. Several contact points go after one @, with commas.")
    return values[0]


def _classes(variables: tuple[str, ...], names: Scope) -> list[type | ModuleType]:
    """Return the classes and modules in those variables, collections of them unpacked."""
    found: list[type | ModuleType] = []
    for name in variables:
        value = _variable(name, names)
        values = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        if wrong := [each for each in values if not isinstance(each, type | ModuleType)]:
            raise UsageError(f"{name} holds {wrong[0]!r:.80}, which is neither a class nor a module.")
        found += values
    return found


def _certificates(given: Given | None, names: Scope) -> Any:
    """Return what is in the variable of that name, or the `TLS` that was written out."""
    return tls_of("--tls", dict(given)) if isinstance(given, tuple) else _variable(given, names)


def _bastion(name: Given | None, names: Scope) -> Any:
    """Return the `SSH` in the variable of that name, else the name: bastions may be called like variables."""
    from casty_notebook.net.ssh_config import SSH

    if isinstance(name, tuple):
        return ssh_of("--ssh", dict(name))
    if name is None or name not in names:
        return name
    names.check(name)
    value = names[name]
    return value if isinstance(value, SSH) else name


def _questions(command: Connect, names: Scope) -> list[Any]:
    """Return what the names mean: variables with classes or modules, or else dotted names of classes elsewhere."""
    found: list[Any] = []
    for name in command.questions:
        plain = name if name in names or "." not in name else None
        found += [name] if plain is None else _classes((name,), names)
    return found


def _variable(name: str | None, names: Scope) -> Any:
    if name is None:
        return None
    names.check(name)
    if name not in names:
        raise UsageError(f"no variable is named {name}.{did_you_mean(name, names)}")
    return names[name]
