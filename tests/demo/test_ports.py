"""Ports for nodes: free, ascending, and away from those that systems give to outgoing connections."""

from __future__ import annotations

import socket

import pytest

from casty_notebook.demo.ports import PORTS, free_port, free_ports
from casty_notebook.errors import ClusterError


def test_ports_ascend_and_differ() -> None:
    ports = free_ports(20)
    assert ports == sorted(set(ports))


def test_ports_stay_below_those_of_outgoing_connections() -> None:
    assert max(PORTS) < 32_768
    assert free_port() in PORTS


def test_ports_lie_above_a_given_one_while_there_is_room() -> None:
    assert min(free_ports(5, above=30_000)) > 30_000
    assert free_ports(1, above=PORTS.stop - 2)[0] in PORTS


def test_a_port_that_is_listened_on_is_not_given() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        assert all(port not in free_ports(100, above=port - 300) for _ in range(5))


def test_a_host_of_another_machine_is_an_error_that_names_it() -> None:
    with pytest.raises(ClusterError, match=r"at 192\.0\.2\.1"):
        free_ports(1, "192.0.2.1")
