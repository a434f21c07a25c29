"""What completion offers is text: read back through IPython's own transformer it is that name, and nothing of it is code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from casty_notebook.magics.commands import CELL_COMMANDS, LINE_COMMANDS, Command, parse_cell, parse_line
from casty_notebook.magics.completion import KnownNames, complete
from casty_notebook.magics.lines import is_silenced, without_comment
from casty_notebook.magics.targets import TargetPattern, expand
from casty_notebook.magics.words import next_word, written
from tests.support.shells import extensions_of

NAMES = st.text() | st.text(st.sampled_from("ab/{}\"'#$;?!%@=,-\\ \t\n\r\u2028:(x)")) | st.sampled_from(
    [
        "{open('/tmp/owned', 'w')}", "x\"' open(1)#", "what?", "what??", "a;", "#a", "-c", "--all", "$HOME", "${x}", "!ls",
        "a\\", "\"", "'", "a{1..3}", "{", "}", "casty://a@b:1/c", "%%time", "a\nimport os", "a\x0cb", "a\u202eb", "`ls`", "a=b",
        "In [1]: x", "=%casty", "x = !ls", ",a", "/a", "a`b`", "\\", "o'brien", "\ud800",
    ]
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def shell() -> Iterator[InteractiveShell]:
    """One for all examples: what it does to a line is the same whatever was typed before."""
    config = Config()
    config.HistoryManager.enabled = False
    made = _shells["of this module"] = InteractiveShell(config=config)
    extensions_of(made).load_extension("casty_notebook")
    yield made
    extensions_of(made).unload_extension("casty_notebook")
    _shells.clear()


_shells: dict[str, InteractiveShell] = {}


def never(expression: str) -> NoReturn:
    raise AssertionError(f"{expression!r} was evaluated")


def read(cell: str) -> Command:
    """What a cell means: IPython's transformation, its magic's line, our command."""
    (statement,) = ast.parse(_shells["of this module"].transform_cell(cell)).body
    assert isinstance(statement, ast.Expr | ast.Assign)
    call: Any = statement.value
    name, line, *body = (constant.value for constant in call.args)
    assert call.func.attr == ("run_cell_magic" if body else "run_line_magic"), cell
    grammar = (CELL_COMMANDS if body else LINE_COMMANDS)[name]
    text = without_comment(grammar, line)
    assert text == line.rstrip()
    assert not is_silenced(text) or line.rstrip().endswith("Get;")
    return parse_cell(name, text) if body else parse_line(name, text)


def target_of(command: Any) -> str:
    pattern: TargetPattern
    (pattern,) = command.targets if hasattr(command, "targets") else (command.target,)
    (target,) = expand([pattern], never)
    return target


def offers(line: str, known: KnownNames) -> list[str]:
    found = complete(line, len(line), known)
    return [] if found is None else [item.text for item in found.items if item.kind != "message"]


@given(
    NAMES,
    st.sampled_from(["services", "shard_types", "entities"]),
    st.sampled_from(
        [
            ("%casty_where ", ""), ("x = %casty_where ", ""), ("%casty_ask ", " Get"), ("x = %casty_ask -t 5 ", " Get(a)"),
            ("%casty_tell ", " Get"), ("%%casty_ask ", "\nGet"), ("  %casty_where ", "  "), ("casty_where ", ""),
        ]
    ),
)  # fmt: skip
def test_a_target_on_offer_is_read_back_as_exactly_that_name(name: str, kind: str, around: tuple[str, str]) -> None:
    before, after = around
    expected = {"services": name, "shard_types": f"{name}/", "entities": f"counter/{name}"}[kind]
    known = replace(KnownNames(), **{kind: (f"counter/{name}" if kind == "entities" else name,)})  # type: ignore[arg-type]
    for offer in offers(before, known):
        assert target_of(read(before + offer + after)) == expected


@given(NAMES, st.sampled_from(["-c ", "--connection ", "--connection="]), st.sampled_from(["", " -t 5"]))
def test_a_connection_on_offer_is_read_back_as_exactly_that_name(name: str, flag: str, after: str) -> None:
    before = f"%casty_members {flag}"
    for offer in offers(before, KnownNames(connections=(name,))):
        assert read(before + offer + after).connection == name


@given(NAMES)
def test_a_connection_or_type_that_stands_alone_is_read_back_as_exactly_that_name(name: str) -> None:
    known = KnownNames(connections=(name,), shard_types=(name,))
    for before, field in (("%casty_connect ", "uri"), ("%casty_disconnect ", "name"), ("%casty_shards ", "shard_type")):
        for offer in offers(before, known):
            value = getattr(read(before + offer), field)
            assert (expand([value], never)[0] if isinstance(value, TargetPattern) else value) == name


@given(NAMES, NAMES)
def test_an_address_on_offer_is_read_back_as_exactly_that_node(host: str, system: str) -> None:
    known = KnownNames(system=system, nodes=(f"{host}:25520",))
    for offer in offers("%casty_where ", known):
        assert target_of(read(f"%casty_where {offer}actor")) == f"casty://{system}@{host}:25520/actor"
    for offer in offers("%casty_connect --map ", known):
        command: Any = read(f"%casty_connect --map {offer}127.0.0.1:9001")
        ((there, _),) = command.address_map
        assert str(there) == f"{host}:25520"


@given(NAMES, st.integers(1, 999))
def test_a_type_on_offer_for_its_number_of_shards_is_read_back_as_exactly_that_name(name: str, count: int) -> None:
    for offer in offers("%casty_connect --shards ", KnownNames(shard_types=(name,))):
        command: Any = read(f"%casty_connect --shards {offer}{count}")
        assert command.shards == ((name, count),)


@given(NAMES)
@example("payment")
def test_a_written_name_is_one_word_and_ordinary_names_need_no_quotes(name: str) -> None:
    text = written(name)
    if text is not None:
        word = next_word(text, 0)
        assert word is not None
        assert (word.text, word.end) == (name, len(text))
    if name.isascii() and name.replace("-", "").isalnum() and not name.startswith("-"):
        assert text == name


@pytest.mark.parametrize("name", ["two\nlines", "a\x1b[0m", "a\u202eb", "a\u2028b", "", "x\"' y"])
def test_a_name_that_no_line_can_say_is_not_offered(name: str) -> None:
    assert written(name) is None
    known = KnownNames(connections=(name,), shard_types=(name,), services=(name,))
    assert offers("%casty_ask -c ", known) == []
    assert [offer for offer in offers("%casty_ask ", known) if offer != "/"] == []


def test_a_service_whose_name_would_be_read_as_an_entity_or_an_address_is_not_offered() -> None:
    assert offers("%casty_ask ", KnownNames(services=("a/b", "casty://s@h:1/p"), shard_types=("a/b",))) == []
