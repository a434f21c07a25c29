"""What commands have in common: the flags of the magics (read from their grammars), and the form of the output."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from casty_notebook.client.profiles import profile_names, ssh_of, tls_of
from casty_notebook.errors import MisuseError
from casty_notebook.magics import grammars
from casty_notebook.magics.grammar import Flag, Grammar
from casty_notebook.magics.suggest import did_you_mean
from casty_notebook.printable import printable

if TYPE_CHECKING:
    from casty_notebook.views.cluster import Cluster

__all__ = ["NOT_IN_A_SHELL", "Parser", "add_command", "add_flags", "asking", "connect_options", "each_of", "opened", "seconds"]

LONGEST = 1e6
LONGEST_WAIT = 10.0
"""Seconds for a reply, where nothing else is said."""

NOT_IN_A_SHELL = {
    "-c": "a command has one cluster, which it names",
    "--as": "a command has one connection",
    "--demo": "casty-notebook cluster starts one that outlives the command",
    "--colour": "there are no cards",
    "--messages": "there are no variables; what was answered is printed with its names",
    "-o": "there are no variables; the output is the table",
}
"""Flags of magics that commands do not have, and why."""

_UNKNOWN = re.compile(r"argument COMMAND: invalid choice: '([^']*)'")

type Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Flags may stand anywhere, also before a word that may be left out; what is mistyped gets its nearest name."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        # Whoever completes looks into the parser as it is; and the outer one has commands, which cannot be mixed with others.
        if self._within or self._subparsers is not None or "_ARGCOMPLETE" in os.environ:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            found, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False
        if unknown:
            flags = [name for action in self._actions for name in action.option_strings]
            name = unknown[0].partition("=")[0]
            guess = did_you_mean(name, flags) if name.startswith("-") else ""
            self.error(f"{printable(' '.join(unknown))}: not taken here.{guess}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        if found := _UNKNOWN.match(message):
            commands = next(action.choices for action in self._actions if action.dest == "command") or ()
            message = f"there is no command {found[1]!r}.{did_you_mean(found[1], commands, kind='commands', limit=30)}"
        super().error(message)


def add_command(commands: Any, name: str, about: str, run: Run, *, way: Grammar = grammars.CONNECT) -> argparse.ArgumentParser:
    """Add a command that takes an address, the flags of `way`, and ``--json`` or ``--csv``."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    command.set_defaults(run=run)
    address: Any = command.add_argument("uri", metavar="URI", help="casty://SYSTEM@HOST:PORT[,HOST:PORT…], or @NAME of a profile")
    address.completer = _profiles
    add_flags(command, way)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="JSON on stdout")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="CSV on stdout")
    return command


def add_flags(command: argparse.ArgumentParser, *sources: Grammar, leave_out: Sequence[str] = ()) -> None:
    """Add the flags of a magic that the command does not have yet, and that have a meaning in a shell."""
    for flag in (flag for grammar in sources for flag in grammar.flags):
        name = flag.names[0]
        if name not in NOT_IN_A_SHELL and name not in leave_out and name not in command._option_string_actions:
            _add(command, flag)


def _add(command: argparse.ArgumentParser, flag: Flag) -> None:
    about = flag.help.replace("%", "%%")
    if not flag.metavar:
        command.add_argument(*flag.names, dest=flag.field, action="store_true", help=about)
    elif flag.many:
        command.add_argument(
            *flag.names, dest=flag.field, action="extend", default=[], type=_many(flag), metavar=flag.metavar, help=about
        )
    else:
        command.add_argument(*flag.names, dest=flag.field, type=_checked(flag), metavar=flag.metavar, help=about)


def _checked(flag: Flag) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return flag.convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{printable(text)!r}: {error}") from None

    return convert


def _many(flag: Flag) -> Callable[[str], list[Any]]:
    convert = _checked(flag)
    return lambda text: [convert(part) for part in text.split(",")]


def seconds(text: str) -> float:
    """A time to wait."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number


def _profiles(**_of_the_line: Any) -> list[str]:
    return [f"@{name}" for name in profile_names()]


def connect_options(options: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, as `connect` takes them."""
    taken = ("serializer", "compression", "timeout", "read_only", "send_main", "questions")
    given = {name: getattr(options, name, None) for name in taken}
    given |= {"shards": dict(options.shards), "address_map": dict(options.address_map)}
    given |= {"tls": _certificates(options.tls), "ssh": _bastion(options.ssh)}
    return {name: value for name, value in given.items() if value}


def _certificates(given: Any) -> Any:
    if isinstance(given, str):
        raise MisuseError(f"--tls takes certfile=PATH,cafile=PATH; {given!r} would be a variable of Python: a shell has none")
    return None if given is None else tls_of("--tls", dict(given))


def _bastion(given: Any) -> Any:
    return ssh_of("--ssh", dict(given)) if isinstance(given, tuple) else given


def asking(options: argparse.Namespace) -> dict[str, Any]:
    """How a question is asked, as `Cluster.ask` and its kin take it."""
    return {
        "timeout": options.timeout or LONGEST_WAIT,
        "fail_fast": getattr(options, "fail_fast", False) or None,
        "reply_field": options.reply_field or "reply_to",
    }


def opened(options: argparse.Namespace) -> Cluster:
    """Connect to the cluster that was named."""
    from casty_notebook.views.cluster import connect

    return connect(options.uri, **connect_options(options))


def each_of(cluster: Cluster, targets: Sequence[str], options: argparse.Namespace) -> list[Any]:
    """Each instance in place of a service, where ``--all`` says so."""
    if not options.everyone:
        return list(targets)
    return [each for target in targets for each in ([target] if "/" in target else cluster.instances(target))]
