"""Objects of a few scalars, read without the machine: the same result, or none."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.backends.sharded.codec.pickle.machine import Machine
from casty_notebook.backends.sharded.codec.pickle.reader import loads, run
from casty_notebook.backends.sharded.codec.pickle.short_objects import LONGEST, NOT_ALONE, short_object
from casty_notebook.settings import Settings
from casty_notebook.values.registry import Registry

SETTINGS = Settings()


@dataclass(frozen=True)
class Receipt:
    number: Any
    amount: Any
    node: Any = "somewhere"


@dataclass
class Balance:
    euros: Any


@dataclass(frozen=True, slots=True)
class Slotted:
    number: int
    text: str


def registry() -> Registry:
    made = Registry(str, lambda _: None)
    for cls in (Receipt, Balance, Slotted):
        made.register(cls)
    return made


REGISTRY = registry()
SCALARS = (
    st.integers() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.booleans() | st.none() | st.text(max_size=60)
)
OBJECTS = st.builds(Receipt, SCALARS, SCALARS, SCALARS) | st.builds(Balance, SCALARS)


def fast(data: bytes, **options: Any) -> Any:
    return short_object(data, 0, 0, REGISTRY, replace(SETTINGS, **options) if options else SETTINGS)


def slow(data: bytes) -> Any:
    return run(Machine(data, REGISTRY, SETTINGS))


@given(OBJECTS, st.sampled_from([4, 5]))
def test_it_is_what_the_machine_reads_or_left_to_it(value: Receipt | Balance, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    assert fast(data) in (value, NOT_ALONE)
    assert loads(data, REGISTRY, SETTINGS) == slow(data) == value


@given(st.builds(Receipt, st.integers(-(2**100), 2**100), st.floats(allow_nan=False), st.booleans() | st.none()))
def test_what_replies_are_like_is_read_at_once(value: Receipt) -> None:
    assert fast(pickle.dumps(value)) == value


@given(OBJECTS, st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=3), st.integers(-3, 3))
def test_of_damaged_bytes_it_reads_nothing_but_what_the_machine_would(
    value: Receipt, damage: list[tuple[int, int]], longer: int
) -> None:
    data = bytearray(pickle.dumps(value))
    for place, byte in damage:
        data[place % len(data)] = byte
    data = data[:longer] if longer < 0 else data + b"." * longer
    read = fast(bytes(data))
    if read is not NOT_ALONE:
        assert read == slow(bytes(data))


@pytest.mark.parametrize(
    "value",
    [Receipt([1], 2), Receipt("a", "a"), Slotted(1, "a"), Receipt(1, 2, "x" * LONGEST), Balance(Balance(1)), [Balance(1)]],
)
def test_whatever_is_more_than_scalars_in_order_is_left_to_the_machine(value: object) -> None:
    data = pickle.dumps(value)
    assert fast(data) is NOT_ALONE
    assert loads(data, REGISTRY, SETTINGS) == value


def test_where_bounds_are_close_the_machine_counts() -> None:
    data = pickle.dumps(Receipt(1, 2))
    assert fast(data) == Receipt(1, 2)
    for bound in ({"max_memory": 500_000}, {"max_items": 100}, {"max_depth": 3}, {"max_work": 0.001}):
        assert fast(data, **bound) is NOT_ALONE
    assert short_object(data, 0, SETTINGS.max_memory, REGISTRY, SETTINGS) is NOT_ALONE


def test_names_that_nodes_make_up_do_not_pile_up_and_a_class_that_comes_later_is_found() -> None:
    table = Registry(str, lambda _: None)
    data = pickle.dumps(Balance(7))
    assert short_object(data, 0, 0, table, SETTINGS) is NOT_ALONE
    for number in range(2_000):
        made_up = data.replace(b"Balance", b"Bal%04d" % number)
        assert short_object(made_up, 0, 0, table, SETTINGS) is NOT_ALONE
    assert len(table.short_forms) <= 1_000
    table.register(Balance)
    assert short_object(data, 0, 0, table, SETTINGS) == Balance(7)
