"""Forked children and interpreters that end: a clear error at once, connections of one's own, and always an end."""

from __future__ import annotations

import os

import pytest

from casty_notebook.demo import DemoCluster
from tests.support.scripts import after_connecting, run_script

fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@fork
def test_a_forked_child_is_refused_connects_anew_and_ends_while_its_parent_goes_on(demo_cluster: DemoCluster) -> None:
    script = after_connecting("""
        cluster = connected("parent")
        assert cluster.ask("counter/forked", GetCount) == 0
        pid = os.fork()
        if pid == 0:
            for call in (lambda: cluster.ask("counter/forked", GetCount), lambda: cluster.tell("counter/forked", Increment(1)),
                         lambda: cluster.health, lambda: cluster.where("counter/forked")):
                try:
                    call()
                except errors.CastyNotebookError as error:
                    print(type(error).__name__, flush=True)
            print(repr(casty_notebook.current()), list(casty_notebook.connections()), flush=True)
            with connected("child") as own:
                print("child", own.ask("counter/forked", GetCount), flush=True)
            connected("left-open")
            sys.exit(3)
        _, status = os.waitpid(pid, 0)
        print("parent", os.waitstatus_to_exitcode(status), cluster.ask("counter/forked", GetCount), flush=True)
    """)
    done = run_script(script, demo_cluster.uri)
    assert done.stdout.splitlines() == [*["WrongProcess"] * 4, "None []", "child 0", "parent 3 0"], done.stderr


@fork
def test_a_child_that_leaves_a_with_block_ends_and_closes_nothing_of_its_parents(demo_cluster: DemoCluster) -> None:
    script = after_connecting("""
        with connected("parent") as cluster:
            pid = os.fork()
            if pid == 0:
                sys.exit(0)
            _, status = os.waitpid(pid, 0)
            print(os.waitstatus_to_exitcode(status), cluster.ask("counter/with", GetCount), len(cluster.members))
    """)
    done = run_script(script, demo_cluster.uri)
    assert done.stdout.split() == ["0", "0", "3"], done.stderr


@fork
def test_the_workers_of_a_forking_pool_make_connections_of_their_own(demo_cluster: DemoCluster) -> None:
    script = after_connecting("""
        import multiprocessing
        cluster = connected("parent")
        def work(number):
            try:
                return cluster.ask("counter/pool", GetCount)
            except errors.CastyNotebookError as error:
                with connected("worker") as own:
                    return type(error).__name__, own.ask("counter/pool", GetCount)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(work, range(2)))
        print(cluster.ask("counter/pool", GetCount))
    """)
    done = run_script(script, demo_cluster.uri)
    assert done.stdout.splitlines() == ["[('WrongProcess', 0), ('WrongProcess', 0)]", "0"], done.stderr


@fork
def test_a_client_of_the_users_own_loop_is_refused_in_a_forked_child(demo_cluster: DemoCluster) -> None:
    script = after_connecting("""
        import asyncio
        from casty_notebook import ClusterClient, ShardEnvelope
        contacts = [(host, int(port)) for host, port in (each.split(":") for each in uri.partition("@")[2].split(","))]
        async def count(client):
            return await client.ask(client.entity_ref("counter", 100), lambda r: ShardEnvelope("own-loop", GetCount(r)))
        async def main():
            async with ClusterClient(contact_points=contacts, system_name="demo") as client:
                before = await count(client)
                counter = client.entity_ref("counter", 100)
                pid = os.fork()
                if pid == 0:
                    told = ShardEnvelope("own-loop", Increment(1))
                    for call in (lambda: counter.tell(told), lambda: asyncio.run(count(client))):
                        try:
                            call()
                        except errors.CastyNotebookError as error:
                            print(type(error).__name__, flush=True)
                    os._exit(0)
                os.waitpid(pid, 0)
                print(before, await count(client))
        asyncio.run(main())
    """)
    done = run_script(script, demo_cluster.uri)
    assert done.stdout.splitlines() == ["WrongProcess", "WrongProcess", "0 0"], done.stderr


EXIT_HANDLER = """
import atexit, sys

def bye():
    for call in (lambda: cluster.tell("counter/e", Increment(1)), lambda: cluster.ask("counter/e", GetCount)):
        try:
            call()
            print("done")
        except errors.CastyNotebookError as error:
            print(type(error).__name__)
    cluster.close()
    print("closed")

if sys.argv[2] == "last":
    atexit.register(bye)
"""


def test_an_exit_handler_that_asks_tells_and_closes_ends(demo_cluster: DemoCluster) -> None:
    script = EXIT_HANDLER + after_connecting("""
        cluster = connected("exit")
        if sys.argv[2] == "first":
            atexit.register(bye)
    """)
    first = run_script(script, demo_cluster.uri, "first")
    assert first.stdout.split() == ["done", "done", "closed"], first.stderr
    last = run_script(script, demo_cluster.uri, "last")
    assert last.stdout.split() == ["ClientClosed", "ClientClosed", "closed"], last.stderr


def test_a_finalizer_that_the_interpreter_calls_last_ends(demo_cluster: DemoCluster) -> None:
    script = after_connecting("""
        class Holder:
            def __init__(self):
                self.cluster, self.write = connected("finalized"), os.write
                self.ask, self.add = GetCount, Increment(1)
            def __del__(self):
                for call in (lambda: self.cluster.tell("counter/e", self.add), lambda: self.cluster.ask("counter/e", self.ask)):
                    try:
                        call()
                        self.write(1, b"done ")
                    except Exception as error:
                        self.write(1, type(error).__name__.encode() + b" ")
                self.cluster.close()
                self.write(1, b"closed ")
        holder = Holder()
    """)
    done = run_script(script, demo_cluster.uri)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ClientClosed", "ClientClosed", "closed"], done.stderr


def test_a_connection_that_nobody_closed_before_the_loop_was_frozen_can_still_be_closed(demo_cluster: DemoCluster) -> None:
    script = after_connecting("""
        import atexit
        from casty_notebook.client.connections import close_all
        atexit.unregister(close_all)
        class Holder:
            def __init__(self):
                self.cluster, self.ask, self.write = connected("never-closed"), GetCount, os.write
            def __del__(self):
                try:
                    self.cluster.ask("counter/e", self.ask)
                except Exception as error:
                    self.write(1, str(error).encode())
                self.cluster.close()
                self.write(1, b" closed")
        holder = Holder()
    """)
    done = run_script(script, demo_cluster.uri)
    assert done.returncode == 0, done.stderr
    assert "interpreter is ending" in done.stdout, done.stderr
    assert done.stdout.endswith("closed"), done.stderr


def test_a_listener_that_never_returns_does_not_keep_the_interpreter_from_ending(demo_cluster: DemoCluster) -> None:
    script = after_connecting("""
        import time
        cluster = casty_notebook.connect(uri, name="kept", settings=casty_notebook.Settings(close_timeout=0.1))
        cluster._loop.soon(time.sleep, 600)
        print("ends")
    """)
    done = run_script(script, demo_cluster.uri)
    assert (done.returncode, done.stdout.strip()) == (0, "ends"), done.stderr
    assert "kept: not closed, since a listener keeps the background loop" in done.stderr
