"""The launcher against real processes: what it starts, what it breaks, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import ClusterError, MisuseError
from tests.support import tls
from tests.support.ports import free_port
from tests.support.waiting import wait_until

StartCluster = Callable[..., DemoCluster]

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def addresses(demo: DemoCluster) -> set[NodeAddress]:
    return {node.address for node in demo.nodes}


def gone(pid: int | None) -> bool:
    """Ended, and reaped by whoever had to."""
    assert pid is not None
    return not psutil.pid_exists(pid)


# --- starting -------------------------------------------------------------------------------------------------------


def test_three_nodes_are_up_and_each_sees_all_when_start_returns(demo_cluster: DemoCluster) -> None:
    assert [node.name for node in demo_cluster.nodes] == ["node-1", "node-2", "node-3"]
    assert [node.state for node in demo_cluster.nodes] == ["up", "up", "up"]
    for node in demo_cluster.nodes:
        assert node.view.up == addresses(demo_cluster)
        assert node.view.services == {node.address for node in demo_cluster.nodes[:2]}


def test_uri_and_shards_are_what_connect_takes(demo_cluster: DemoCluster) -> None:
    listed = ",".join(str(node.address) for node in demo_cluster.nodes)
    assert demo_cluster.uri == f"casty://demo@{listed}"
    assert demo_cluster.shards == {"counter": 100, "account": 100}
    assert demo_cluster.contact_points == tuple(node.address for node in demo_cluster.nodes)


def test_the_first_node_has_the_lowest_address_and_so_leads(demo_cluster: DemoCluster) -> None:
    assert [node.address for node in demo_cluster.nodes] == sorted(addresses(demo_cluster))


def test_nodes_listen_on_loopback_only(demo_cluster: DemoCluster) -> None:
    for node in demo_cluster.nodes:
        listening = [c.laddr for c in psutil.Process(node.pid).net_connections("inet") if c.status == "LISTEN"]
        assert [tuple(address) for address in listening] == [tuple(node.address)]


def test_starting_twice_starts_once(demo_cluster: DemoCluster) -> None:
    pids = [node.pid for node in demo_cluster.nodes]
    assert demo_cluster.start() is demo_cluster
    assert [node.pid for node in demo_cluster.nodes] == pids


def test_text_and_html_name_every_node_and_its_state(demo_cluster: DemoCluster) -> None:
    shown = demo_cluster._repr_html_()
    for node in demo_cluster.nodes:
        assert f"{node.name} {node.address} up" in repr(demo_cluster)
        assert f"<td>{node.name}</td><td>{node.address}</td><td>{node.pid}</td><td>up</td>" in shown


def test_html_escapes_the_system_name() -> None:
    assert "<script>" not in DemoCluster(1, system="<script>")._repr_html_()


def test_two_clusters_run_side_by_side(demo_cluster: DemoCluster, start_cluster: StartCluster) -> None:
    other = start_cluster(system="other")
    assert other.nodes[0].view.up == addresses(other)
    assert not addresses(other) & addresses(demo_cluster)


def test_a_cluster_of_no_nodes_is_refused() -> None:
    with pytest.raises(MisuseError, match="nodes must be at least 1, not 0"):
        DemoCluster(0)


def test_before_start_there_is_no_uri_and_no_node() -> None:
    demo = DemoCluster(2)
    assert not demo.running
    assert repr(demo) == "<DemoCluster 'demo': 2 nodes, not started>"
    with pytest.raises(MisuseError, match="before start"):
        _ = demo.uri
    with pytest.raises(MisuseError, match="call start"):
        demo.kill("node-1")
    with pytest.raises(MisuseError, match="start\\(\\) the cluster"):
        demo.add()


def test_an_unknown_node_name_is_answered_with_the_known_ones(demo_cluster: DemoCluster) -> None:
    with pytest.raises(MisuseError, match="no node 'node-9'; there are node-1, node-2, node-3"):
        demo_cluster.kill("node-9")


def test_an_interpreter_without_casty_is_named_with_the_remedy(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    python = bare / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    demo = DemoCluster(1, python=python)
    with pytest.raises(MisuseError, match=r"casty is not installed for .*bare.*casty-notebook\[demo\]"):
        demo.start()
    assert not demo.running


def test_an_interpreter_that_is_none_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"cannot run .*nothing-here"):
        DemoCluster(1, python=tmp_path / "nothing-here").start()


def test_a_node_that_cannot_start_is_an_error_with_its_reason_and_leaves_nothing(tmp_path: Path) -> None:
    demo = DemoCluster(2, tls=tmp_path)
    with pytest.raises(ClusterError, match=r"node-\d did not start.*(?s:.)*No such file"):
        demo.start()
    assert not demo.running
    children = psutil.Process().children(recursive=True)
    assert not [child.pid for child in children if str(tmp_path) in " ".join(child.cmdline())]


def test_a_cluster_with_tls_json_and_compression_comes_up(start_cluster: StartCluster, tmp_path: Path) -> None:
    tls.issue(tmp_path)
    demo = start_cluster(2, tls=tmp_path, serializer="json", compression="zlib")
    for node in demo.nodes:
        assert node.view.up == addresses(demo)


# --- breaking and mending -------------------------------------------------------------------------------------------


def test_a_killed_node_is_seen_to_be_gone_and_returns_on_its_address(start_cluster: StartCluster) -> None:
    demo = start_cluster(2)
    first, second = demo.nodes
    old = second.pid

    assert demo.kill("node-2") is second
    assert (second.alive, second.state) == (False, "ended")
    assert gone(old)
    assert demo.contact_points == (first.address,)
    wait_until(lambda: second.address in first.view.unreachable, 15, "node-1 never missed node-2")

    assert demo.restart("node-2") is second
    assert second.pid != old
    assert second.view.up == first.view.up == addresses(demo)
    assert not first.view.unreachable


def test_the_first_node_joins_the_others_again_when_it_returns(start_cluster: StartCluster) -> None:
    demo = start_cluster(2)
    demo.kill("node-1")
    assert demo.restart("node-1").view.up == addresses(demo)


def test_restart_ends_a_living_node_first(start_cluster: StartCluster) -> None:
    demo = start_cluster(1)
    old = demo.nodes[0].pid
    demo.restart("node-1")
    assert gone(old)
    assert demo.nodes[0].state == "up"


def test_an_added_node_joins_and_is_seen_by_all(start_cluster: StartCluster) -> None:
    demo = start_cluster(1)
    added = demo.add()
    assert added.name == "node-2"
    assert added.address > demo.nodes[0].address, "the first one goes on leading"
    assert [node.view.up for node in demo.nodes] == [addresses(demo)] * 2


def test_terminate_ends_a_node_within_its_patience(start_cluster: StartCluster) -> None:
    demo = start_cluster(1)
    before = time.monotonic()
    node = demo.terminate("node-1")
    assert gone(node.pid)
    assert time.monotonic() - before < 3


@posix_only
def test_a_frozen_node_is_missed_and_seen_again_when_thawed(start_cluster: StartCluster) -> None:
    demo = start_cluster(2)
    first, second = demo.nodes
    demo.freeze("node-2")
    assert (second.alive, second.state) == (True, "frozen")
    assert psutil.Process(second.pid).status() == psutil.STATUS_STOPPED
    wait_until(lambda: second.address in first.view.unreachable, 15, "node-1 never missed node-2")
    demo.thaw("node-2")
    assert second.state == "up"
    wait_until(lambda: second.address not in first.view.unreachable, 15, "node-1 never saw node-2 again")


@posix_only
def test_freezing_a_node_that_has_ended_says_so(start_cluster: StartCluster) -> None:
    demo = start_cluster(1)
    demo.kill("node-1")
    with pytest.raises(MisuseError, match="node-1 has ended; restart it"):
        demo.freeze("node-1")


def test_the_log_of_a_node_is_kept_for_reading(start_cluster: StartCluster) -> None:
    demo = start_cluster(1, log_level="info")
    address = demo.nodes[0].address
    wait_until(lambda: f"Started on {address}" in demo.nodes[0].log_tail(500), 5, "no log")
    assert len(demo.nodes[0].log_tail(2).splitlines()) == 2


def test_a_taken_port_is_refused_at_once_and_named() -> None:
    port = free_port()
    command = [sys.executable, "-m", "casty_notebook.demo.node", "--port", str(port)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert '"loaded"' in first.stdout.readline()
        assert '"ready"' in first.stdout.readline()
        second = subprocess.run(command, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=10)
        assert second.returncode == 1
        assert f"cannot listen at 127.0.0.1:{port}" in second.stdout
    finally:
        first.communicate(timeout=10)
    assert first.returncode == 0


# --- ending ---------------------------------------------------------------------------------------------------------


def test_stop_leaves_no_process_no_zombie_and_no_thread() -> None:
    threads = threading.active_count()
    demo = DemoCluster(2).start()
    pids = [node.pid for node in demo.nodes]
    demo.stop()
    assert all(map(gone, pids))
    assert threading.active_count() == threads
    demo.stop()


@posix_only
def test_stop_ends_frozen_nodes_too() -> None:
    with DemoCluster(1) as demo:
        demo.freeze("node-1")
        pid = demo.nodes[0].pid
    assert gone(pid)


def test_a_stopped_cluster_can_be_started_again(start_cluster: StartCluster) -> None:
    demo = start_cluster(1)
    demo.stop()
    assert demo.start().nodes[0].state == "up"


def test_a_node_killed_from_outside_leaves_no_zombie(start_cluster: StartCluster) -> None:
    demo = start_cluster(1)
    pid = demo.nodes[0].pid
    assert pid is not None
    psutil.Process(pid).kill()
    wait_until(lambda: gone(pid), 5, "nobody reaped it")
    assert demo.nodes[0].state == "ended"


def test_it_can_be_used_from_several_threads(start_cluster: StartCluster) -> None:
    demo = start_cluster(1)
    threads = [threading.Thread(target=demo.add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [node.name for node in demo.nodes] == ["node-1", "node-2", "node-3"]
    assert all(node.view.up == addresses(demo) for node in demo.nodes)


LAUNCHER = """
    import os, signal, sys, time
    from casty_notebook.demo import DemoCluster
    demo = DemoCluster(1).start()
    {before}
    print(*(node.pid for node in demo.nodes), flush=True)
    {then}
"""

WAYS_TO_END = {
    "at the end of the script": "",
    "by an exception": "raise SystemExit(3)",
    "by SIGTERM": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
    "by Ctrl-C": "os.kill(os.getpid(), signal.SIGINT); time.sleep(60)",
    "when the object is dropped": "del demo; sys.stdin.read()",
}


def run_launcher(before: str, then: str) -> tuple[subprocess.Popen[str], list[int]]:
    script = textwrap.dedent(LAUNCHER.format(before=before, then=then))
    launcher = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    pids = [int(pid) for pid in launcher.stdout.readline().split()]
    assert len(pids) == 1, launcher.communicate()[1]
    return launcher, pids


@pytest.mark.parametrize("then", WAYS_TO_END.values(), ids=WAYS_TO_END.keys())
def test_nodes_end_with_their_launcher(then: str) -> None:
    launcher, pids = run_launcher("", then)
    try:
        wait_until(lambda: all(map(gone, pids)), 10, "nodes are left")
    finally:
        launcher.communicate()


@posix_only
@pytest.mark.parametrize("before", ["", "demo.freeze('node-1')"], ids=["running", "frozen"])
def test_nodes_end_when_their_launcher_is_killed(before: str) -> None:
    launcher, pids = run_launcher(before, "time.sleep(60)")
    launcher.kill()
    launcher.communicate()
    wait_until(lambda: all(map(gone, pids)), 10, "nodes are left")


@posix_only
def test_nodes_end_when_a_fork_of_the_killed_launcher_lives_on() -> None:
    launcher, pids = run_launcher("", "child = os.fork(); child and print(child, flush=True); time.sleep(30)")
    assert launcher.stdout is not None
    child = psutil.Process(int(launcher.stdout.readline()))
    try:
        launcher.kill()
        wait_until(lambda: all(map(gone, pids)), 10, "nodes are left: the fork holds their stdin open")
    finally:
        child.kill()
        launcher.communicate()


@posix_only
def test_a_forked_child_that_ends_does_not_take_the_nodes_with_it() -> None:
    launcher, pids = run_launcher("", "os.fork() or sys.exit(); os.wait(); print('waited', flush=True); time.sleep(60)")
    try:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "waited\n"
        assert all(psutil.pid_exists(pid) for pid in pids)
    finally:
        launcher.kill()
        launcher.communicate()


@posix_only
def test_an_interrupt_of_the_terminal_does_not_reach_the_nodes(start_cluster: StartCluster) -> None:
    demo = start_cluster(1)
    assert os.getpgid(demo.nodes[0].pid or 0) != os.getpgid(0)
    assert os.getsid(demo.nodes[0].pid or 0) == os.getsid(0)


@posix_only
def test_ctrl_c_during_the_start_leaves_nothing() -> None:
    threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
    demo = DemoCluster(2)

    def start_again_and_again() -> None:
        while True:
            demo.start()
            demo.stop()

    with pytest.raises(KeyboardInterrupt):
        start_again_and_again()
    demo.stop()
    assert not demo.running
