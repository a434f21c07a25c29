"""The magics as they are typed into terminal IPython, in a process and a terminal of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from casty_notebook.demo import DemoCluster
from tests.magics.harness import Terminal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def terminal(tmp_path: Path, demo_cluster: DemoCluster) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    made.type("%load_ext casty_notebook")
    made.type("from casty_notebook.demo.messages import *")
    made.type(f"%casty_connect {demo_cluster.uri} --shards counter=100;  # in silence")
    yield made
    made.close()


def test_a_line_in_a_function_means_the_functions_own_names(terminal: Terminal) -> None:
    terminal.type("user, n = 'global', 1000")
    terminal.type("f = lambda user, n: get_ipython().run_line_magic('casty_ask', 'counter/{user} Echo((user, n))')")
    assert "('mine', 2)" in terminal.type("f('mine', 2)")
    assert "('global', 1000)" in terminal.type("%casty_ask counter/{user} Echo((user, n))  # mine")


def test_ctrl_c_is_one_line_and_the_next_ask_is_answered(terminal: Terminal) -> None:
    terminal.process.sendline("%casty_ask -t 60 counter/terminal-slow Slow(print('as' + 'king', flush=True) or 40)")
    terminal.process.expect_exact("asking")
    terminal.process.sendintr()
    shown = terminal.shown()
    assert "KeyboardInterrupt: the reply is no longer waited for; the question may have been answered." in shown
    assert len([line for line in re.split(r"[\r\n]+", shown) if line.strip(" ^C")]) == 1, shown
    assert "again" in terminal.type("%casty_ask counter/terminal-1 Echo('again')  # one more")


def test_the_topology_is_the_text_once_where_the_terminal_cannot_be_drawn_on(terminal: Terminal) -> None:
    line = re.compile(r"● node-2 +up +reachable .* 127\.0\.0\.1:\d+")
    # The nodes that are no contact point are reached a moment after the connection is there.
    wait_until(lambda: line.search(terminal.type("%casty_topology")), timeout=10)
    assert "\x1b" not in terminal.type("%casty_topology")


def test_the_topology_is_live_until_q_and_the_next_line_is_as_before(tmp_path: Path, demo_cluster: DemoCluster) -> None:
    pytest.importorskip("textual", reason="extra top: ./dev setup installs it")
    terminal = Terminal(tmp_path, term="xterm-256color")
    terminal.type("%load_ext casty_notebook")
    terminal.type(f"%casty_connect {demo_cluster.uri} --shards counter=100;")
    terminal.process.sendline("%casty_topology")
    terminal.process.expect_exact("● node-3")
    terminal.process.send("q")
    terminal.shown()
    assert "by hand" in terminal.type("%casty_ask counter/terminal-2 casty_notebook.demo.messages.Echo('by hand')")
    terminal.close()


def test_a_watch_is_drawn_in_its_place_until_ctrl_c_and_keeps_what_it_saw(tmp_path: Path, demo_cluster: DemoCluster) -> None:
    terminal = Terminal(tmp_path, term="xterm-256color")
    terminal.type("%load_ext casty_notebook")
    terminal.type("from casty_notebook.demo.messages import *")
    terminal.type(f"c = %casty_connect {demo_cluster.uri} --shards counter=100")
    terminal.process.sendline("w = c.watch('counter/drawn', GetCount, every=0.1); w")
    for _ in range(3):
        terminal.process.expect(r"\x1b\[2FWatch of counter/drawn on demo, every 0\.1 s")
    terminal.process.sendintr()
    shown = terminal.shown()
    assert "Traceback" not in shown
    assert "stopped: it was stopped" in shown
    assert "True True" in terminal.type("print(w.stopped, len(w.data) > 3)")
    assert "\x1b[2F" not in terminal.type("w")
    terminal.close()


def test_a_watch_is_text_once_where_the_terminal_cannot_be_drawn_on(terminal: Terminal) -> None:
    shown = terminal.type("%casty_watch counter/once GetCount")
    assert "Watch of counter/once" in shown
    assert "\x1b" not in shown
