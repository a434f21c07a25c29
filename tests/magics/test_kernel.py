"""The magics in a real kernel, in a process of its own, against a real cluster."""

from __future__ import annotations

import re
import time

import psutil
import pytest

from casty_notebook.demo import DemoCluster
from tests.magics.harness import Kernel
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(120)

LOOP_THREAD = "casty-notebook-loop"


def connect(kernel: Kernel, demo: DemoCluster) -> Kernel:
    reply, _ = kernel.run(
        "%load_ext casty_notebook\n"
        "from casty_notebook.demo.messages import *\n"
        f"%casty_connect {demo.uri} --shards counter=100 account=100;"
    )
    assert reply["status"] == "ok", reply
    return kernel


@pytest.fixture(scope="module")
def connected(shared_kernel: Kernel, demo_cluster: DemoCluster) -> Kernel:
    return connect(shared_kernel, demo_cluster)


def test_a_session_from_loading_to_unloading(kernel: Kernel, demo_cluster: DemoCluster) -> None:
    connected = connect(kernel, demo_cluster)
    before = set(connected.value("[t.name for t in __import__('threading').enumerate()]"))

    reply, _ = connected.run("x = %casty_ask account/kernel-1 Deposit(7)")
    assert reply["status"] == "ok", reply
    assert connected.value("x.amount") == 7

    reply, shown = connected.run("%casty_ask countr/kernel-1 GetCount()")
    assert reply["ename"] == "UsageError"
    printed = [content["text"] for kind, content in shown if kind == "stream"]
    assert len("".join(printed).strip().splitlines()) == 1
    assert "Did you mean counter/kernel-1?" in "".join(printed)
    assert not [kind for kind, _ in shown if kind == "error"], "a user's mistake shows no traceback"

    reply, _ = connected.run("%reload_ext casty_notebook\n%reload_ext casty_notebook")
    assert reply["status"] == "ok", reply
    assert connected.value("len(get_ipython().Completer.custom_matchers)") == 1
    reply, _ = connected.run(
        f"%casty_connect {demo_cluster.uri} --shards counter=100;\n%casty_ask counter/kernel-1 GetCount();"
    )
    assert reply["status"] == "ok", reply

    reply, _ = connected.run("%unload_ext casty_notebook")
    assert reply["status"] == "ok", reply
    after = set(connected.value("[t.name for t in __import__('threading').enumerate()]"))
    assert after <= before | {LOOP_THREAD}
    assert {name for name in after if "casty" in name} == {LOOP_THREAD}


def test_ctrl_c_ends_a_waiting_ask_and_the_next_one_works(connected: Kernel) -> None:
    # Said by the message itself, so the magic is at work when Ctrl-C comes.
    request = connected.start("%casty_ask -t 60 counter/kernel-slow Slow(print('asking', flush=True) or 40)")
    for kind, content in connected.output_of(request):
        if kind == "stream" and "asking" in content["text"]:
            started = time.monotonic()
            connected.manager.interrupt_kernel()
        if kind == "error":
            assert content["traceback"] == [
                "KeyboardInterrupt: the reply is no longer waited for; the question may have been answered."
            ]
    assert connected.reply_to(request)["ename"] == "KeyboardInterrupt"
    assert time.monotonic() - started < 10

    request = connected.start("%%casty_ask counter/fast-{1..200} counter/kernel-slow-2 -t 60 --concurrency 4 -o table\nSlow(0.2)")
    shown = []
    for kind, content in connected.output_of(request):
        shown.append((kind, content))
        if kind == "display_data":
            connected.manager.interrupt_kernel()
    assert connected.reply_to(request)["status"] == "ok", "what has arrived is the result"
    said = "".join(content["text"] for kind, content in shown if kind == "stream")
    assert re.search(r"demo: interrupted after \d+ of 201; the table keeps what has arrived", said)
    summary = connected.value("table.attrs['summary']")
    assert summary["asked"] == 201 == connected.value("len(table)")
    assert summary["answered"] > 0 < summary["interrupted"]

    connected.run("x = %casty_ask counter/kernel-2 GetCount()")
    assert connected.value("x") == 0


def test_ctrl_c_while_connecting_is_one_line(kernel: Kernel) -> None:
    # Listens, and never answers: the connection stands and the handshake waits.
    kernel.run("%load_ext casty_notebook\nimport socket; mute = socket.create_server(('127.0.0.1', 0))")
    kernel.run("uri = f'casty://x@127.0.0.1:{mute.getsockname()[1]}'; kept = []")
    kernel.run("def wait():\n    kept.append(mute.accept())\n    print('connecting', flush=True)")
    request = kernel.start("__import__('threading').Thread(target=wait).start()\n%casty_connect {uri} -t 60")
    shown = []
    for kind, content in kernel.output_of(request):
        shown.append((kind, content))
        if kind == "stream" and "connecting" in content["text"]:
            kernel.manager.interrupt_kernel()
    (error,) = [content for kind, content in shown if kind == "error"]
    assert error["traceback"] == ["KeyboardInterrupt: no connection was made."]
    assert kernel.value("len(__import__('casty_notebook.magics.connecting', fromlist=['x']).open_connections())") == 0


def test_a_fan_out_with_failures_ends_in_a_sentence_and_its_bar_is_gone(connected: Kernel) -> None:
    _, shown = connected.run(
        "%%casty_ask counter/fails-{1..3} casty://demo@127.0.0.1:1/nobody -t 1.5 --concurrency 1 -o table\nSlow(0.6)"
    )
    said = "".join(content["text"] for kind, content in shown if kind == "stream")
    assert "demo: 3 of 4 answered, 1 failed (1 " in said
    assert "counter" not in said
    assert connected.value("table.attrs['summary']['answered']") == 3
    assert connected.value("[bar for bar in __import__('tqdm').tqdm._instances if not bar.disable] == []")


def test_what_takes_less_than_a_second_shows_no_progress(connected: Kernel) -> None:
    _, shown = connected.run("%%casty_ask counter/kernel-{1..20} -o table\nGetCount()")
    assert [kind for kind, _ in shown if "display" in kind] == []
    assert connected.value("len(table)") == 20


def test_a_progress_bar_appears_after_a_second_and_goes_with_the_result(connected: Kernel) -> None:
    _, shown = connected.run("%%casty_ask counter/slow-{1..9} --concurrency 3 -o table\nSlow(0.6)")
    bars = [content["data"] for kind, content in shown if kind == "display_data"]
    assert len(bars) == 1
    drawn = [content["data"] for kind, content in shown if kind == "update_display_data"]
    assert re.search(r"<progress max=.*asking.*: \d of 9 asks \(\d s\)", drawn[0]["text/html"])
    assert drawn[-1] == {"text/plain": "", "text/html": ""}
    assert connected.value("table.attrs['summary']['answered']") == 9


def test_what_was_waited_for_goes_when_it_is_there(kernel: Kernel) -> None:
    reply, shown = kernel.run(
        "import time\nfrom casty_notebook.client.progress import ProgressLine\n"
        "with ProgressLine(lambda: 'connecting') as line:\n    time.sleep(1.1); line.tick()"
    )
    assert reply["status"] == "ok", reply
    lines = [content["data"] for kind, content in shown if "display" in kind]
    assert "connecting (1 s)" in lines[1]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in str(lines), "in the saved notebook it would be an error for ever"
    assert lines[-1] == {"text/plain": "", "text/html": ""}, "it stands there for ever, as if it were still connecting"


def test_completion_and_help_reach_the_front_end(connected: Kernel) -> None:
    connected.run("%casty_ask counter/kernel-3 GetCount();")
    client = connected.client

    def offered(line: str) -> list[str]:
        matches: list[str] = connected.reply_to(client.complete(line, len(line)))["matches"]
        return matches

    wait_until(lambda: "counter/kernel-3" in offered("y = %casty_ask cou"))
    assert offered("%casty_members -c ") == ["demo"]
    help_text = connected.reply_to(client.inspect("%casty_ask"))["data"]["text/plain"]
    assert "%casty_ask [-c NAME] [-t SECONDS]" in help_text


def test_the_demo_ends_with_its_kernel(kernel: Kernel) -> None:
    reply, _ = kernel.run("%load_ext casty_notebook\nc = %casty_connect --demo")
    assert reply["status"] == "ok", reply
    kernel.run("from casty_notebook.magics.api import casty_demo")
    pids = kernel.value("[node.pid for node in casty_demo().nodes]")
    assert all(map(psutil.pid_exists, pids))
    kernel.manager.shutdown_kernel()
    wait_until(lambda: not any(map(psutil.pid_exists, pids)))
