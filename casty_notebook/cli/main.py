"""``casty-notebook members casty://shop@10.0.1.10:25520``: what the magics show, as text, JSON or CSV, with exit codes.

0: done, nothing failed. 1: the cluster says no, cannot be reached, or the doctor found a failure. 2: wrong usage. 130: Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from casty_notebook.address import NodeAddress
from casty_notebook.console import fitting
from casty_notebook.errors import CastyNotebookError, MisuseError
from casty_notebook.printable import printable

if TYPE_CHECKING:
    from pandas import DataFrame

    from casty_notebook.views.cluster import Cluster

__all__ = ["main"]

FAILED, WRONG, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141
TOUR = ("demo", "cluster")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Nothing is left open, whatever happens."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] and given[0] in TOUR:
        from casty_notebook.demo.__main__ import main as tour

        return tour(given)
    options = _parser().parse_args(given)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough. Nothing is left to be flushed at exit into a pipe that nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return PIPE_CLOSED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except CastyNotebookError as error:
        print(fitting(f"casty-notebook: {error}"), file=sys.stderr)
        return WRONG if isinstance(error, MisuseError) else FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="casty-notebook", description="Look into a live Casty cluster from outside.",
        epilog="casty-notebook demo: a tour in the terminal; casty-notebook cluster: a cluster to try this on.",
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, about, run in (
        ("members", "members as the cluster and our own connections see them", _table_of("members")),
        ("services", "services and their instances; on casty 0.30 the types that members have met", _table_of("services")),
        ("problems", "what is wrong: since when, who says so, what to do; looks for --watch seconds", _problems),
    ):
        command = _command(commands, name, about, run)
        if name == "problems":
            command.add_argument("--watch", type=_seconds, default=5.0, metavar="SECONDS", help="how long to look (5)")
    shards = _command(commands, "shards", "who owns which shard; on casty 0.30 the slices of the ring", _shards)
    shards.add_argument("shard_type", nargs="?", metavar="TYPE")
    where = _command(commands, "where", "where a target lives", _where)
    where.add_argument("target", metavar="TARGET", help="counter/user-42")
    for name, about, run in (("ask", "ask one actor, or many, and print the reply", _ask), ("tell", "send one message", _tell)):
        command = _command(commands, name, about, run)
        command.add_argument("target", metavar="TARGET", help="counter/user-42, counter/user-{1..9}, payment")
        command.add_argument("message", metavar="MESSAGE", help="bank.messages.GetBalance(currency='EUR')")
        command.add_argument("--force", action="store_true", help="casty 0.30: a type that no member has met")
    _command(commands, "doctor", "examine the way to a cluster, step by step", _doctor)
    return parser


def _command(
    commands: Any, name: str, about: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    command.set_defaults(run=run)
    command.add_argument("uri", metavar="URI", help="casty://SYSTEM@HOST:PORT[,HOST:PORT…]")
    command.add_argument("--shards", action="append", default=[], type=_count, metavar="TYPE=N", help="shards of a type")
    command.add_argument("--map", action="append", default=[], type=_mapping, metavar="A=B", help="where a node says A, dial B")
    command.add_argument("--ssh", metavar="[USER@]HOST[:PORT]", help="bastion to go through")
    command.add_argument("-t", "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="longest wait (10)")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="JSON on stdout")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="CSV on stdout")
    return command


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise ValueError("expected more than 0 seconds")
    return seconds


def _count(text: str) -> tuple[str, int]:
    name, equals, count = text.rpartition("=")
    if not equals or not name:
        raise ValueError("expected TYPE=NUMBER")
    return name, int(count)


def _mapping(text: str) -> tuple[NodeAddress, NodeAddress]:
    there, _, here = text.partition("=")
    return NodeAddress.parse(there), NodeAddress.parse(here)


def _options(options: argparse.Namespace) -> dict[str, Any]:
    given = {"shards": dict(options.shards), "address_map": dict(options.map), "ssh": options.ssh}
    return {name: value for name, value in given.items() if value}


def _connect(options: argparse.Namespace) -> Cluster:
    from casty_notebook.views.cluster import connect

    return connect(options.uri, timeout=options.timeout, **_options(options))


# --- what is printed --------------------------------------------------------------------------------------------------


def _show(table: DataFrame, form: str | None) -> int:
    if form == "json":
        print(table.to_json(orient="records", date_format="iso", default_handler=str, indent=2))
    elif form == "csv":
        print(table.to_csv(index=False), end="")
    elif len(table):
        print(fitting(table.to_string(index=False)))
    else:
        print("none")
    return 0


def _say(value: Any, form: str | None) -> None:
    if form == "json":
        print(json.dumps(value, default=_plain, indent=2))
    else:
        print(fitting(printable(value if isinstance(value, str) else repr(value))))


def _plain(value: Any) -> Any:
    for form in ("to_dict", "_asdict"):
        if hasattr(value, form):
            return getattr(value, form)()
    return getattr(value, "__dict__", None) or str(value)


# --- the commands -----------------------------------------------------------------------------------------------------


def _table_of(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        with _connect(options) as cluster:
            return _show(getattr(cluster, name), options.form)

    return run


def _shards(options: argparse.Namespace) -> int:
    with _connect(options) as cluster:
        return _show(cluster.shard_table(options.shard_type), options.form)


def _problems(options: argparse.Namespace) -> int:
    from time import sleep

    with _connect(options) as cluster:
        sleep(options.watch)  # what is wrong for a moment is none: see `topology.problems.GRACE`
        found = cluster.problems
    _show(found, options.form)
    return FAILED if (found.severity == "bad").any() else 0


def _where(options: argparse.Namespace) -> int:
    with _connect(options) as cluster:
        place = cluster.where(options.target)
    if options.form == "json":
        fields = ("target", "shard_type", "entity_id", "shard", "node", "address", "replicas", "reachable", "status", "heir")
        print(json.dumps({name: getattr(place, name) for name in fields}, default=str, indent=2))
    else:
        print(fitting(repr(place)))
    return 0


def _ask(options: argparse.Namespace) -> int:
    from casty_notebook.values.targets import expand_ranges

    with _connect(options) as cluster:
        targets = expand_ranges(options.target)
        if len(targets) > 1:
            table = cluster.ask_many(targets, options.message, timeout=options.timeout, progress=sys.stderr.isatty())
            _show(table, options.form)
            return FAILED if table.error.notna().any() else 0
        _say(cluster.ask(targets[0], options.message, timeout=options.timeout, force=options.force), options.form)
    return 0


def _tell(options: argparse.Namespace) -> int:
    with _connect(options) as cluster:
        cluster.tell(options.target, options.message, force=options.force)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from casty_notebook.views.checkup import doctor

    given = _options(options)
    checked = doctor(options.uri, shards=given.pop("shards", None), **given)
    if options.form == "json":
        rows = [{name: str(getattr(each, name)) for name in ("check", "subject", "verdict", "text", "fix")} for each in checked]
        print(json.dumps(rows, indent=2))
    else:
        print(repr(checked))
    return 0 if checked.ok else FAILED


if __name__ == "__main__":
    sys.exit(main())
