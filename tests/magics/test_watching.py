"""``%casty_watch``: what stands before the expression, what it returns, and that it ends with the extension."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from casty_notebook.demo import DemoCluster
from casty_notebook.magics.commands import parse_line
from casty_notebook.views.watch.watch import Watch
from tests.magics.harness import Kernel, Shell
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    ("line", "targets", "expression"),
    [
        ("counter/a GetCount", ["counter/a"], "GetCount"),
        ("counter/a account/b payment@node-2 Get( 'x  y' )", ["counter/a", "account/b", "payment@node-2"], "Get( 'x  y' )"),
        ("payment bank.messages.Get(a=1/2)", ["payment"], "bank.messages.Get(a=1/2)"),
        ("casty://shop@10.0.1.10:25520/user/a Get", ["casty://shop@10.0.1.10:25520/user/a"], "Get"),
        ("--every 0.5 counter/{1..5} --field count Get", ["counter/{1..5}"], "Get"),
        ("counter/a 'counter b' Get", ["counter/a", "counter b"], "Get"),
    ],
)
def test_targets_end_where_the_expression_begins(line: str, targets: list[str], expression: str) -> None:
    command = parse_line("casty_watch", line)
    assert [str(each) for each in command.targets] == targets  # type: ignore[attr-defined]
    assert command.expression == expression  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "TARGET and EXPRESSION missing"),
        ("counter/a", "EXPRESSION missing"),
        ("counter/a --evry 2 GetCount", "Did you mean --every?"),
        ("counter/a --every 0 GetCount", "expected more than 0 seconds"),
    ],
)
def test_mistakes_of_the_line_are_one_line(line: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_line("casty_watch", line)
    assert says in str(error.value)


def test_it_returns_a_watch_that_ends_with_the_extension(connected: Shell) -> None:
    watch = connected.run("watch = %casty_watch --every 0.05 counter/magic-{1..2} GetCount\nwatch")
    assert isinstance(watch, Watch)
    connected.run("%casty_tell counter/magic-2 Increment(6)")
    wait_until(lambda: watch.replies == {"counter/magic-1": 0, "counter/magic-2": 6})
    assert connected.run("watch.data.columns[0]") == "time"
    for cell, says in [
        ("%casty_watch countr/a GetCount", "Did you mean counter/a?"),
        ("%casty_watch --field nod counter/a WhereAreYou", "has no field 'nod'; its fields: node"),
        ("%casty_watch --every 0.01 counter/{1..9} GetCount", "900 asks a second"),
    ]:
        error = connected.attempt(cell).error_in_exec
        assert type(error) is UsageError
        assert says in str(error)
    connected.run("%unload_ext casty_notebook")
    wait_until(lambda: watch.stopped)
    assert "the connection was closed" in repr(watch)


def test_a_kernel_shows_it_as_a_widget_with_text_and_html_beside(kernel: Kernel, demo_cluster: DemoCluster) -> None:
    kernel.run("%load_ext casty_notebook\nfrom casty_notebook.demo.messages import *")
    kernel.run(
        f"%casty_connect {demo_cluster.uri} --shards counter=100 --read-only --question casty_notebook.demo.messages.GetCount;"
    )
    reply, shown = kernel.run("%casty_watch --every 0.1 counter/kernel GetCount")
    assert reply["status"] == "ok", reply
    still, live = (content["data"] for kind, content in shown if kind in ("execute_result", "display_data"))
    assert "application/vnd.jupyter.widget-view+json" in live
    assert set(still) == {"text/html", "text/plain"}, "what pages without a kernel show"
    assert "counter/kernel  0" in still["text/plain"]
    assert "<svg" in still["text/html"]
    reply, _ = kernel.run("%casty_watch counter/kernel WhereAreYou")
    assert reply["status"] == "error"
    assert "read-only" in reply["evalue"]


IN_A_TERMINAL = """
import io, sys
class Terminal(io.StringIO):
    def isatty(self): return True
sys.__stdout__ = Terminal()
from casty_notebook.views.alarms.bell import ring_terminal
ring_terminal()
"""


def test_a_kernel_does_not_ring_in_its_servers_terminal_and_shows_the_bell(kernel: Kernel, demo_cluster: DemoCluster) -> None:
    kernel.run(IN_A_TERMINAL)
    assert kernel.value("sys.__stdout__.getvalue()") == ""
    kernel.run(f"%load_ext casty_notebook\n%casty_connect {demo_cluster.uri};")
    reply, shown = kernel.run("%casty_topology --notify")
    assert reply["status"] == "ok", reply
    texts = [content["data"]["text/plain"] for kind, content in shown if kind in ("execute_result", "display_data")]
    assert texts[0].startswith("<Bell of demo: rings when a problem appears")
    assert any(text.startswith("Casty cluster demo") for text in texts[1:])


def test_in_a_shell_without_a_page_the_bell_is_not_shown(connected: Shell) -> None:
    connected.run("watch = %casty_watch --notify --every 0.1 counter/a GetCount")
    assert "Bell" not in connected.out
    bell = connected.run("from casty_notebook import current\ncurrent().bell()")
    assert not bell.stopped
    connected["watch"].stop()
    bell.stop()
    wait_until(lambda: bell.stopped)
