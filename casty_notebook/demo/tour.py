"""The terminal tour: a real cluster is started, asked, broken and mended, and what the tables say is printed."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from casty_notebook import connect
from casty_notebook.console import fitting
from casty_notebook.demo.cluster import DemoCluster
from casty_notebook.demo.messages import GetCount, Increment, ProcessPayment, WhereAreYou
from casty_notebook.errors import CastyNotebookError

if TYPE_CHECKING:
    from pandas import DataFrame

    from casty_notebook import Cluster

__all__ = ["tour"]

ENTITIES = [f"counter/user-{number}" for number in range(40, 60)]
VICTIM = "node-3"
PATIENCE = 5.0
"""Seconds to wait for what the tour announces: a dead node to be noticed, a restarted one to be reached."""

GOSSIP = 3.0
"""Seconds after which the nodes have noticed a dead one, too (PROTOCOL section 6.5: 1.0 to 2.9)."""

GOODBYE = """
Next
    ./dev lab                        the same and more in JupyterLab, with live views
    %load_ext casty_notebook         in any notebook or IPython
    %casty_connect --demo            a cluster like the first one, from a cell; --demo 0.30: like the second
    %casty_connect casty://SYSTEM@HOST:PORT --shards counter=100
"""


def tour() -> None:
    """Show everything once, in about fifteen seconds. Whatever happens, nothing is left running.

    Raises
    ------
    MisuseError
        If casty is not installed.
    """
    _title("Three nodes of a real Casty cluster, each in a process of its own")
    demo, took = _timed(lambda: DemoCluster(3).start())
    with demo:
        for node in demo.nodes:
            _line(f"{node.name}   {node.address}   process {node.pid}")
        _line(f"up after {took:.1f} s, casty {demo.nodes[0].casty_version}")
        cluster, took = _timed(lambda: connect(demo.uri, shards=demo.shards, messages=demo.messages))
        with cluster:
            _title("Connected from outside")
            _line(f'cluster = connect("casty://{demo.system}@{demo.contact_points[0]},…", shards={demo.shards})')
            _line(f"first snapshot after {took * 1000:.0f} ms; the nodes have nothing installed for it")
            _look_around(cluster)
            _talk(cluster)
            _break_and_mend(cluster, demo)
    _the_other_kind()
    _title("Everything is stopped")
    print(GOODBYE)


def _the_other_kind() -> None:
    """Make the same calls on nodes of casty 0.30; if they cannot be started (no network to fetch that casty), only say so."""
    _title("The other kind: nodes of casty 0.30, virtual actors on a hash ring, in the same words")
    try:
        demo, took = _timed(lambda: DemoCluster(3, system="ring", casty="0.30").start())
    except CastyNotebookError as error:
        _line(f"left out: {error}")
        return
    with demo, connect(demo.uri, messages=demo.messages) as cluster:
        _line(f"up after {took:.1f} s, casty {demo.nodes[0].casty_version}; connect() has found out by itself which kind it is")
        _wait(lambda: len(cluster.members) == len(demo.nodes))
        _table(cluster.members[["node", "address", "status", "reachable", "ring_share", "replica_share", "types", "rtt_ms"]])
        for _ in range(3):
            cluster.tell("counter/user-42", Increment(1))
        _ask(cluster, "counter/user-42", GetCount)
        place = cluster.where("counter/user-42")
        heir = f", and at {place.heir} if that node goes" if place.heir is not None else ""
        _line(f'cluster.where("counter/user-42")  ->  {place.node} at {place.address}{heir}')
        _summary(cluster.ask_many(ENTITIES, GetCount))


def _look_around(cluster: Cluster) -> None:
    _title("cluster.members: what the cluster says (status), what we see ourselves (reachable)")
    _table(_members(cluster))
    _title("cluster.services")
    _table(cluster.services)


def _talk(cluster: Cluster) -> None:
    _title("Messages to entities and services")
    for _ in range(3):
        cluster.tell("counter/user-42", Increment(1))
    _line('cluster.tell("counter/user-42", Increment(1))      three times')
    _ask(cluster, "counter/user-42", GetCount)
    _ask(cluster, "counter/user-42", WhereAreYou)
    _ask(cluster, "payment", ProcessPayment(amount=100))
    place = cluster.where("counter/user-42")
    _line(f'cluster.where("counter/user-42")  ->  shard {place.shard} on {place.node} at {place.address}')

    _title(f"One question to {len(ENTITIES)} entities: cluster.ask_many(...)")
    _summary(cluster.ask_many(ENTITIES, GetCount))
    _title("cluster.shards, counted by owner")
    shards = cluster.shards
    _table(shards.groupby(["type", "node"], observed=True).size().rename("shards").reset_index())


def _break_and_mend(cluster: Cluster, demo: DemoCluster) -> None:
    _title(f"{VICTIM} is killed")
    killed = time.monotonic()
    demo.kill(VICTIM)
    noticed = _wait(lambda: not _reachable(cluster, VICTIM))
    _line(f"noticed by our own connection after {(noticed - killed) * 1000:.0f} ms")
    time.sleep(GOSSIP)
    _line(f"{GOSSIP:g} s later, when the other nodes have missed it (and perhaps gossiped it back to life: status up):")
    _table(_members(cluster))
    _title("The same question again: whoever lived there is named, with the reason")
    answers = cluster.ask_many(ENTITIES, GetCount, timeout=2.0)
    _summary(answers)
    failed = answers[answers["error"].notna()]
    if len(failed):
        print(fitting(textwrap.indent(textwrap.fill(str(failed["error"].iloc[0]), 100), " " * 6)))

    _title(f"{VICTIM} returns on its address")
    demo.restart(VICTIM)
    _wait(lambda: _reachable(cluster, VICTIM))
    _summary(cluster.ask_many(ENTITIES, GetCount))
    _title("cluster.events, the last of them")
    events = cluster.events.tail(6)
    _table(events.assign(time=events["time"].dt.strftime("%H:%M:%S"))[["time", "kind", "subject", "before", "after"]])


# --- small print ----------------------------------------------------------------------------------------------------


def _members(cluster: Cluster) -> DataFrame:
    return cluster.members[["node", "address", "status", "reachable", "leader", "roles", "services", "rtt_ms"]]


def _reachable(cluster: Cluster, name: str) -> bool:
    members = cluster.members
    return bool(members.loc[members["node"] == name, "reachable"].fillna(False).any())


def _ask(cluster: Cluster, target: str, message: Any) -> None:
    reply, took = _timed(lambda: cluster.ask(target, message))
    asked = message.__name__ if isinstance(message, type) else repr(message).replace(", reply_to=None", "")
    _line(f'cluster.ask("{target}", {asked})  ->  {reply}   in {took * 1000:.1f} ms')


def _summary(answers: DataFrame) -> None:
    good = answers[answers["error"].isna()]
    _line(f"{len(good)} of {len(answers)} answered; median {good['latency_ms'].median():.1f} ms")
    by_node = answers.assign(answered=answers["error"].isna()).groupby("node", observed=True)["answered"]
    for name, group in by_node:
        failed = f", {n} failed" if (n := int((~group).sum())) else ""
        _line(f"{name}: {int(group.sum())} answered{failed}", indent=6)


def _timed[T](call: Callable[[], T]) -> tuple[T, float]:
    before = time.perf_counter()
    return call(), time.perf_counter() - before


def _wait(condition: Callable[[], bool]) -> float:
    """Wait for what must come soon; the tour goes on and shows how things are if it does not."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return time.monotonic()


def _title(text: str) -> None:
    print(fitting(f"\n{text}\n{'-' * len(text)}"), flush=True)


def _line(text: str, indent: int = 4) -> None:
    print(fitting(" " * indent + text), flush=True)


def _table(table: DataFrame) -> None:
    for line in table.to_string(index=False, float_format="{:.1f}".format).splitlines():
        _line(line)
