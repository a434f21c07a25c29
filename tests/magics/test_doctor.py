"""``%casty_doctor`` in a shell: of the current connection, of a named one, of an address that nobody answers at."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from IPython.core.error import UsageError

from casty_notebook import CheckUp, connect, doctor
from casty_notebook.advice import IN_MAGICS, spoken
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from casty_notebook.loops.background import background_loop
from casty_notebook.magics.connecting import open_connections
from casty_notebook.topology.problems import Problem
from casty_notebook.views.live.feed import LiveSource
from tests.magics.harness import Shell
from tests.support.ports import free_port
from tests.support.waiting import wait_until


def mistake(shell: Shell, line: str) -> str:
    """What is shown for a line that cannot be run: one line, no traceback."""
    assert isinstance(shell.attempt(line).error_in_exec, UsageError)
    shown = (shell.out + shell.err).strip()
    assert len(shown.splitlines()) == 1
    return shown


def test_the_current_connection_is_examined_and_another_by_its_name(connected: Shell) -> None:
    for line in ("%casty_doctor", "%casty_doctor demo", "%casty_doctor -c demo"):
        found = connected.run(line)
        assert isinstance(found, CheckUp)
        assert found.ok
        assert "✓ ok    members      3 of 3 reached from here" in repr(found)


def test_an_address_needs_no_connection_and_leaves_none(shell: Shell, demo_cluster: DemoCluster) -> None:
    found = shell.run(f"x = %casty_doctor casty://demo@{demo_cluster.contact_points[0]} --shards counter=100\nx")
    assert found.ok
    assert found.about("shards")[0].subject in ("account", "counter")
    assert not open_connections()


def test_what_cannot_be_reached_is_a_verdict_and_no_error(shell: Shell) -> None:
    found = shell.run(f"%casty_doctor casty://demo@127.0.0.1:{free_port()}")
    assert not found.ok
    assert "✗ fail  TCP" in repr(found)


def test_a_map_leads_to_where_it_says(shell: Shell, demo_cluster: DemoCluster) -> None:
    there = demo_cluster.contact_points[0]
    found = shell.run(f"%casty_doctor casty://demo@10.9.9.9:1 --map 10.9.9.9:1={there}")
    assert found.about("address")[0].text == f"mapped to {there}; {there.host} needs no resolving"
    assert found.about("handshake")[0].text.startswith(f"answered as {there} in ")
    assert found.ok


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%casty_doctor", "not connected. Run %casty_connect"),
        ("%casty_doctor prod", "no connection is named 'prod'."),
        ("%casty_doctor casty://demo@", "casty://"),
        ("%casty_doctor --tls nothing casty://demo@127.0.0.1:1", "no variable is named nothing."),
    ],
)
def test_a_mistake_in_the_line_is_one_line(shell: Shell, line: str, said: str) -> None:
    assert said in mistake(shell, line)


def test_options_of_an_address_are_refused_for_a_connection(connected: Shell, demo_cluster: DemoCluster) -> None:
    there = demo_cluster.contact_points[0]
    said = mistake(connected, f"%casty_doctor --map 10.9.9.9:1={there}")
    assert "--map is for an address; connection" in said


def test_what_to_do_is_a_flag_in_magics_and_a_keyword_in_python(
    shell: Shell, demo_cluster: DemoCluster, caplog: pytest.LogCaptureFixture
) -> None:
    first, *_, third = (node.address for node in demo_cluster.nodes)
    dead = free_port()
    with connect(demo_cluster.uri, shards=demo_cluster.shards, name="first") as whole:
        assert whole.ask_many("counter/user-{1..30}", GetCount).error.isna().all()
        near = next(each for n in range(1, 31) if whole.where(each := f"counter/user-{n}").node == "node-1")
    lost = f"casty://demo@{first} --map {third}=127.0.0.1:{dead}"
    cluster = shell.run(f"%casty_connect {lost}")
    remedy = wait_until(lambda: "".join(shell.run("%casty_problems").remedy), timeout=20)
    assert "if it does, --map or --ssh is the way to it" in remedy
    assert "if it does, address_map= or ssh= is the way to it" in cluster.problems.remedy[0]
    assert "%casty_problems says what to do" in repr(cluster)

    shell.run(f"from casty_notebook.demo.messages import GetCount\n%casty_ask {near} GetCount")
    assert "--shards counter=N makes them go straight" in caplog.text
    assert "--shards counter=N" in repr(shell.run("%casty_doctor"))
    assert "shards={'counter': N}" in repr(doctor(cluster))
    examined = shell.run(f"%casty_doctor {lost}").about("members")[-1]
    assert "see that the tunnel" in examined.fix or "--map" in examined.fix

    with connect(f"casty://demo@{first}", name="python", address_map={tuple(third): ("127.0.0.1", dead)}) as other:
        other.ask(near, GetCount)
        assert "shards={'counter': N} makes them go straight" in caplog.text
        wait_until(lambda: len(other.problems) > 0, timeout=20)
        assert "cluster.problems says what to do" in repr(other)

    def remedies(source: LiveSource) -> str:
        return wait_until(lambda: "; ".join(each.remedy for each in background_loop().run(_wrong(source))), timeout=20)

    assert "address_map= or ssh=" in remedies(LiveSource(cluster))
    with spoken(IN_MAGICS):
        source = LiveSource(cluster)
    assert "--map or --ssh" in remedies(source)


async def _wrong(source: LiveSource) -> Sequence[Problem]:
    return source.current().facts.problems or ()
