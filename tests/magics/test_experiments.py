"""Experiments by magic: sampling, fields as columns, read-only connections, and failures that name their cause."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from casty_notebook.demo import DemoCluster
from tests.magics.harness import Shell
from tests.support.waiting import wait_until


def usage_error(shell: Shell, cell: str) -> str:
    """The one line that a cell fails with."""
    error = shell.attempt(cell).error_in_exec
    assert type(error) is UsageError, repr(error)
    return str(error)


class TestSampling:
    def test_count_and_every_give_a_table_and_two_lines_for_a_terminal(self, connected: Shell) -> None:
        connected.run("table = %casty_ask --count 20 --every 0.01 counter/sampled GetCount")
        table = connected["table"]
        assert isinstance(table, pd.DataFrame)
        assert len(table) == 20
        first, bars = connected.out.splitlines()
        assert first.startswith("counter/sampled: 20 of 20 answered  min ")
        assert all(f"  {name} " in first for name in ("p50", "p90", "p99", "max"))
        assert len(bars) == 20
        assert set(bars) <= set("▁▂▃▄▅▆▇█×")

    @pytest.mark.parametrize(
        ("cell", "says"),
        [
            ("%casty_ask --every 0.1 counter/1 GetCount", "--every says how often of --count: give both"),
            ("%casty_ask --count 5 --all payment WhereAreYou", "--count asks one target: leave out --all"),
            ("%casty_ask --count x counter/1 GetCount", "--count 'x': expected a whole number above 0"),
            ("%casty_ask --count 2 countr/1 GetCount", "Did you mean counter/1?"),
            ("%casty_ask --count 1000000 counter/1 GetCount", "count must be from 1 to 100,000, not 1000000"),
        ],
    )
    def test_mistakes_are_one_line(self, connected: Shell, cell: str, says: str) -> None:
        assert says in usage_error(connected, cell)


class TestFanOut:
    def test_fields_become_columns(self, connected: Shell) -> None:
        table = connected.run("%%casty_ask account/magic-{1..3} --fields\nGetBalance()")
        assert list(table["amount"]) == [0, 0, 0]

    def test_a_column_of_a_table_names_the_targets(self, connected: Shell) -> None:
        connected.run("import pandas as pd\nusers = pd.DataFrame({'user': ['ann', 'bob', None]})")
        table = connected.run("%%casty_ask counter/{users['user'].dropna()}\nGetCount")
        assert list(table["target"]) == ["counter/ann", "counter/bob"]
        said = usage_error(connected, "%%casty_ask counter/{users['user']}\nGetCount")
        assert "at place 2 is missing (nan); drop such rows before asking" in said

    def test_a_service_on_one_member(self, connected: Shell) -> None:
        assert connected.run("%casty_ask payment@node-2 WhereAreYou").node == "node-2"
        said = usage_error(connected, "%casty_ask payment@nod-2 WhereAreYou")
        assert "no member is called 'nod-2'; did you mean 'node-2'." in said

    def test_the_reply_address_goes_into_another_field_on_request(self, connected: Shell) -> None:
        connected.run("import types\nEchoed = lambda answer_to: Echo(1, answer_to)")
        table = connected.run("%%casty_ask counter/1 --reply-field answer_to\nEchoed()")
        assert list(table["reply"]) == [1]


class TestReadOnly:
    @pytest.fixture
    def prod(self, shell: Shell, demo_cluster: DemoCluster) -> Shell:
        shell.run(
            f"%casty_connect {demo_cluster.uri} --as prod --shards counter=100 account=100 --read-only --colour crimson "
            "--question GetCount --question casty_notebook.demo.messages.GetBalance;"
        )
        assert shell.out == "current connection: prod [crimson, read-only].\n"
        return shell

    def test_questions_by_variable_and_by_dotted_name_are_asked(self, prod: Shell) -> None:
        assert prod.run("%casty_ask counter/rails GetCount") == 0
        assert prod.run("%casty_ask account/rails GetBalance").amount == 0

    def test_everything_else_is_one_line_that_names_the_connection(self, prod: Shell) -> None:
        said = usage_error(prod, "%casty_ask account/rails Deposit(1)")
        assert said.startswith(
            "connection 'prod' is read-only and casty_notebook.demo.messages.Deposit is not one of its questions, so it was not"
        )
        assert "is read-only: a tell would change something" in usage_error(prod, "%casty_tell counter/rails Increment()")
        assert "is not one of its questions" in usage_error(prod, "%%casty_ask account/{1..3}\nDeposit(1)")

    def test_the_list_and_the_card_show_it(self, prod: Shell) -> None:
        assert "[crimson, read-only]" in repr(prod.run("c = %casty_connect prod\nc"))
        assert "connected, crimson, read-only" in repr(prod.run("%casty_connect"))

    @pytest.mark.parametrize(
        ("flags", "says"),
        [
            ("--question GetCount", "questions are what a read-only connection may ask"),
            ("--read-only --question GetCuont", "no variable is named GetCuont. Did you mean GetCount?"),
            ("--read-only --question 1+1", "expected a name like bank.messages.GetBalance"),
            ("--colour url(x)", "is no colour; write a CSS name (crimson) or #rgb or #rrggbb"),
        ],
    )
    def test_mistakes_are_one_line(self, shell: Shell, demo_cluster: DemoCluster, flags: str, says: str) -> None:
        assert says in usage_error(shell, f"%casty_connect {demo_cluster.uri} {flags}")


class TestExplainedFailures:
    @pytest.mark.parametrize(
        ("cell", "starts"),
        [
            ("%casty_ask zzz WhereAreYou", "zzz: no instance of that service is in the last snapshot (there are: payment)."),
            ("%casty_ask counter WhereAreYou", "counter: no instance of that service is in the last snapshot"),
            ("%casty_ask zzz/1 WhereAreYou", "nothing is known of the sharded type 'zzz' (there are: account, counter)"),
            ("%casty_ask counter/1 Echo", "Echo cannot be made from reply_to alone"),
            ("%casty_ask counter/1 Increment(1)", "Increment has no field 'reply_to' for the reply's address"),
        ],
    )
    def test_one_line_begins_with_what_was_asked_and_the_cause(self, connected: Shell, cell: str, starts: str) -> None:
        said = usage_error(connected, cell)
        assert said.startswith(starts), said
        assert len(said.splitlines()) == 1

    def test_that_of_a_timeout_begins_with_the_target_and_where_it_went(self, connected: Shell) -> None:
        connected.run("%casty_ask counter/stuck-8 GetCount;")  # Where it lives is known then.
        said = usage_error(connected, "%casty_ask -t 0.2 counter/stuck-8 Slow(60)")
        assert said.startswith("counter/stuck-8: sent to 127.0.0.1:"), said
        assert len(said.splitlines()) == 1

    def test_a_sharded_type_in_place_of_a_service_is_recognised(self, connected: Shell) -> None:
        connected.run("%casty_ask counter/known GetCount;")
        wait_until(lambda: len(connected.run("%casty_shards counter")) > 0)
        assert "It is a sharded type: write counter/ENTITY-ID." in usage_error(connected, "%casty_ask counter WhereAreYou")

    def test_verbose_adds_the_story(self, connected: Shell) -> None:
        said = usage_error(connected, "%casty_ask -v -t 0.2 counter/stuck-9 Slow(60)")
        assert said.startswith("AskTimeout: counter/stuck-9: sent to")
        assert "What the session did last:" in said
        assert len(said.splitlines()) > 2

    @pytest.mark.parametrize(
        ("cell", "says"),
        [
            ("%casty_ask accont/1 GetBalance", "Did you mean account/1?"),
            ("%casty_ask paymnet WhereAreYou", "no service 'paymnet' is registered. Did you mean payment?"),
            ("%casty_ask payment@node_1 WhereAreYou", "did you mean 'node-1'"),
            ("%casty_ask counter/1 GetCuont", "GetCuont is not defined here. Did you mean GetCount?"),
            ("%casty_ask counter/1 Holdings", "not defined here. Import it, or write it in full, like bank.messages.Holdings"),
            ("%casty_ask counter/1 Transfer(amount=10)", "Transfer is not defined here. Import it, or write it in full"),
            ("%casty_ask counter/{user_nmae} GetCount", "user_nmae is not defined here. Did you mean user_name?"),
            ("%casty_ask -c dmo counter/1 GetCount", "no connection is named 'dmo'. Did you mean demo?"),
            ("%casty_ask --tmeout 1 counter/1 GetCount", "unknown flag '--tmeout'. Did you mean --timeout?"),
        ],
    )
    def test_names_are_met_with_the_closest_that_lives(self, connected: Shell, cell: str, says: str) -> None:
        connected.run("user_name = 'ann'")
        assert says in usage_error(connected, cell)


class TestCompletion:
    def offered(self, shell: Shell, line: str) -> list[str]:
        with provisionalcompleter():
            return [completion.text for completion in shell.ip.Completer.completions(line, len(line))]

    def test_members_are_offered_for_services_on_one_of_them(self, connected: Shell) -> None:
        assert self.offered(connected, "%casty_ask payment@") == ["payment@node-1", "payment@node-2"]
        assert self.offered(connected, "%casty_where payment@node-2") == []

    def test_messages_are_offered_as_questions(self, connected: Shell) -> None:
        assert self.offered(connected, "%casty_connect --question GetC") == ["GetCount"]

    def test_flags_are_offered(self, connected: Shell) -> None:
        assert self.offered(connected, "%casty_ask --co") == ["--connection", "--count"]
        assert "--read-only" in self.offered(connected, "%casty_connect --re")


class TestListening:
    def test_what_comes_is_a_table(self, connected: Shell) -> None:
        table = connected.run("%casty_listen --count 1 --for 20 counter/listened GetCount")
        assert list(table["message"]) == [0]
        assert list(table.columns) == ["time", "node", "message", "error"]
        assert table.attrs["summary"] == {"target": "counter/listened", "received": 1, "dropped": 0, "refused": 0}

    def test_the_time_ends_it_and_the_fields_may_be_columns(self, connected: Shell) -> None:
        table = connected.run("%casty_listen --for 0.5 --fields account/listened GetBalance()  # in words")
        assert list(table["amount"]) == [0]

    @pytest.mark.parametrize(
        ("cell", "says"),
        [
            ("%casty_listen --for never counter/1 GetCount", "--for 'never': expected a number of seconds"),
            ("%casty_listen --count 0 counter/1 GetCount", "--count '0': expected a whole number above 0"),
            ("%casty_listen countr/1 GetCount", "Did you mean counter/1?"),
            ("%casty_listen counter/1 Increment(1)", "Increment has no field 'reply_to'"),
        ],
    )
    def test_mistakes_are_one_line(self, connected: Shell, cell: str, says: str) -> None:
        assert says in usage_error(connected, cell)


class TestReport:
    def test_a_report_is_written_its_size_said_and_its_path_returned(self, connected: Shell, tmp_path: Path) -> None:
        connected.run(f"path = %casty_report {tmp_path}/incident.html --before 0.001 --note 'all is well'")
        assert connected["path"] == tmp_path / "incident.html"
        assert connected.out.startswith(f"wrote {tmp_path}/incident.html (")
        assert "all is well" in connected["path"].read_text("utf-8")

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("{folder}/taken.html", "is there already"),
            ("{folder}/none/x.html", "cannot be written: No such file or directory"),
            ("{folder}/x.html --before yesterday", "'yesterday' is no time"),
            ("{folder}/x.html --before 2020-01-01", "is before all that is remembered"),
        ],
    )
    def test_what_cannot_be_written_is_one_line(self, connected: Shell, tmp_path: Path, line: str, says: str) -> None:
        (tmp_path / "taken.html").touch()
        assert says in usage_error(connected, f"%casty_report {line.format(folder=tmp_path)}")
