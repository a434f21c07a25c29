"""What commands have in common: the way to a cluster, the form of the output, and the words for what is no number."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from casty_notebook.address import NodeAddress
from casty_notebook.errors import InvalidAddress

if TYPE_CHECKING:
    from casty_notebook.views.cluster import Cluster

__all__ = ["LONGEST_WAIT", "add_command", "connect_options", "opened", "seconds"]

LONGEST = 1e6
LONGEST_WAIT = 10.0
"""Seconds for a reply, where nothing else is said."""

type Run = Callable[[argparse.Namespace], int]


def add_command(commands: Any, name: str, about: str, run: Run) -> argparse.ArgumentParser:
    """Add a command that takes an address, the options of a connection, and ``--json`` or ``--csv``."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    command.set_defaults(run=run)
    address: Any = command.add_argument("uri", metavar="URI", help="casty://SYSTEM@HOST:PORT[,HOST:PORT…], or @NAME of a profile")
    address.completer = _profiles
    command.add_argument("--shards", action="append", default=[], type=_count, metavar="TYPE=N", help="shards of a type")
    command.add_argument("--map", action="append", default=[], type=_mapping, metavar="A=B", help="where a node says A, dial B")
    command.add_argument("--ssh", metavar="[USER@]HOST[:PORT]", help="bastion to go through")
    command.add_argument("-t", "--timeout", type=seconds, metavar="SECONDS", help="longest wait (10)")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="JSON on stdout")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="CSV on stdout")
    return command


def seconds(text: str) -> float:
    """A time to wait."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number


def _count(text: str) -> tuple[str, int]:
    name, equals, count = text.rpartition("=")
    if not (equals and name and count.isascii() and count.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected TYPE=NUMBER, for example counter=100")
    return name, int(count)


def _mapping(text: str) -> tuple[NodeAddress, NodeAddress]:
    there, _, here = text.partition("=")
    try:
        return NodeAddress.parse(there), NodeAddress.parse(here)
    except InvalidAddress as error:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT=HOST:PORT: {error}") from None


def _profiles(**_of_the_line: Any) -> list[str]:
    from casty_notebook.views.cluster import profile_names

    return [f"@{name}" for name in profile_names()]


def connect_options(options: argparse.Namespace) -> dict[str, Any]:
    """Those that were given."""
    given = {"shards": dict(options.shards), "address_map": dict(options.map), "ssh": options.ssh, "timeout": options.timeout}
    return {name: value for name, value in given.items() if value}


def opened(options: argparse.Namespace) -> Cluster:
    """Connect to the cluster that was named."""
    from casty_notebook.views.cluster import connect

    return connect(options.uri, **connect_options(options))
