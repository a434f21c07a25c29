"""What people type does what it says, or is refused in one line that names what to write."""

from __future__ import annotations

import copy
import enum
import logging
import re
from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter

import casty_notebook
from casty_notebook import Cluster
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount, Increment
from casty_notebook.errors import MisuseError
from casty_notebook.magics import connecting, demos
from casty_notebook.values.request import statement
from tests.magics.harness import Shell
from tests.magics.test_shell import usage_error


class TestComments:
    @pytest.mark.parametrize(
        ("line", "reply"),
        [
            ("%casty_ask counter/typed-1 Echo(1)  # a comment; with ' and {", 1),
            ("%casty_ask counter/typed-1 Echo('# 1')  # Echo('no')", "# 1"),
            ("%casty_ask counter/a#b Echo('kept') # no", "kept"),
            ('%casty_ask "counter/# odd" Echo(2)# tight', 2),
            ("%casty_ask counter/typed-1 Echo(3) -t 5  # after a flag", 3),
            ("%casty_ask counter/typed-1 Echo(4);  # silent", None),
            ("%casty_where counter/typed-1;  # silent", None),
        ],
    )
    def test_a_comment_after_a_line_magic_is_no_part_of_it(self, connected: Shell, line: str, reply: object) -> None:
        assert connected.run(line) == reply

    def test_every_line_magic_takes_one(self, connected: Shell, demo_cluster: DemoCluster) -> None:
        assert connected.run("%casty_where counter/a#b  # not #b").entity_id == "a#b"
        assert len(connected.run("%casty_members      # who is there")) == 3
        for line in ("services", "events", "shards counter", "topology", "connect demo", "connect", "doctor demo"):
            connected.run(f"x = %casty_{line}  # one word too many?!")
        connected.run(f"c = %casty_connect {demo_cluster.uri} --as red --colour #f00  # a colour is none")
        assert connected["c"].colour == "#f00"
        connected.run("%casty_disconnect red # gone\n%casty_connect demo;\n%casty_tell counter/commented Increment(2)   # two")
        assert connected.run("%casty_ask counter/commented GetCount  # 2") == 2

    def test_the_cell_magic_takes_them_in_its_line_and_its_body(self, connected: Shell) -> None:
        table = connected.run("%%casty_ask counter/{1..3}  # three\n# the question:\nEcho('#')  # a sharp\n# no more\n")
        assert list(table["reply"]) == ["#"] * 3
        assert connected.run("%%casty_ask counter/{1..3}\nEcho('#');  # in silence") is None


class TestBracesAndDollars:
    def test_the_address_of_a_cluster_is_filled_in(self, shell: Shell, demo_cluster: DemoCluster) -> None:
        shell.run(f"uri = {demo_cluster.uri!r}")
        assert shell.run("%casty_connect {uri} --as braces").name == "braces"
        shell.run("name = 'braces'\nc = %casty_connect {name}\nd = %casty_doctor {uri}")

    @pytest.mark.parametrize(
        ("cell", "says"),
        [
            ("%casty_connect $uri", "$uri is not filled in: write {uri}"),
            ("%casty_connect {nothing}", "nothing is not defined here"),
            ("%casty_connect {['a', 'b']}", "stands for 2 addresses"),
            ("%casty_ask counter/$user GetCount", "$user is not filled in: write {user}"),
            ("%casty_ask counter/${user} GetCount", "${user} is not filled in: write {user}"),
            ("%casty_where counter/{n:q}", "has no form 'q'"),
            ("%casty_ask counter/{n!r} GetCount", "is not a Python expression"),
            ("%%casty_ask counter/1 -o lambda\nGetCount", "expected the name of a variable"),
            ("%casty_tell account/1 Deposit", "Deposit is a class that cannot be made without its fields"),
            ("%casty_tell counter/1 None", "None is no message but nothing"),
            ("%casty_tell counter/1 42", "42 is no message but a bare int"),
            ("%casty_tell counter/1 'hello'", "'hello' is no message but a bare str"),
            ("%casty_tell counter/1 lambda r: 1", "is no message"),
            ("%casty_ask counter/1 GetCount -t -1", "If -t is meant as a flag, write it before the expression"),
            ("%casty_ask counter/1 GetCount() --timout 5", "unknown flag '--timout'. Did you mean --timeout?"),
            ("%casty_ask counter/1 GetCount --timout", "If --timout is meant as a flag"),
            ("%casty_ask --timout 5 counter/1 GetCount", "unknown flag '--timout'. Did you mean --timeout?"),
        ],
    )
    def test_a_mistake_is_one_line_that_says_what_to_write(self, connected: Shell, cell: str, says: str) -> None:
        connected.run("n, user = 7, 'u'")
        text = usage_error(connected, cell)
        assert says in text
        assert len(text.splitlines()) == 1

    def test_values_take_a_form_as_in_an_f_string(self, connected: Shell) -> None:
        connected.run("n, ids = 7, [1, 20]")
        assert connected.run("%casty_where counter/{n:03d}").entity_id == "007"
        table = connected.run("%%casty_ask counter/x{ids:03d} counter/{ids[0:1]}\nGetCount")
        assert list(table["target"]) == ["counter/x001", "counter/x020", "counter/1"]

    def test_a_dollar_or_a_brace_in_quotes_is_part_of_the_name(self, connected: Shell) -> None:
        assert connected.run("%casty_where 'counter/$user'").entity_id == "$user"
        assert connected.run("%casty_where 'counter/{1..3}'").entity_id == "{1..3}"

    def test_what_a_value_holds_is_not_filled_in_again(self, connected: Shell) -> None:
        connected.run("odd = 'a{1..3}{n}$n'")
        assert connected.run("%casty_where counter/{odd}").entity_id == "a{1..3}{n}$n"
        table = connected.run("%%casty_ask counter/{odd}\nWhereAreYou")
        assert [reply.actor for reply in table["reply"]] == ["a{1..3}{n}$n"]


class TestTheSameInPython:
    def test_braces_are_read_alike_by_every_call(self, connected: Shell) -> None:
        cluster = casty_notebook.current()
        assert isinstance(cluster, Cluster)
        expected = [f"counter/x{n}" for n in (1, 2, 3)]
        assert list(cluster.ask_many("counter/x{1..3}", GetCount)["target"]) == expected
        assert list(cluster.ask_many(["counter/x{1..3}", "counter/y"], GetCount)["target"]) == [*expected, "counter/y"]
        calls = (cluster.where, lambda each: cluster.ask(each, GetCount), lambda each: cluster.tell(each, Increment(1)))
        for call in calls:
            with pytest.raises(MisuseError, match=r"counter/x\{1\.\.3\} stands for 3 targets"):
                call("counter/x{1..3}")
        assert cluster.where("counter/x{7..7}").entity_id == "x7"
        table = cluster.ask_many(["x{1..3}"], GetCount, shard_type="counter")
        assert list(table["target"]) == ["counter/x{1..3}"], "an id is an id"

    def test_a_mistyped_type_is_met_with_the_closest(self, connected: Shell) -> None:
        cluster = casty_notebook.current()
        assert isinstance(cluster, Cluster)
        with pytest.raises(MisuseError, match="did you mean 'counter'"):
            cluster.where("countr/x")

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"shards": 100}, r"shards says how many each type has, as \{'counter': 100\}; 100 names no type"),
            ({"shrads": {"counter": 100}}, "connect has no option 'shrads'; did you mean shards"),
            ({"zzz": 1}, "it takes address_map, colour, "),
        ],
    )
    def test_a_wrong_option_of_connect_is_one_clear_line(self, options: dict[str, Any], says: str) -> None:
        with pytest.raises(MisuseError, match=says) as caught:
            casty_notebook.connect("casty://nobody@127.0.0.1:1", **options)
        assert len(str(caught.value).splitlines()) == 1

    @pytest.mark.parametrize("message", [None, 42, 4.2, True, "hello", "", b"x", len, lambda: None])
    def test_what_is_no_message_is_not_told(self, message: object) -> None:
        with pytest.raises(MisuseError, match="is no message"):
            statement(message)

    def test_what_is_one_is_told_as_it_is(self) -> None:
        @dataclass(frozen=True)
        class Reset:
            hard: bool = False

        class Signal(enum.IntEnum):
            STOP = 1

        for message in (Reset(hard=True), Signal.STOP, ("inc", 1), {"type": "inc"}):
            assert statement(message) is message
        assert statement(Reset) == Reset()
        assert copy.copy(statement("bank.messages.Close(day=3)")).day == 3


class TestWhatWasOpenStaysOpen:
    @pytest.mark.parametrize("flags", ["--ssh nobody@127.0.0.1:1", "--colour nothing-like-it", "--serializer none"])
    def test_a_demo_that_fails_closes_nothing(self, shell: Shell, demo_cluster: DemoCluster, flags: str) -> None:
        first = shell.run(f"%casty_connect {demo_cluster.uri} --as prod")
        assert shell.attempt(f"%casty_connect --demo --as prod {flags}").error_in_exec is not None
        assert connecting.open_connections() == {"prod": first}
        assert not first.closed
        assert demos.running("prod") is None


class TestCompletionOfAnotherConnection:
    def test_after_its_flag_the_names_of_that_connection_are_offered(
        self, connected: Shell, demo_cluster: DemoCluster
    ) -> None:
        connected.run("%casty_ask counter/on-demo GetCount;")
        connected.run(f"%casty_connect {demo_cluster.uri} --as other --shards counter=100 rare=10;")
        connected.run("%casty_ask counter/on-other GetCount;\n%casty_connect demo;")

        def offered(line: str) -> list[str]:
            with provisionalcompleter():
                return [completion.text for completion in connected.ip.Completer.completions(line, len(line))]

        assert "counter/on-demo" in offered("%casty_ask counter/")
        assert "counter/on-demo" not in offered("%casty_ask -c other counter/")
        assert "counter/on-other" in offered("%casty_ask -c other counter/")
        assert "rare/" in offered("%casty_ask -c other ra")
        assert "rare" in offered("%casty_shards --connection=other ra")
        assert "rare/" not in offered("%casty_ask ra")


class TestHowManyEnd:
    def test_a_fan_out_with_failures_ends_in_a_sentence(self, connected: Shell, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, "casty_notebook"):
            connected.run("x = %casty_ask counter/1 GetCount")
            connected.run("%%casty_ask counter/{1..4} casty://demo@127.0.0.1:1/nobody -t 0.3\nGetCount();")
        (said,) = [record.getMessage() for record in caplog.records if "answered" in record.getMessage()]
        # Whether the refusal or the end of the time is noticed first is the machine's affair.
        assert re.fullmatch(r"demo: 4 of 5 answered, 1 failed \(1 \w+\); the first is casty://demo@127.0.0.1:1/nobody", said)
