"""Stand-ins: data that looks like the dataclass it stands for, and nothing that can be made to act."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.errors import MisuseError
from casty_notebook.values.standin import StandIn, StandInClass, module_proxy, stand_in_class, with_missing

BALANCE = stand_in_class("bank.messages.Balance")


def test_it_prints_like_the_dataclass() -> None:
    assert repr(BALANCE(amount=3, owner="me")) == "bank.messages.Balance(amount=3, owner='me')"
    assert repr(BALANCE(1, [2])) == "bank.messages.Balance(1, [2])"
    assert repr(BALANCE()) == "bank.messages.Balance()"


def test_fields_are_attributes() -> None:
    made = BALANCE(amount=3)
    assert made.amount == 3
    assert "amount" in dir(made)
    with pytest.raises(AttributeError, match=r"bank.messages.Balance .* no field 'total'; its fields are: amount"):
        _ = made.total


HOSTILE = (
    "to_dict", "_contents", "__class__", "__dict__", "__reduce__", "__eq__", "__array__", "_repr_html_", "_repr_mimebundle_",
    "_ipython_display_", "_ipython_canary_method_should_not_exist_", "__iter__", "__len__", "__call__", "_standin_cls",
    "_standin_fields",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_field_can_shadow_what_an_object_is(name: str) -> None:
    plain, made = BALANCE(), StandIn(BALANCE, (), {name: StandInClass("os", "system")})
    assert type(made) is StandIn
    assert made.__class__ is StandIn
    assert made.to_dict() == {name: StandInClass("os", "system")}
    assert hasattr(made, name) == hasattr(plain, name)
    assert type(getattr(made, name, None)) is type(getattr(plain, name, None))
    assert repr(made) == f"bank.messages.Balance({name}=<stand-in class os.system>)"


def test_it_cannot_be_changed() -> None:
    made = BALANCE(amount=3)
    changes: list[Callable[[], None]] = [
        lambda: setattr(made, "amount", 4), lambda: setattr(made, "x", 4), lambda: delattr(made, "amount"),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(AttributeError, match="cannot be changed"):
            change()
    with pytest.raises(AttributeError, match="cannot be changed"):
        BALANCE.module = "os"
    assert made.amount == 3


def test_it_is_equal_by_class_and_contents() -> None:
    assert BALANCE(amount=3, owner="x") == BALANCE(owner="x", amount=3)
    assert BALANCE(amount=3) != BALANCE(amount=4)
    assert BALANCE(amount=3) != stand_in_class("bank.messages.Other")(amount=3)
    assert BALANCE(3) != BALANCE(amount=3)
    assert BALANCE(amount=3) != {"amount": 3}
    assert len({BALANCE(amount=3, owner="x"), BALANCE(owner="x", amount=3)}) == 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(BALANCE(items=[]))


@given(st.lists(st.integers()), st.dictionaries(st.text(), st.integers()))
def test_it_can_be_copied_and_pickled_here(args: list[int], fields: dict[str, int]) -> None:
    made = StandIn(BALANCE, tuple(args), fields)
    assert copy.copy(made) == copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made
    assert hash(copy.deepcopy(made)) == hash(made)
    assert copy.deepcopy(BALANCE) == BALANCE


def test_a_module_that_is_not_here_can_be_copied_and_pickled() -> None:
    module = module_proxy("a.b")
    for copied in (copy.copy(module), copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert copied == module
        assert hash(copied) == hash(module)
        assert copied.Ping == module.Ping
    assert module != module_proxy("a.c")


def test_stand_ins_within_are_dicts_too() -> None:
    made = BALANCE(owner=BALANCE(amount=1), all=[BALANCE(2), (BALANCE(amount=3),)], by={"x": BALANCE(amount=4)})
    assert made.to_dict() == {
        "owner": {"amount": 1},
        "all": [{"args": (2,)}, ({"amount": 3},)],
        "by": {"x": {"amount": 4}},
    }


@pytest.mark.parametrize(
    ("name", "module", "qualname"),
    [
        ("bank.messages.GetBalance", "bank.messages", "GetBalance"),
        ("bank.Outer.Inner", "bank", "Outer.Inner"),
        ("bank.messages.balance", "bank.messages", "balance"),
        ("bank._Private", "bank", "_Private"),
        ("bank.messages:balance.Inner", "bank.messages", "balance.Inner"),
        ("Bank.messages.Get", "Bank.messages", "Get"),
    ],
)
def test_a_dotted_name_is_split_into_module_and_class(name: str, module: str, qualname: str) -> None:
    cls = stand_in_class(name)
    assert (cls.module, cls.qualname, cls.dotted) == (module, qualname, f"{module}.{qualname}")
    assert cls.__name__ == qualname.rpartition(".")[2]


@pytest.mark.parametrize("name", ["", "GetBalance", ".x", "a.", "a..b", "a b.c", "a.1", ":A", "a:", "a.b:c:d", "a.<locals>"])
def test_what_is_no_dotted_name_is_refused(name: str) -> None:
    with pytest.raises(MisuseError, match="dotted name"):
        stand_in_class(name)


def test_a_module_that_is_not_here_can_be_written_as_if_it_were() -> None:
    bank = module_proxy("bank")
    assert bank.messages.GetBalance(currency="EUR") == stand_in_class("bank.messages.GetBalance")(currency="EUR")
    assert bank.messages.Outer.Inner.dotted == "bank.messages.Outer.Inner"
    assert bank.messages["balance"].dotted == "bank.messages.balance"
    assert repr(bank.messages) == "<stand-in module bank.messages>"
    for name in ("", "a b", "a..b"):
        with pytest.raises(MisuseError, match="name of a module"):
            module_proxy(name)


@pytest.mark.parametrize("thing", [module_proxy("bank"), BALANCE], ids=["module", "class"])
@pytest.mark.parametrize("name", ["_repr_html_", "_ipython_display_", "__wrapped__", "__array__", "_repr_mimebundle_"])
def test_a_notebook_that_probes_a_name_finds_nothing(thing: Any, name: str) -> None:
    assert not hasattr(thing, name)


def test_a_missing_field_can_be_filled_in_once() -> None:
    assert with_missing(BALANCE(amount=1), "reply_to", 5) == BALANCE(amount=1, reply_to=5)
    assert with_missing(BALANCE(reply_to=None), "reply_to", 5) == BALANCE(reply_to=5)
    assert with_missing(BALANCE(reply_to=4), "reply_to", 5) == BALANCE(reply_to=4)
