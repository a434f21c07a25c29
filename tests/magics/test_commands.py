"""Lines become commands: flags anywhere before the expression, the expression untouched, every mistake one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from casty_notebook.address import NodeAddress
from casty_notebook.magics.commands import (
    CELL_COMMANDS,
    LINE_COMMANDS,
    Ask,
    Connect,
    Disconnect,
    Doctor,
    FanOut,
    Shards,
    Tell,
    parse_cell,
    parse_line,
)
from casty_notebook.magics.grammar import Flag, Grammar, Positional
from casty_notebook.magics.targets import TargetPattern


def usage_error(name: str, line: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_line(name, line)
    return str(caught.value)


def test_the_expression_keeps_its_spaces_quotes_and_braces() -> None:
    command = parse_line("casty_ask", """counter/user-42   Set( "a  b", {'k': "'"},  -1 )  """)
    assert command == Ask(target=TargetPattern("counter/user-42"), expression="""Set( "a  b", {'k': "'"},  -1 )  """)


@pytest.mark.parametrize(
    "line",
    [
        "-c prod -t 2.5 payment Pay()",
        "payment -c prod -t 2.5 Pay()",
        "-c prod payment --timeout=2.5 Pay()",
        "--connection=prod --timeout 2.5 payment Pay()",
        "-c 'prod' -t 2.5 payment Pay()",
    ],
)
def test_flags_stand_anywhere_before_the_expression(line: str) -> None:
    command = parse_line("casty_ask", line)
    assert command == Ask(target=TargetPattern("payment"), expression="Pay()", connection="prod", timeout=2.5)


@pytest.mark.parametrize("expression", ["x -t", "Get(' -t 3')", "Get(x -t)", "a --b", "x --nobody 3"])
def test_what_looks_like_a_flag_within_the_expression_belongs_to_it(expression: str) -> None:
    command = parse_line("casty_tell", f"payment {expression}")
    assert isinstance(command, Tell)
    assert (command.expression, command.timeout) == (expression, None)


def test_flags_may_follow_what_would_be_no_expression_with_them() -> None:
    command = parse_line("casty_ask", "counter/user-42 Get('a  b') --count 100 --every 0.1 -t 3")
    assert isinstance(command, Ask)
    assert (command.expression, command.count, command.every, command.timeout) == ("Get('a  b')", 100, 0.1, 3.0)


def test_two_dashes_before_the_target_keep_the_rest_of_the_line_as_it_is() -> None:
    command = parse_line("casty_tell", "-- payment x -t 3 --all")
    assert isinstance(command, Tell)
    assert (command.expression, command.everyone) == ("x -t 3 --all", False)


@pytest.mark.parametrize(("line", "expression"), [("p -1", "-1"), ("p -- -x", "-x"), ("p -(x)", "-(x)")])
def test_an_expression_may_start_with_a_dash(line: str, expression: str) -> None:
    command = parse_line("casty_tell", line)
    assert isinstance(command, Tell)
    assert command.expression == expression


def test_quotes_make_a_target_literal() -> None:
    command = parse_line("casty_ask", "'counter/{user 42}' Get")
    assert isinstance(command, Ask)
    assert command.target == TargetPattern("counter/{user 42}", literal=True)


def test_connect_takes_pairs_one_by_one_by_commas_or_in_a_row() -> None:
    command = parse_line(
        "casty_connect",
        "--shards counter=100 user=50,cart=7 casty://shop@a:1 --shards order=9 --map a:1=b:2 c:3=d:4 --as prod",
    )
    assert command == Connect(
        uri=TargetPattern("casty://shop@a:1"),
        name="prod",
        shards=(("counter", 100), ("user", 50), ("cart", 7), ("order", 9)),
        address_map=(
            (NodeAddress("a", 1), NodeAddress("b", 2)),
            (NodeAddress("c", 3), NodeAddress("d", 4)),
        ),
    )


def test_a_shard_type_may_contain_an_equals_sign() -> None:
    assert parse_line("casty_connect", "--shards a=b=3") == Connect(shards=(("a=b", 3),))


def test_the_cell_magic_takes_many_targets() -> None:
    assert parse_cell("casty_ask", "counter/{a b} --fail-fast").fail_fast  # type: ignore[attr-defined]
    assert parse_line("casty_ask", "--fail-fast counter/user-42 Get").fail_fast  # type: ignore[attr-defined]
    command = parse_cell("casty_ask", "counter/{a b} -o table payment --concurrency 10")
    assert command == FanOut(
        targets=(TargetPattern("counter/{a b}"), TargetPattern("payment")), output="table", concurrency=10
    )


def test_optional_words_may_be_left_out() -> None:
    assert parse_line("casty_shards", "") == Shards()
    assert parse_line("casty_shards", "counter") == Shards(shard_type="counter")
    assert parse_line("casty_disconnect", "--all") == Disconnect(everything=True)


@pytest.mark.parametrize("name", sorted(LINE_COMMANDS))
def test_every_command_takes_the_same_letters_for_connection_and_timeout(name: str) -> None:
    line = "-c prod -t 5 -v"
    if any(positional.required for positional in LINE_COMMANDS[name].positionals):
        line += " target expression"
    command = parse_line(name, line.removesuffix(" expression") if name == "casty_where" else line)
    assert (command.connection, command.timeout, command.verbose) == ("prod", 5.0, True)


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("casty_ask", "", "TARGET and EXPRESSION missing"),
        ("casty_ask", "counter/x", "EXPRESSION missing"),
        ("casty_ask", "--tmeout 3 x y", "unknown flag '--tmeout'. Did you mean --timeout?"),
        ("casty_ask", "x -y", "unknown flag '-y'. Write -- before"),
        ("casty_ask", "-c", "-c needs NAME after it"),
        ("casty_ask", "-c -t 5 x y", "-c needs NAME after it"),
        ("casty_ask", "-t soon x y", "-t 'soon': expected a number of seconds"),
        ("casty_ask", "-t 0 x y", "expected more than 0 seconds"),
        ("casty_ask", "-t nan x y", "expected more than 0 seconds"),
        ("casty_ask", "-t inf x y", "expected more than 0 seconds"),
        ("casty_ask", "--retry=yes x y", "--retry takes no value"),
        ("casty_ask", "'counter/x Get", "has no closing quote"),
        ("casty_ask", "counter/{x Get", "has no closing brace"),
        ("casty_members", "now", "'now' is one word too many"),
        ("casty_connect", "--shards counter", "expected TYPE=NUMBER"),
        ("casty_connect", "--shards counter=0", "expected a whole number above 0"),
        ("casty_connect", "--shards counter=٣", "expected a whole number above 0"),
        ("casty_connect", "--map a:1=b", "is not HOST:PORT"),
        ("casty_connect", "--map a:1", "expected HOST:PORT=HOST:PORT"),
        ("casty_connect", "--tls a.b", "expected certfile=PATH,cafile=PATH, or the name of a variable"),
        ("casty_connect", "--tls certfile=,cafile=x", "expected NAME=VALUE at 'certfile'"),
        ("casty_connect", "--ssh me@bastion,keys", "expected NAME=VALUE at 'keys'"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_write(name: str, line: str, says: str) -> None:
    error = usage_error(name, line)
    assert says in error
    assert f"Usage: %{name}" in error
    assert "\n" not in error


def test_files_for_tls_and_ssh_are_a_variable_or_written_out() -> None:
    line = "casty://a@b:1 --tls certfile=a,b.pem,cafile=c.pem --ssh me@bastion:22,client_keys=~/.ssh/ops"
    command = parse_line("casty_connect", line)
    assert isinstance(command, Connect)
    assert command.tls == (("certfile", "a,b.pem"), ("cafile", "c.pem"))
    assert command.ssh == (("destination", "me@bastion:22"), ("client_keys", "~/.ssh/ops"))
    named = parse_line("casty_doctor", "casty://a@b:1 --tls files --ssh me@bastion")
    assert isinstance(named, Doctor)
    assert (named.tls, named.ssh) == ("files", "me@bastion")


@given(st.text(), st.sampled_from(["", "-c prod ", "--retry -t 3 "]))
def test_the_expression_is_preserved_verbatim(tail: str, flags: str) -> None:
    expression = f"x{tail}"
    command = parse_line("casty_ask", f"{flags}counter/user-42 {expression}")
    assert isinstance(command, Ask)
    assert command.expression == expression


def caught(call: Callable[[], object]) -> UsageError | None:
    try:
        call()
    except UsageError as error:
        return error
    return None


LINE_TEXT = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            [
                "-c",
                "-t",
                "--shards",
                "a=1",
                "--",
                "-",
                "--map",
                "a:1=b:2",
                "'",
                '"',
                "{",
                "}",
                "=",
                "5",
                "-o",
                "x",
                "\0",
            ]
        )
    ).map(" ".join),
)


@given(st.sampled_from(sorted(LINE_COMMANDS)), LINE_TEXT)
def test_no_line_raises_anything_but_a_one_line_usage_error(name: str, line: str) -> None:
    error = caught(lambda: parse_line(name, line))
    assert error is None or len(str(error).splitlines()) == 1


@given(LINE_TEXT)
def test_no_first_line_of_a_cell_raises_anything_but_a_usage_error(line: str) -> None:
    error = caught(lambda: parse_cell("casty_ask", line))
    assert error is None or len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    "grammar", [*LINE_COMMANDS.values(), *CELL_COMMANDS.values()], ids=lambda grammar: grammar.name
)
def test_the_help_names_every_flag_and_word_and_fits_a_screen(grammar: Grammar) -> None:
    text = grammar.help()
    parts: list[Positional | Flag] = [*grammar.positionals, *grammar.flags]
    for part in parts:
        assert part.help.split()[0] in text
        assert part.metavar in text
    assert all(name in text for flag in grammar.flags for name in flag.names)
    body = [line for line in text.splitlines() if grammar.name not in line]
    assert max(map(len, body)) <= 104


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (name, example.removeprefix("x = ").removeprefix(f"%{name}"))
        for name, grammar in LINE_COMMANDS.items()
        for example in grammar.examples
    ],
)
def test_every_example_in_the_help_can_be_parsed(name: str, line: str) -> None:
    parse_line(name, line)
