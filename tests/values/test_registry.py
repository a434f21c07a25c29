"""The closed table: what may enter it, and how it turns fields into instances."""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pydantic
import pytest

from casty_notebook.errors import MisuseError
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.registry import Layout, Registry
from casty_notebook.values.shapes import shape_of
from tests.values import table as classes
from tests.values.table import USER_CLASSES, Access, Amount, Basket, Colour, Point, table


@pytest.mark.parametrize("cls", USER_CLASSES)
def test_classes_that_declare_their_fields_may_enter(cls: type) -> None:
    registry = table(cls)
    assert cls in registry
    entry = registry.entry(f"{cls.__module__}.{cls.__qualname__}")
    assert entry is not None
    assert entry is registry.entry_of(cls)


class Plain:
    def __init__(self) -> None:
        raise AssertionError("never built")


class Own(str):
    __slots__ = ()


@pytest.mark.parametrize("thing", [Plain, Own, int, dict, type, object, types.SimpleNamespace], ids=lambda t: t.__name__)
def test_any_other_class_is_refused_with_the_reason(thing: type) -> None:
    with pytest.raises(MisuseError, match="would run its code on data from the network"):
        table(thing)


def test_an_exception_is_refused_with_the_reason() -> None:
    @dataclasses.dataclass
    class Refused(Exception):
        amount: int

    with pytest.raises(MisuseError, match="is an exception"):
        table(Refused)


def test_a_dataclass_over_a_built_in_type_is_refused() -> None:
    @dataclasses.dataclass
    class Weighted(dict):  # type: ignore[type-arg]
        weight: int = 0

    with pytest.raises(MisuseError, match="built-in type"):
        table(Weighted)


def test_neither_an_instance_nor_a_function_may_enter() -> None:
    for thing in (Amount(1), len, "bank.messages"):
        with pytest.raises(MisuseError, match="neither a class nor a module"):
            table(thing)


def test_a_module_enters_with_the_classes_it_defines() -> None:
    registry = table(classes)
    assert all(cls in registry for cls in USER_CLASSES if cls.__qualname__ == cls.__name__)
    assert registry.entry("tests.values.table.ActorRef") is None
    empty = types.ModuleType("empty")
    with pytest.raises(MisuseError, match="empty defines no"):
        table(empty)


def test_registering_is_a_decorator() -> None:
    registry = Registry(str, lambda _: None)

    @registry.register
    @dataclasses.dataclass
    class Ping:
        pass

    assert Ping in registry


def test_casty_s_messages_have_a_name_in_each_layout() -> None:
    registry = table()
    assert registry.wire_name(ShardEnvelope, Layout.flat) == ("casty.sharding", "ShardEnvelope")
    assert registry.wire_name(ShardEnvelope, Layout.pkg) == ("casty.cluster.envelope", "ShardEnvelope")
    assert registry.wire_name(Amount, Layout.pkg) == ("tests.values.table", "Amount")
    for dotted in ("casty.sharding.ShardEnvelope", "casty.cluster.envelope.ShardEnvelope", "casty.ShardEnvelope"):
        entry = registry.entry(dotted)
        assert entry is not None
        assert entry.cls is ShardEnvelope
    assert registry.wire_name(int, Layout.pkg) == ("builtins", "int")


def test_casty_s_own_class_given_by_the_user_stays_ours() -> None:
    casty = pytest.importorskip("casty")
    registry = table(casty.ShardEnvelope)
    entry = registry.entry("casty.cluster.envelope.ShardEnvelope")
    assert entry is not None
    assert entry.cls is ShardEnvelope
    assert registry.wire_name(casty.ShardEnvelope, Layout.flat) == ("casty.sharding", "ShardEnvelope")


def test_importing_the_codec_imports_no_optional_library() -> None:
    import subprocess

    unwanted = "{'casty', 'msgpack', 'lz4', 'attr', 'msgspec', 'pydantic', 'pandas', 'lzma', 'bz2'}"
    code = f"import sys, casty_notebook.backends.sharded.codec; print(sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


# --- shapes --------------------------------------------------------------------------------------------------------------


def test_defaults_are_made_anew_each_time() -> None:
    shape = shape_of(Basket)
    first, second = shape.build({"owner": "a"}), shape.build({"owner": "a"})
    assert first == second == Basket("a")
    assert first.items is not second.items


@pytest.mark.parametrize("values", [{}, {"currency": "x"}, {"value": 1, "x": 2}, {"value": 1, "__class__": 2}])
def test_missing_and_unknown_fields_are_errors(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Amount"):
        shape_of(Amount).build(values)


class Guarded(NamedTuple):
    a: int
    b: int = 2


def test_named_tuples_are_built_past_their_own_new() -> None:
    assert shape_of(Guarded).build({"a": 1}) == (1, 2)
    assert type(shape_of(Point).build({"x": 1})) is Point


def test_enums_are_looked_up() -> None:
    registry = table(Colour, Access)
    colour, access = registry.entry_of(Colour), registry.entry_of(Access)
    assert colour is not None
    assert access is not None
    assert colour.build_positional(("b",)) is Colour.blue
    assert colour.member_named("red") is Colour.red
    assert access.build_positional((3,)) == Access.read | Access.write
    wrong: list[Callable[[], Any]] = [
        lambda: colour.build_positional((9,)), lambda: colour.member_named("__class__"), lambda: colour.build({}),
    ]  # fmt: skip
    for call in wrong:
        with pytest.raises(ValueError, match=r"Colour|enum"):
            call()


class Missing(enum.Enum):
    one = 1

    @classmethod
    def _missing_(cls, value: object) -> Any:
        raise AssertionError("executed")


class MissingFlag(enum.Flag):
    one = 1
    two = 2

    @classmethod
    def _missing_(cls, value: object) -> Any:
        raise AssertionError("executed")


def test_an_enum_s_own_search_for_values_never_runs() -> None:
    registry = table(Missing, MissingFlag)
    for cls, value in ((Missing, 7), (MissingFlag, 3)):
        entry = registry.entry_of(cls)
        assert entry is not None
        with pytest.raises(ValueError, match="no member"):
            entry.build_positional((value,))


def test_a_struct_that_runs_code_when_built_is_refused() -> None:
    class Struct(msgspec.Struct):
        value: int

        def __post_init__(self) -> None:
            raise AssertionError("executed")

    with pytest.raises(MisuseError, match="__post_init__"):
        table(Struct)


def test_a_model_is_built_past_its_validators() -> None:
    class Model(pydantic.BaseModel):
        value: int
        items: list[int] = pydantic.Field(default_factory=list)

        @pydantic.field_validator("value")
        @classmethod
        def check(cls, value: int) -> int:
            raise AssertionError("executed")

    made = shape_of(Model).build({"value": "not an int"})
    assert made.value == "not an int"
    assert made.items == []
