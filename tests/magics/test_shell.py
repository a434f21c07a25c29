"""The magics in a real shell against a real cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import Balance, PaymentReceipt, Whereabouts
from casty_notebook.magics import connecting, demos
from tests.magics.harness import Shell
from tests.support.shells import extensions_of, formatter_of
from tests.support.waiting import wait_until

NAMES = ("connect", "disconnect", "ask", "tell", "members", "shards", "services", "events", "where", "topology")


def usage_error(shell: Shell, cell: str) -> str:
    """The one line that a cell fails with."""
    error = shell.attempt(cell).error_in_exec
    assert type(error) is UsageError, repr(error)
    assert shell.err.strip() == f"UsageError: {error}"
    return str(error)


class TestLoading:
    def test_loading_adds_every_magic_and_unloading_takes_all_back(self, bare_shell: Shell) -> None:
        ip = bare_shell.ip

        def state() -> tuple[object, ...]:
            return (
                {kind: set(table) for kind, table in ip.magics_manager.magics.items()},
                list(ip.Completer.custom_matchers),
                list(ip.configurables),
                dict(ip.magics_manager.registry),
                {mime: dict(f.type_printers) for mime, f in formatter_of(ip).formatters.items()},
                {mime: dict(f.deferred_printers) for mime, f in formatter_of(ip).formatters.items()},
            )

        # Not by %load_ext, which brings magics of IPython's own with it the first time.
        before = state()
        extensions_of(ip).load_extension("casty_notebook")
        lines = ip.magics_manager.magics["line"]
        assert all(f"casty_{name}" in lines for name in NAMES)
        extensions_of(ip).unload_extension("casty_notebook")
        assert state() == before

    def test_loading_twice_and_reloading_leave_one_of_everything(self, shell: Shell) -> None:
        shell.run("%load_ext casty_notebook\n%reload_ext casty_notebook\n%reload_ext casty_notebook")
        extensions_of(shell.ip)._call_load_ipython_extension(__import__("casty_notebook"))
        assert len(shell.ip.Completer.custom_matchers) == 1
        assert sum(type(c).__name__ == "CastyMagics" for c in shell.ip.configurables) == 1

    def test_unloading_closes_the_connections_and_leaves_no_thread_but_the_loops(self, connected: Shell) -> None:
        connected.run("%unload_ext casty_notebook")
        assert connecting.open_connections() == {}
        wait_until(lambda: {t.name for t in threading.enumerate() if "casty" in t.name} <= {"casty-notebook-loop"})

    def test_the_help_of_every_magic_is_its_grammar(self, shell: Shell) -> None:
        assert "%%casty_ask [-c NAME]" in shell.ip.object_inspect_mime("%%casty_ask")["text/plain"]
        for name in NAMES:
            text = shell.ip.object_inspect_mime(f"%casty_{name}")["text/plain"]
            assert f"%casty_{name} [" in text

    def test_the_defaults_are_configured(self, shell: Shell) -> None:
        shell.run("%config CastyMagics.timeout = 0.5")
        assert shell.run("%config CastyMagics.timeout") == 0.5

    @pytest.mark.parametrize("wrong", ["float('nan')", "float('inf')", "-1", "0", "'5'", "True"])
    def test_a_default_that_no_call_would_take_is_refused_and_the_one_before_kept(
        self, shell: Shell, caplog: pytest.LogCaptureFixture, wrong: str
    ) -> None:
        for name in ("timeout", "connect_timeout", "concurrency"):
            before = shell.run(f"%config CastyMagics.{name}")
            shell.attempt(f"%config CastyMagics.{name} = {wrong}")
            assert shell.run(f"%config CastyMagics.{name}") == before
            assert f"{name} must be" in caplog.text


class TestConnecting:
    def test_a_connection_becomes_current_and_shows_its_card(self, shell: Shell, demo_cluster: DemoCluster) -> None:
        cluster = shell.run(f"%casty_connect {demo_cluster.uri} --as one")
        assert cluster.name == "one"
        assert connecting.current_connection() is cluster
        assert "one" in repr(cluster)

    def test_without_an_argument_the_connections_are_listed(self, shell: Shell, demo_cluster: DemoCluster) -> None:
        assert "No connections" in repr(shell.run("%casty_connect"))
        shell.run(f"%casty_connect {demo_cluster.uri} --as one;\n%casty_connect {demo_cluster.uri} --as two;")
        listed = shell.run("%casty_connect")
        assert [(row.name, row.current, row.members) for row in listed] == [("one", False, 3), ("two", True, 3)]
        assert "<table" in listed._repr_html_()

    def test_a_change_of_the_current_connection_is_said(self, shell: Shell, demo_cluster: DemoCluster) -> None:
        shell.run(f"%casty_connect {demo_cluster.uri} --as one;\n%casty_connect {demo_cluster.uri} --as two;")
        assert "current connection: two (was one)." in shell.out
        shell.run("%casty_connect one;")
        assert shell.out == "current connection: one (was two).\n"
        shell.run("%casty_disconnect")
        assert shell.out == "closed one.\ncurrent connection: two (was one).\n"
        shell.run("%casty_disconnect")
        assert shell.out == "closed two.\nno current connection.\n"

    def test_a_change_by_a_plain_call_is_said_too(self, shell: Shell, demo_cluster: DemoCluster) -> None:
        shell.run(f"%casty_connect {demo_cluster.uri} --as one;\nimport casty_notebook")
        shell.run(f"two = casty_notebook.connect('{demo_cluster.uri}', name='two', colour='crimson', read_only=True);")
        assert shell.out == "current connection: two [crimson, read-only] (was one).\n"
        shell.run("two.close()")
        assert shell.out == "current connection: one (was two).\n"
        shell.run("%unload_ext casty_notebook")
        assert shell.out == ""

    def test_a_second_connection_of_a_name_replaces_the_first(self, shell: Shell, demo_cluster: DemoCluster) -> None:
        first = shell.run(f"%casty_connect {demo_cluster.uri} --as one")
        second = shell.run(f"%casty_connect {demo_cluster.uri} --as one")
        assert "closed the earlier connection one" in shell.out
        assert (first.closed, second.closed) == (True, False)

    def test_a_failed_connect_leaves_the_earlier_one_of_its_name(self, shell: Shell, demo_cluster: DemoCluster) -> None:
        first = shell.run(f"%casty_connect {demo_cluster.uri} --as one")
        usage_error(shell, "%casty_connect casty://demo@127.0.0.1:1 --as one -t 0.5")
        assert connecting.open_connections() == {"one": first}
        assert not first.closed

    def test_nobody_there_is_one_line_that_names_the_contact_point(self, shell: Shell) -> None:
        assert "127.0.0.1:1" in usage_error(shell, "%casty_connect casty://demo@127.0.0.1:1 -t 0.5")

    @pytest.mark.parametrize(
        ("cell", "says"),
        [
            ("%casty_members", "not connected. Run %casty_connect"),
            ("%casty_members -c prod", "no connection is named 'prod'."),
            ("%casty_connect prod", "neither casty://SYSTEM@HOST:PORT nor the name of a connection"),
            ("%casty_connect casty://x", "names no system"),
            ("%casty_connect casty://x@a:1 --demo", "leave out"),
            ("%casty_connect casty://x@a:1 --messages ctx", "no variable is named ctx"),
        ],
    )
    def test_mistakes_are_one_line(self, shell: Shell, cell: str, says: str) -> None:
        assert says in usage_error(shell, cell)

    def test_an_unknown_connection_is_met_with_the_closest(self, connected: Shell) -> None:
        assert "Did you mean demo?" in usage_error(connected, "%casty_members -c dmo")

    def test_the_demo_lives_and_dies_with_its_connection(self, shell: Shell) -> None:
        cluster = shell.run("c = %casty_connect --demo --as play\nc")
        assert "starting a demo cluster" in shell.out
        running = demos.running("play")
        assert running is not None
        pids = [node.pid for node in running.nodes]
        assert len(pids) == 3
        assert shell.run("%casty_ask account/x GetBalance()") == Balance("x", 0)
        shell.run("%casty_disconnect play")
        assert cluster.closed
        assert demos.running("play") is None
        assert not any(node.alive for node in running.nodes)


class TestAsking:
    def test_the_reply_is_the_value_of_the_magic(self, connected: Shell) -> None:
        connected.run("x = %casty_ask counter/shell-1 GetCount()")
        assert connected["x"] == 0

    @pytest.mark.parametrize("message", ["GetCount", "GetCount()", "GetCount(reply_to)", "lambda r: GetCount(r)"])
    def test_every_form_of_a_message_is_answered(self, connected: Shell, message: str) -> None:
        assert connected.run(f"%casty_ask counter/shell-2 {message}") == 0

    def test_a_class_that_is_not_in_the_namespace_is_sent_by_name(self, connected: Shell) -> None:
        connected.run("del GetBalance")
        reply = connected.run("%casty_ask account/shell-3 casty_notebook.demo.messages.GetBalance()")
        assert reply == Balance("shell-3", 0)

    def test_a_reply_whose_class_was_not_given_is_a_stand_in(self, shell: Shell, demo_cluster: DemoCluster) -> None:
        shell.run(f"%casty_connect {demo_cluster.uri};")
        reply = shell.run("%casty_ask payment ProcessPayment(2)")
        assert repr(reply).startswith("casty_notebook.demo.messages.PaymentReceipt(")
        assert reply.amount == 2

    def test_tell_changes_what_ask_reads(self, connected: Shell) -> None:
        connected.run("%casty_tell counter/shell-4 Increment(5)")
        assert connected.run("%casty_ask counter/shell-4 GetCount()") == 5

    def test_values_of_the_namespace_are_used_in_message_and_target(self, connected: Shell) -> None:
        connected.run("user, value = 'shell 5', {'a': ['b']}")
        assert connected.run("%casty_ask counter/{user} Echo({**value, 'u': user})") == {"a": ["b"], "u": "shell 5"}
        assert connected.run('%casty_ask "counter/shell 5" WhereAreYou()').actor == "shell 5"

    def test_a_semicolon_silences_and_the_ask_still_runs(self, connected: Shell) -> None:
        assert connected.run("%casty_ask account/o'brien Deposit(3);") is None
        assert connected.run("%casty_ask account/o'brien GetBalance()").amount == 3

    def test_a_service_and_all_of_its_instances_answer(self, connected: Shell) -> None:
        assert isinstance(connected.run("%casty_ask payment ProcessPayment(1)"), PaymentReceipt)
        table = connected.run("%casty_ask --all payment WhereAreYou()")
        assert {reply.node for reply in table["reply"]} == {"node-1", "node-2"}

    def test_the_cell_magic_asks_many_and_keeps_the_order(self, connected: Shell) -> None:
        table = connected.run("%%casty_ask counter/{[3, 1, 2]} payment -t 5\nWhereAreYou(\n  reply_to,\n)")
        assert isinstance(table, pd.DataFrame)
        assert list(table["target"])[:3] == ["counter/3", "counter/1", "counter/2"]
        assert len(table) == 5
        assert all(isinstance(reply, Whereabouts) for reply in table["reply"])

    def test_the_table_goes_into_a_variable_on_request(self, connected: Shell) -> None:
        assert connected.run("%%casty_ask counter/{1..20} -o table\nGetCount()") is None
        assert len(connected["table"]) == 20

    def test_a_failure_of_one_is_a_row_and_not_the_end_of_all(self, connected: Shell) -> None:
        table = connected.run("%%casty_ask counter/1 casty://demo@127.0.0.1:1/nobody -t 0.3\nGetCount()")
        assert [pd.isna(error) or error is None for error in table["error"]] == [True, False]

    def test_a_service_that_nobody_offers_is_a_row_too(self, connected: Shell) -> None:
        table = connected.run("%%casty_ask counter/1 zzz -t 0.3\nGetCount()")
        assert [pd.isna(error) or error is None for error in table["error"]] == [True, False]

    def test_another_connection_is_used_on_request(self, connected: Shell, demo_cluster: DemoCluster) -> None:
        connected.run(f"%casty_connect {demo_cluster.uri} --as other --shards counter=100;\n%casty_connect demo;")
        connected.run("%casty_tell -c other counter/shell-6 Increment(2)")
        assert connected.run("%casty_ask -c other counter/shell-6 GetCount()") == 2

    @pytest.mark.parametrize(
        ("cell", "says"),
        [
            ("%casty_ask countr/1 GetCount()", "Did you mean counter/1?"),
            ("%casty_ask paymnt GetCount()", "Did you mean payment?"),
            ("%casty_ask counter/1 GetCout()", "Did you mean GetCount?"),
            ("%casty_shards countr", "Did you mean counter?"),
            ("%casty_where countr/1", "Did you mean counter/1?"),
            ("%casty_ask counter/{1..3} GetCount()", "Ask them with %%casty_ask"),
            ("%casty_tell counter/1 GetCount(reply_to)", "Use %casty_ask"),
            ("%casty_ask counter/1 GetCount(reply_to, 1)", "TypeError: "),
            ("%casty_ask -t 0.2 counter/stuck-1 Slow(60)", "counter/stuck-1"),
        ],
    )
    def test_mistakes_and_failures_are_one_line(self, connected: Shell, cell: str, says: str) -> None:
        text = usage_error(connected, cell)
        assert says in text
        assert len(text.splitlines()) == 1

    def test_verbose_tells_the_whole_story(self, connected: Shell) -> None:
        error = connected.attempt("%casty_ask -v -t 0.2 counter/stuck-2 Slow(60)").error_in_exec
        assert str(error).startswith("AskTimeout: ")

    def test_the_configured_timeout_holds_where_no_flag_is_given(self, connected: Shell) -> None:
        connected.run("%config CastyMagics.timeout = 0.2")
        started = time.monotonic()
        usage_error(connected, "%casty_ask counter/stuck-3 Slow(60)")
        assert time.monotonic() - started < 5, "that of the magic without it"

    def test_what_the_users_own_code_raises_is_shown_as_it_is(self, connected: Shell) -> None:
        connected.run("def broken(*anything):\n    raise LookupError('mine')")
        for message in ("broken()", "broken(reply_to)"):
            assert isinstance(connected.attempt(f"%casty_ask counter/1 {message}").error_in_exec, LookupError)


class TestTables:
    def test_members_shards_services_and_events_are_tables(self, connected: Shell) -> None:
        connected.run("%casty_ask counter/table GetCount();")
        wait_until(lambda: len(connected.run("%casty_shards counter")) > 0)
        assert set(connected.run("%casty_members")["node"]) == {"node-1", "node-2", "node-3"}
        assert set(connected.run("%casty_services")["service"]) == {"payment"}
        assert isinstance(connected.run("%casty_events"), pd.DataFrame)
        assert set(connected.run("%casty_shards")["type"]) >= {"counter"}

    def test_where_says_the_shard_and_the_node(self, connected: Shell) -> None:
        connected.run("%casty_ask counter/user-42 GetCount();")
        wait_until(lambda: connected.run("%casty_where counter/user-42").node is not None)
        assert connected.run("%casty_where counter/user-42").shard == 87

    def test_the_topology_is_a_live_view_that_also_shows_as_text(self, connected: Shell) -> None:
        data, _ = connected.run("view = %casty_topology\nview")._repr_mimebundle_()
        assert data["text/plain"].startswith("Casty cluster demo")


class TestCompletion:
    def offered(self, shell: Shell, line: str) -> list[str]:
        with provisionalcompleter():
            return [completion.text for completion in shell.ip.Completer.completions(line, len(line))]

    def test_live_names_are_offered(self, connected: Shell) -> None:
        connected.run("%casty_ask counter/user-42 GetCount();")
        wait_until(lambda: "counter/" in self.offered(connected, "%casty_ask cou"))
        assert self.offered(connected, "x = %casty_ask cou") == ["counter/", "counter/user-42"]
        assert self.offered(connected, "%casty_ask -c ") == ["demo"]
        assert "GetCount" in self.offered(connected, "%casty_ask counter/user-42 GetC")
        assert self.offered(connected, "%%casty_ask pay") == ["payment"]

    def test_other_lines_are_left_alone(self, connected: Shell) -> None:
        assert "counter/" not in self.offered(connected, "cou")
        assert any("GetCount" in text for text in self.offered(connected, "GetC"))

    def test_an_answer_takes_less_than_twenty_milliseconds(self, connected: Shell) -> None:
        from IPython.core.completer import CompletionContext

        connected.ip.user_ns.update({f"variable_{n}": n for n in range(5_000)})
        (matcher,) = connected.ip.Completer.custom_matchers
        line = "%casty_ask cou"
        context = CompletionContext("cou", line, len(line), 0, 500)
        best = min(self.timed(lambda: matcher(context)) for _ in range(20))
        assert best < 0.02

    def timed(self, call: Callable[[], object]) -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started


class TestProfiles:
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo_cluster: DemoCluster) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        (tmp_path / "casty_notebook").mkdir()
        text = f"[prod]\nuri = '{demo_cluster.uri}'\ncolour = 'crimson'\nread_only = true\nshards = {{ counter = 100 }}\n"
        (tmp_path / "casty_notebook" / "connections.toml").write_text(text, "utf-8")

    def test_a_profile_is_connected_by_its_name_and_marked_by_its_colour(self, shell: Shell) -> None:
        cluster = shell.run("%casty_connect @prod")
        assert (cluster.name, cluster.colour, cluster.read_only) == ("prod", "crimson", True)
        assert "current connection: prod [crimson, read-only]" in shell.out
        assert shell.run("%casty_where counter/user-42").shard == 87
        assert shell.run("%casty_doctor @prod").ok

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("%casty_connect @prd", "did you mean @prod?"),
            ("%casty_connect prod", "Did you mean the profile @prod?"),
            ("%casty_connect @prod --demo", "a demo cluster chooses its own address"),
        ],
    )
    def test_mistakes_are_one_line(self, shell: Shell, line: str, says: str) -> None:
        error = shell.attempt(line).error_in_exec
        assert type(error) is UsageError
        assert says in str(error)

    def test_names_are_completed(self, shell: Shell) -> None:
        with provisionalcompleter():
            offered = {item.text for item in shell.ip.Completer.completions("%casty_connect @p", 17)}
        assert "@prod" in offered
