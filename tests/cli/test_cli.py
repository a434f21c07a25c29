"""The command line in processes of its own, against a real cluster."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

import casty_notebook
from casty_notebook.cli.arguments import NOT_IN_A_SHELL
from casty_notebook.demo import DemoCluster
from casty_notebook.magics import grammars
from tests.support.ports import free_port

MESSAGES = "casty_notebook.demo.messages"


COMMANDS = {
    "ask": (grammars.CONNECT, grammars.ASK, grammars.FAN_OUT),
    "tell": (grammars.CONNECT, grammars.TELL),
    "watch": (grammars.CONNECT, grammars.WATCH),
    "listen": (grammars.CONNECT, grammars.LISTEN),
    "report": (grammars.CONNECT, grammars.REPORT),
    "top": (grammars.CONNECT, grammars.TOPOLOGY),
    "doctor": (grammars.DOCTOR,),
    **dict.fromkeys(("members", "shards", "services", "activations", "problems", "events", "where"), (grammars.CONNECT,)),
}
NOT_THERE = {
    ("watch", "--notify"): "its lines are what it says",
    ("watch", "--force"): "many are asked, and those that nobody knows are refused",
    ("listen", "--fields"): "a line for each message, of which --json shows the fields",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "casty_notebook.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=50)


def rows(*arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_tables_come_as_text_json_and_csv(demo_cluster: DemoCluster) -> None:
    assert [row["node"] for row in rows("members", demo_cluster.uri)] == ["node-1", "node-2", "node-3"]
    assert run("services", demo_cluster.uri, "--csv").stdout.splitlines()[0] == "service,node,address,path,reachable"
    assert "node-2" in run("members", demo_cluster.uri).stdout


def test_nodes_of_casty_030_tell_what_they_are_at(virtual_demo: DemoCluster, demo_cluster: DemoCluster) -> None:
    rows("ask", virtual_demo.uri, "counter/by-shell", f"{MESSAGES}.GetCount()")
    assert "by-shell" in {row["key"] for row in rows("activations", virtual_demo.uri)}
    assert sum(row["active"] for row in rows("loads", virtual_demo.uri) if row["type"] == "counter") >= 1
    done = run("loads", demo_cluster.uri)
    assert done.returncode != 0
    assert "those of 0.30 can" in done.stderr


def test_a_message_is_told_and_a_question_answered(demo_cluster: DemoCluster) -> None:
    uri, counts = demo_cluster.uri, ("--shards", "counter=100")
    before = rows("ask", uri, "counter/by-shell", f"{MESSAGES}.GetCount()", *counts)
    assert run("tell", uri, "counter/by-shell", f"{MESSAGES}.Increment(4)", *counts).returncode == 0
    assert rows("ask", uri, "counter/by-shell", f"{MESSAGES}.GetCount()", *counts) == before + 4
    table = rows("ask", uri, "counter/by-shell-{1..3}", f"{MESSAGES}.GetCount()", *counts)
    assert [row["reply"] for row in table] == [0, 0, 0]
    assert rows("where", uri, "counter/user-42", *counts)["shard"] == 87


def test_a_message_is_told_to_all_that_a_pattern_stands_for(demo_cluster: DemoCluster) -> None:
    uri, counts = demo_cluster.uri, ("--shards", "counter=100")
    assert run("tell", uri, "counter/told-{1..3}", f"{MESSAGES}.Increment(2)", *counts).returncode == 0
    table = rows("ask", uri, "counter/told-{1..3}", f"{MESSAGES}.GetCount()", *counts)
    assert [row["reply"] for row in table] == [2, 2, 2]


def test_a_well_cluster_is_well(demo_cluster: DemoCluster) -> None:
    assert run("doctor", demo_cluster.uri).returncode == 0
    assert run("problems", demo_cluster.uri, "--watch", "0.1").returncode == 0


def test_what_to_do_is_a_flag_or_a_command_of_the_shell(demo_cluster: DemoCluster) -> None:
    rows("ask", demo_cluster.uri, "counter/by-shell", f"{MESSAGES}.GetCount()", "--shards", "counter=100")
    checked = run("doctor", demo_cluster.uri).stdout
    assert "give the number that the nodes use: --shards counter=N, N above" in checked
    noticed = run("ask", demo_cluster.uri, "counter/by-shell", f"{MESSAGES}.GetCount()")
    assert "--shards counter=N makes them go straight" in noticed.stderr
    first, *_, third = (node.address for node in demo_cluster.nodes)
    lost = "--map", f"{third}=127.0.0.1:{free_port()}"
    wrong = run("problems", f"casty://demo@{first}", *lost, "--watch", "4")
    assert "if it does, --map or --ssh is the way to it" in wrong.stdout
    for said in (checked, noticed.stderr, wrong.stdout):
        assert not re.search(r"\w=[{ ]|address_map|%casty", said)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("members", "casty://demo@127.0.0.1:1", "-t", "2"), 1, "connection refused"),
        (("members", "casty://demo@127.0.0.1:1", "-t", "2"), 1, "casty-notebook doctor, with the same address"),
        (("members", "no-address"), 2, "casty://"),
        (("membres", "casty://demo@127.0.0.1:1"), 2, "there is no command"),
        (("members", "casty://demo@127.0.0.1:1", "--shards", "counter"), 2, "expected TYPE=NUMBER"),
        (("doctor", "casty://demo@127.0.0.1:1"), 1, ""),
    ],
)
def test_what_goes_wrong_has_a_line_and_a_code(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistyped_shard_type_is_not_called_empty(demo_cluster: DemoCluster) -> None:
    done = run("shards", demo_cluster.uri, "countr", "--shards", "counter=100")
    assert done.returncode == 2
    assert "no shard type 'countr' is known (there are:" in done.stderr
    assert "counter" in done.stderr
    assert run("shards", demo_cluster.uri, "counter", "--shards", "counter=100").returncode == 0


def test_it_says_which_release_it_is() -> None:
    assert run("--version").stdout == f"casty-notebook {casty_notebook.__version__}\n"


def test_a_failed_question_is_a_failure(demo_cluster: DemoCluster) -> None:
    done = run("ask", demo_cluster.uri, "no-such-service", f"{MESSAGES}.GetCount()", "-t", "1")
    assert done.returncode == 1
    assert "no-such-service" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_the_flags_of_its_magic(command: str) -> None:
    said = run(command, "--help").stdout
    for grammar in COMMANDS[command]:
        for flag in grammar.flags:
            there = re.search(rf"(?m)^  (-\w( \S+)?, )?{re.escape(flag.names[-1])}\b", said) is not None
            assert there != (flag.names[0] in NOT_IN_A_SHELL or (command, flag.names[0]) in NOT_THERE), flag.names


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["memebrs"], "there is no command 'memebrs'. Did you mean members?"),
        (["members", "casty://a@127.0.0.1:1", "--josn"], "--josn: not taken here. Did you mean --json?"),
        (["members", "casty://a@127.0.0.1:1", "--shards", "counter"], "'counter': expected TYPE=NUMBER"),
        (["members", "casty://a@127.0.0.1:1", "--tls", "files"], "'files' would be a variable of Python: a shell has none"),
        (["members", "casty://a@127.0.0.1:1", "--tls", "certfile=a,password=b"], "password is a secret"),
        (["members", "casty://a@127.0.0.1:1", "--ssh", "me@there,client_keys=/no/key"], "there is no file '/no/key'"),
        (["ask", "casty://a@127.0.0.1:1", "a/b", "a.B", "--every", "1"], "--every says how often of --count"),
        (["ask", "casty://a@127.0.0.1:1", "a/{1..2}", "a.B", "--count", "2"], "--count is for one target"),
    ],
)
def test_a_mistyped_line_says_what_was_meant(line: list[str], says: str) -> None:
    done = run(*line)
    assert done.returncode == 2
    assert says in done.stderr


def test_flags_may_stand_before_a_word_that_may_be_left_out(demo_cluster: DemoCluster) -> None:
    rows("ask", demo_cluster.uri, "--shards", "counter=100", "counter/by-shell", f"{MESSAGES}.GetCount()")
    found = rows("shards", demo_cluster.uri, "--shards", "counter=100,account=100", "counter")
    assert {row["type"] for row in found} == {"counter"}


def test_a_place_and_what_the_doctor_found_are_rows_too(demo_cluster: DemoCluster) -> None:
    counts = ("--shards", "counter=100")
    rows("ask", demo_cluster.uri, "counter/user-42", f"{MESSAGES}.GetCount()", *counts)  # from now on it is somewhere
    header, place = run("where", demo_cluster.uri, "counter/user-42", *counts, "--csv").stdout.splitlines()
    assert dict(zip(header.split(","), place.split(","), strict=True))["shard"] == "87"
    assert rows("where", demo_cluster.uri, "counter/user-42", *counts)["address"] in map(
        str, (node.address for node in demo_cluster.nodes)
    )
    assert run("doctor", demo_cluster.uri, "--csv").stdout.splitlines()[0] == "check,subject,verdict,text,fix"


def test_every_instance_is_asked_and_one_is_measured(demo_cluster: DemoCluster) -> None:
    question = f"{MESSAGES}.ProcessPayment(amount=1)"
    assert {row["node"] for row in rows("ask", demo_cluster.uri, "--all", "payment", question)} == {"node-1", "node-2"}
    assert len(rows("ask", demo_cluster.uri, "payment", question, "--count", "3", "--every", "0.01")) == 3


def test_a_read_only_command_tells_nothing(demo_cluster: DemoCluster) -> None:
    rail = ("--read-only", "--question", f"{MESSAGES}.GetCount", "--shards", "counter=100")
    rows("ask", demo_cluster.uri, "counter/by-shell", f"{MESSAGES}.GetCount()", *rail)
    assert "read-only" in run("tell", demo_cluster.uri, "counter/by-shell", f"{MESSAGES}.Increment(1)", *rail).stderr


def test_the_whole_story_is_told_on_request(demo_cluster: DemoCluster) -> None:
    ask = ("ask", demo_cluster.uri, "counter/x", f"{MESSAGES}.Nothing()", "--shards", "counter=100", "-t", "0.5")
    assert "What the session did last" not in run(*ask).stderr
    assert "What the session did last" in run(*ask, "-v").stderr
