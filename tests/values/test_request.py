"""Where the reply's address goes: into every kind of message, and into none that cannot have it."""

from __future__ import annotations

import enum
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from casty_notebook.errors import MisuseError
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.message_text import written_message
from casty_notebook.values.refs import ReplyRef
from casty_notebook.values.request import question
from casty_notebook.values.standin import module_proxy

REF = ReplyRef("demo-client", "/_ask/1")


@dataclass(frozen=True)
class AsDataclass:
    amount: int = 1
    reply_to: Any = None


class AsNamedTuple(namedtuple("AsNamedTuple", "amount reply_to", defaults=(1, None))):
    pass


@attrs.frozen
class AsAttrs:
    amount: int = 1
    reply_to: Any = None


class AsStruct(msgspec.Struct, frozen=True):
    amount: int = 1
    reply_to: Any = None


class AsModel(pydantic.BaseModel):
    amount: int = 1
    reply_to: Any = None


class AsPlain:
    def __init__(self, amount: int = 1, reply_to: Any = None) -> None:
        self.amount = amount
        self.reply_to = reply_to


FAMILIES = [AsDataclass, AsNamedTuple, AsAttrs, AsStruct, AsModel, AsPlain, module_proxy("bank").AsStandIn]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_an_instance_without_an_address_gets_one_and_is_not_changed_itself(family: Any) -> None:
    message = family(amount=7)
    made = question(message)(REF)
    assert (made.amount, made.reply_to) == (7, REF)
    assert getattr(message, "reply_to", None) is None


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_class_is_called_with_the_address(family: Any) -> None:
    assert question(family)(REF).reply_to is REF


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_what_a_function_leaves_out_is_filled_in(family: Any) -> None:
    assert question(lambda reply_to: family(amount=2, reply_to=reply_to))(REF).reply_to is REF
    assert question(lambda _: family(amount=2))(REF).reply_to is REF


def test_the_content_of_an_envelope_gets_the_address() -> None:
    assert question(ShardEnvelope("user-42", AsDataclass()))(REF) == ShardEnvelope("user-42", AsDataclass(1, REF))


def test_a_dict_gets_the_address_under_its_key() -> None:
    assert question({"kind": "get", "reply_to": None})(REF) == {"kind": "get", "reply_to": REF}


def test_a_stand_in_that_a_function_built_with_the_address_gets_no_second_field() -> None:
    mail = module_proxy("bank").Mail
    ways: list[Callable[[Any], Any]] = [lambda r: mail(answer_to=r), lambda r: mail(r), lambda r: mail(envelope=[{"to": r}])]
    for built in ways:
        assert question(built)(REF) == built(REF)


class Order(enum.Enum):
    GET = 1


@pytest.mark.parametrize("message", [Order.GET, 5, b"x", ["a"], {}, {"to": None}])
def test_a_message_without_a_place_for_it_is_refused(message: Any) -> None:
    with pytest.raises(MisuseError, match=r"has no field 'reply_to' for the reply's address .* or tell instead of asking"):
        question(message)


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('true')", "a.B(c())", "a.B(x for x in y)", "a.B[0]", "lambda: a.B", "a.B(f'{x}')", "(" * 999],
    ids=lambda text: text[:20],
)
def test_a_text_is_data_and_never_code(text: str) -> None:
    with pytest.raises(MisuseError, match="is a text and has no place"):
        written_message(text)


def test_fields_in_a_text_may_be_literals_collections_and_other_messages() -> None:
    bank = module_proxy("bank")
    assert written_message("bank.M(-1, [1.5, None], {'a': (True, b'x')}, kind=bank.Kind.FAST, to=bank.To(name='n'))") == bank.M(
        -1, [1.5, None], {"a": (True, b"x")}, kind=bank.Kind.FAST, to=bank.To(name="n")
    )
