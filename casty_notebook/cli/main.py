"""``casty-notebook members casty://shop@10.0.1.10:25520``: what the magics show, as text, JSON or CSV, with exit codes.

0: done, nothing failed. 1: the cluster says no, cannot be reached, or the doctor found a failure. 2: wrong usage. 130: Ctrl-C,
but not of `events`, `watch`, `record` and `report`, which it ends as it should.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from casty_notebook.address import NodeAddress
from casty_notebook.advice import IN_A_SHELL, advice_in, spoken
from casty_notebook.cli.arguments import Parser, add_command, add_flags, asking, connect_options, each_of, opened, seconds
from casty_notebook.cli.following import add_following
from casty_notebook.cli.printing import FAILED, print_records, print_table, print_value
from casty_notebook.console import fitting
from casty_notebook.errors import CastyNotebookError, MisuseError, whole_story
from casty_notebook.magics import grammars

if TYPE_CHECKING:
    from casty_notebook.views.cluster import Cluster

__all__ = ["main"]

WRONG, INTERRUPTED, PIPE_CLOSED = 2, 130, 141
TOUR = ("demo", "cluster")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Nothing is left open, whatever happens."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] and given[0] in TOUR:
        from casty_notebook.demo.__main__ import main as tour

        return tour(given)
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:
        _complete(parser)
    options = parser.parse_args(given)
    try:
        with spoken(IN_A_SHELL):
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
        told = "\n".join(whole_story(error)) if options.verbose else str(error)
        print(fitting(f"casty-notebook: {advice_in(IN_A_SHELL, told)}"), file=sys.stderr)
        return WRONG if isinstance(error, MisuseError) else FAILED
    return code


def _complete(parser: argparse.ArgumentParser) -> None:
    """A shell asks what could stand at its cursor; answers and exits. Without the extra ``completion`` it gets no answer."""
    try:
        import argcomplete
    except ImportError:
        sys.exit(FAILED)
    argcomplete.autocomplete(parser)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="casty-notebook", description="Look into a live Casty cluster from outside.",
        epilog="casty-notebook demo: a tour in the terminal; casty-notebook cluster: a cluster to try this on.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"casty-notebook {metadata.version("casty-notebook")}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, about, run in (
        ("members", "members as the cluster and our own connections see them", _table_of("members")),
        ("services", "services and their instances; on casty 0.30 the types that members have met", _table_of("services")),
        ("activations", "casty 0.30: the keys that are active, the deepest mailboxes first", _table_of("activations")),
        ("loads", "casty 0.30: active keys and messages that wait, by type and node", _table_of("loads")),
        ("problems", "what is wrong: since when, who says so, what to do; looks for --watch seconds", _problems),
    ):
        command = add_command(commands, name, about, run)
        if name == "problems":
            command.add_argument("--watch", type=seconds, default=5.0, metavar="SECONDS", help="how long to look (5)")
    shards = add_command(commands, "shards", "who owns which shard; on casty 0.30 the slices of the ring", _shards)
    shards.add_argument("shard_type", nargs="?", metavar="TYPE")
    where = add_command(commands, "where", "where a target lives", _where)
    where.add_argument("target", metavar="TARGET", help="counter/user-42")
    for name, about, run in (("ask", "ask one actor, or many, and print the reply", _ask), ("tell", "send one message", _tell)):
        command = add_command(commands, name, about, run)
        command.add_argument("target", metavar="TARGET", help="counter/user-42, counter/user-{1..9}, payment, payment@node-2")
        command.add_argument("message", metavar="MESSAGE", help="bank.messages.GetBalance(currency='EUR')")
        add_flags(command, *((grammars.ASK, grammars.FAN_OUT) if name == "ask" else (grammars.TELL,)))
    add_command(commands, "doctor", "examine the way to a cluster, step by step", _doctor, way=grammars.DOCTOR)
    top = add_command(
        commands, "top", "the live view of a terminal: members, problems, events; as text once where it is none", _top
    )
    add_flags(top, grammars.TOPOLOGY)
    add_following(commands)
    return parser


# --- the commands -----------------------------------------------------------------------------------------------------


def _table_of(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        with opened(options) as cluster:
            return print_table(getattr(cluster, name), options.form)

    return run


def _shards(options: argparse.Namespace) -> int:
    with opened(options) as cluster:
        if options.shard_type is not None:
            _check_shard_type(cluster, options.shard_type)
        return print_table(cluster.shard_table(options.shard_type), options.form)


def _check_shard_type(cluster: Cluster, shard_type: str) -> None:
    """A mistyped type has no shards, too, but that is not what was asked."""
    if not cluster.kind.places_by_type:
        raise MisuseError("the ring is the same for keys of all types: leave out the type, or ask where TYPE/KEY is")
    known = sorted({*cluster.shard_counts, *cluster.shards["type"].unique()})
    if shard_type not in known:
        there = f"there are: {', '.join(known[:10])}" if known else "none is in use yet"
        raise MisuseError(f"no shard type {shard_type!r} is known ({there})")


def _problems(options: argparse.Namespace) -> int:
    from time import sleep

    with opened(options) as cluster:
        sleep(options.watch)  # what is wrong for a moment is none: see `topology.problems.GRACE`
        found = cluster.problems
    if options.form is None:
        print(repr(found))
    else:
        print_table(found, options.form)
    return FAILED if (found.severity == "bad").any() else 0


def _where(options: argparse.Namespace) -> int:
    with opened(options) as cluster:
        place = cluster.where(options.target)
    if options.form is None:
        print(fitting(repr(place)))
        return 0
    fields = ("target", "shard_type", "entity_id", "shard", "node", "address", "replicas", "reachable", "status", "heir")
    row = {name: _address_text(getattr(place, name)) for name in fields}
    if options.form == "json":
        row["replicas"] = [str(each) for each in place.replicas]
    print_records(row, fields, options.form)
    return 0


def _address_text(value: Any) -> Any:
    """Addresses as all tables write them."""
    if isinstance(value, NodeAddress):
        return str(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _ask(options: argparse.Namespace) -> int:
    from casty_notebook.values.targets import expand_ranges

    targets, asked = expand_ranges(options.target), asking(options)
    many = len(targets) > 1 or options.everyone
    if options.count is None and options.every is not None:
        raise MisuseError("--every says how often of --count: give both, for example --count 100 --every 0.1")
    if many and (options.count is not None or options.force):
        raise MisuseError(f"{"--force" if options.count is None else "--count"} is for one target; {options.target} may be many")
    if options.retry and options.count is not None:
        raise MisuseError("--count measures each ask by itself: leave out --retry")
    with opened(options) as cluster:
        if options.count is not None:
            return _sample(cluster, options, asked)
        if many:
            table = cluster.ask_many(
                each_of(cluster, targets, options), options.message, retry=options.retry, fields=options.fields,
                concurrency=options.concurrency or 100, progress=sys.stderr.isatty(), **asked,
            )  # fmt: skip
            print_table(table, options.form)
            return FAILED if table.error.notna().any() else 0
        reply = cluster.ask(targets[0], options.message, retry=options.retry, force=options.force, **asked)
        print_value(reply, options.form)
    return 0


def _sample(cluster: Cluster, options: argparse.Namespace, asked: dict[str, Any]) -> int:
    every = 0.1 if options.every is None else options.every
    table = cluster.sample(
        options.target, options.message, count=options.count, every=every, progress=sys.stderr.isatty(), **asked
    )
    print_table(table, options.form)
    return FAILED if table.error.notna().any() else 0


def _tell(options: argparse.Namespace) -> int:
    from casty_notebook.values.targets import expand_ranges

    targets = expand_ranges(options.target)
    with opened(options) as cluster:
        found = each_of(cluster, targets, options)
        if len(found) > 1 and not options.force:
            cluster.tell_many(found, options.message)
        else:
            for target in found:
                cluster.tell(target, options.message, force=options.force)
    return 0


def _top(options: argparse.Namespace) -> int:
    from casty_notebook.views.terminal.picture import picture_of
    from casty_notebook.views.terminal.showing import MISSING, has_library, show_live
    from casty_notebook.views.terminal.tty import can_be_live

    if options.form is not None:
        raise MisuseError("top is text for people; members, shards, problems and events have --json and --csv")
    if can_be_live() and not has_library():
        raise MisuseError(MISSING)
    with opened(options) as cluster:
        if can_be_live():
            if options.notify:
                cluster.bell()
            show_live(cluster)
        else:
            print(picture_of(cluster))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from casty_notebook.views.checkup import doctor

    given = connect_options(options)
    checked = doctor(options.uri, shards=given.pop("shards", None), **given)
    if options.form is None:
        print(repr(checked))
    else:
        columns = ("check", "subject", "verdict", "text", "fix")
        print_records([{name: str(getattr(each, name)) for name in columns} for each in checked], columns, options.form)
    return 0 if checked.ok else FAILED


if __name__ == "__main__":
    sys.exit(main())
