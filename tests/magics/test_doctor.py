"""``%casty_doctor`` in a shell: of the current connection, of a named one, of an address that nobody answers at."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from casty_notebook import CheckUp
from casty_notebook.demo import DemoCluster
from casty_notebook.magics.connecting import open_connections
from tests.magics.harness import Shell
from tests.support.ports import free_port


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
    assert "address_map is for an address; connection" in said
