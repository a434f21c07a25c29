"""``casty-notebook demo``: the terminal tour. ``casty-notebook cluster``: only the cluster, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from casty_notebook.errors import CastyNotebookError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands. Returns the exit status: 130 after Ctrl-C, as a shell expects."""
    parser = argparse.ArgumentParser(prog="casty-notebook", description="Explore a live Casty actor cluster.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("demo", help="a tour in the terminal: a real cluster, asked and broken")
    cluster = commands.add_parser("cluster", help="only a cluster to connect to, running until Ctrl-C")
    cluster.add_argument("--nodes", type=int, default=3)
    cluster.add_argument("--shards", type=int, default=100)
    options = parser.parse_args(arguments)
    # SIGTERM ends the cluster as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.command == "cluster":
            _keep_running(options.nodes, options.shards)
        else:
            from casty_notebook.demo.tour import tour

            tour()
    except BrokenPipeError:
        # Whoever read our output (`| head`) is gone. What is flushed at exit goes to /dev/null, as the pipe would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + 13
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except CastyNotebookError as error:
        print(f"casty-notebook: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _keep_running(nodes: int, shards: int) -> None:
    from casty_notebook.demo.cluster import DemoCluster

    with DemoCluster(nodes, shards=shards) as demo:
        for node in demo.nodes:
            print(f"{node.name}   {node.address}   process {node.pid}")
        types = ",".join(f"{name}={count}" for name, count in demo.shards.items())
        print(f"\n%casty_connect {demo.uri} --shards {types}\n\nCtrl-C ends it.", flush=True)
        while True:
            time.sleep(1.0)  # in slices, for a Ctrl-C that comes just before one: see `loops.background.POLL`


if __name__ == "__main__":
    sys.exit(main())
