"""What may stand at the cursor: flags, connections, targets, messages; nothing in plain Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.magics.completion import KnownNames, complete
from casty_notebook.magics.matcher import _own_first
from casty_notebook.magics.words import next_word
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.names import entity_types
from casty_notebook.topology.snapshot import ServiceEntry, TopologySnapshot

KNOWN = KnownNames(
    connections=("prod", "test"),
    shard_types=("counter", "cart"),
    services=("payment", "two words", "--odd"),
    entities=("counter/user-42", "counter/{x}"),
    messages=("GetCount", "GetBalance"),
    system="shop",
    nodes=("10.0.0.1:25520",),
)


def offered(line: str, known: KnownNames = KNOWN) -> list[str] | None:
    found = complete(line, len(line), known)
    return None if found is None else [item.text for item in found.items]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%casty_ask cou", ["counter/", "counter/user-42"]),
        ("x = %casty_ask cou", ["counter/", "counter/user-42"]),
        ("x, y = %casty_ask cou", ["counter/", "counter/user-42"]),
        ("d['k'] = %casty_ask cou", ["counter/", "counter/user-42"]),
        ("  %casty_tell pay", ["payment"]),
        ("casty_ask pay", ["payment"]),
        ("%%casty_ask counter/user-42 pay", ["payment"]),
        ("%casty_ask counter/u", ["counter/user-42"]),
        ("%casty_ask cart/", ["cart/"]),
        ("%casty_ask payment@", ["payment@"]),
        ("%casty_where casty:", ["casty://shop@10.0.0.1:25520/"]),
        ("%casty_members -c ", ["prod", "test"]),
        ("%casty_members --connection=p", ["prod"]),
        ("%casty_ask -c prod -t 5 pay", ["payment"]),
        ("%casty_ask counter/x --ti", ["--timeout"]),
        ("%casty_ask counter/x Get", ["GetCount", "GetBalance"]),
        ("%casty_ask counter/x ", ["GetCount", "GetBalance"]),
        ("%casty_connect p", ["prod"]),
        ("%casty_connect --shards c", ["counter=", "cart="]),
        ("%casty_connect --map 10", ["10.0.0.1:25520="]),
        ("%casty_connect --serializer m", ["msgpack"]),
        ("%casty_disconnect t", ["test"]),
        ("%casty_shards c", ["counter", "cart"]),
    ],
)
def test_the_names_that_fit_are_offered(line: str, expected: list[str]) -> None:
    assert offered(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "cou",
        "%casty_ask",
        "%other cou",
        "casty_ask = cou",
        "casty_ask(cou",
        "casty_ask.cou",
        "x == %casty_ask cou",
        "print(%casty_ask cou",
        "%casty_ask counter/{us",
        "%casty_ask 'cou",
        "%casty_ask counter/x Get(cou",
        "%casty_ask counter/x GetCount() cou",
        "%casty_ask -t ",
        "%%casty_ask -o ",
        "%casty_connect --as p",
        "%casty_members cou",
        "%casty_report folder/",
        "%%casty_members cou",
    ],
)
def test_nothing_is_offered_where_nothing_is_known_to_fit(line: str) -> None:
    assert offered(line) is None


def test_only_what_stands_before_the_cursor_counts() -> None:
    found = complete("%casty_ask cou GetCount()", len("%casty_ask cou"), KNOWN)
    assert found is not None
    assert found.fragment == "cou"


def test_python_names_stay_available_in_the_expression_only() -> None:
    target, expression = complete("%casty_ask c", 12, KNOWN), complete("%casty_ask c/x G", 16, KNOWN)
    assert target is not None
    assert expression is not None
    assert (target.exclusive, expression.exclusive) == (True, False)


def test_every_target_on_offer_is_read_back_as_one_word() -> None:
    for text in offered("%casty_ask ") or ["nothing offered"]:
        word = next_word(text, 0)
        assert word is not None
        assert word.end == len(text)


def test_types_of_the_application_stand_before_castys_own() -> None:
    keys = ("casty.collections:counter_3_majority", "casty_nodeside:look", "shop.actors:counter", "shop.actors:account")
    registry = frozenset(ServiceEntry(key, NodeAddress("10.0.0.1", 25520), "") for key in keys)
    seen = TopologySnapshot(frozenset(), None, {}, 0, frozenset(), registry, kind=VIRTUAL)
    own = ("account", "counter", "shop.actors:account", "shop.actors:counter")
    assert _own_first(entity_types(seen), seen) == (*own, "counter_3_majority", "look", *keys[:2])


def test_no_more_is_offered_than_ipython_shows() -> None:
    many = KnownNames(services=tuple(f"service-{n}" for n in range(10_000)))
    assert len(offered("%casty_ask s", many) or []) == 500


@given(st.sampled_from(["%casty_ask ", "%%casty_ask ", "%casty_connect ", "x = %casty_tell ", ""]), st.text())
def test_any_line_is_answered_and_the_fragment_ends_at_the_cursor(start: str, tail: str) -> None:
    line = start + tail
    found = complete(line, len(line), KNOWN)
    if found is not None:
        assert line.endswith(found.fragment)
        assert all(item.text.startswith(found.fragment) for item in found.items)
