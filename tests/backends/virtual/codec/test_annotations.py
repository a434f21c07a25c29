"""Types by their printed names."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casty_notebook.backends.virtual.codec.annotations import read_annotation
from casty_notebook.backends.virtual.codec.packing import pack
from casty_notebook.backends.virtual.codec.values import ValueReader
from casty_notebook.errors import MisuseError

PLAIN = st.sampled_from(
    ["<class 'int'>", "<class 'str'>", "float", "bytes", "bool", "None", "datetime.date", "<class 'shop.Price'>"]
)
PRINTED = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        inner.map(lambda a: f"tuple[{a}, ...]"),
        inner.map(lambda a: f"frozenset[{a}]"),
        st.tuples(inner, inner).map(lambda ab: f"{ab[0]} | {ab[1]}"),
        st.tuples(inner, inner).map(lambda ab: f"tuple[{ab[0]}, {ab[1]}]"),
        st.tuples(inner, inner).map(lambda ab: f"collections.abc.Mapping[{ab[0]}, {ab[1]}]"),
    ),
    max_leaves=6,
)


@given(PRINTED)
def test_whatever_python_prints_for_a_type_is_known(text: str) -> None:
    assert read_annotation(text).kind != "unknown"


@given(st.text(max_size=300), st.recursive(st.integers() | st.text() | st.binary() | st.none(), st.lists))
@example("[" * 900, 1)
@example("int" + "|int" * 240, "x")
@example("a" * 2_000, [])
@example("__import__('os').system('x')", {})
@example("'\\d'", None)
def test_any_text_is_read_and_any_value_shown(text: str, tree: Any) -> None:
    try:
        data = pack(tree)
    except Exception:
        return
    read_annotation(text).read(data, ValueReader())


@pytest.mark.parametrize(
    ("text", "value", "written"),
    [
        ("<class 'float'>", 1, 1.0),
        ("int | float", 1, 1),
        ("float | None", None, None),
        ("<class 'datetime.date'>", date(1970, 1, 3), 2),
        ("tuple[str, ...]", ["a"], ["a"]),
        ("frozenset[int]", {3, 1}, [1, 3]),
        ("collections.abc.Mapping[str, int]", {"b": 1, "a": 2}, [["a", 2], ["b", 1]]),
    ],
)
def test_a_value_is_written_as_its_type_says(text: str, value: Any, written: Any) -> None:
    assert read_annotation(text).write(value, "it") == pack(written)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<class 'int'>", True),
        ("<class 'str'>", 1),
        ("frozenset[int]", {"a"}),
        ("tuple[int, int]", (1,)),
        ("int | None", "x"),
        ("bytes", "x"),
    ],
)
def test_a_value_of_another_type_is_refused(text: str, value: Any) -> None:
    with pytest.raises(MisuseError, match=r"it takes .*; nothing was sent"):
        read_annotation(text).write(value, "it")


def test_a_value_of_a_type_that_cannot_be_read_is_not_written() -> None:
    with pytest.raises(MisuseError, match="not known here well enough"):
        read_annotation("typing.Literal['a']").write("a", "it")


def test_a_value_that_does_not_fit_is_shown_as_it_came() -> None:
    assert read_annotation("<class 'datetime.date'>").read(pack("soon"), ValueReader()) == "soon"
    assert repr(read_annotation("<class 'shop.Price'>").read(pack({"n": 1}), ValueReader())) == "shop.Price(n=1)"
    assert repr(read_annotation("shop.Price | None").read(pack(["Price", {"n": 1}]), ValueReader())) == "Price(n=1)"
