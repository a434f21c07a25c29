"""Expressions become messages: in the user's namespace, with `reply_to`, by dotted name where the class is not here."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from casty_notebook.magics.evaluate import evaluate, evaluate_message
from casty_notebook.magics.lines import is_silenced
from casty_notebook.values.standin import module_proxy


@dataclass(frozen=True)
class GetCount:
    reply_to: Any


@dataclass(frozen=True)
class Transfer:
    amount: int
    reply_to: Any = None


def fails_deeper() -> None:
    raise RuntimeError("from the user's own code")


def names() -> dict[str, Any]:
    return {
        "GetCount": GetCount,
        "Transfer": Transfer,
        "amount": 5,
        "balances": {"ann": 1},
        "fails_deeper": fails_deeper,
    }


def message(source: str, *, reply_field: str | None = "reply_to") -> Any:
    return evaluate_message(source, names(), module_proxy, reply_field=reply_field)


def refusal(source: str, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        message(source, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.fixture
def loaded_module() -> Iterator[types.ModuleType]:
    module = types.ModuleType("bank_of_tests")
    module.Deposit = Transfer  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


class TestValues:
    def test_an_instance_is_evaluated_at_once(self) -> None:
        assert message("Transfer(amount * 2)") == Transfer(10)

    def test_a_class_is_a_message(self) -> None:
        assert message("GetCount") is GetCount

    @pytest.mark.parametrize("source", ["Transfer(1);", "  Transfer(1) ; ", "Transfer(\n  1,\n)", "Transfer(1)  # one"])
    def test_a_semicolon_line_breaks_and_a_comment_do_no_harm(self, source: str) -> None:
        assert message(source) == Transfer(1)

    def test_nothing_is_written_into_the_namespace(self) -> None:
        namespace = names() | {"__builtins__": __builtins__}
        before = dict(namespace)
        evaluate_message("Transfer((n := 3) + n)", namespace, module_proxy)
        assert namespace == before


class TestReplyTo:
    def test_an_expression_with_reply_to_becomes_a_function_of_it(self) -> None:
        late = message("Transfer(amount, reply_to=reply_to)")
        assert late("ref-1") == Transfer(5, "ref-1")
        assert late("ref-2") == Transfer(5, "ref-2")

    def test_nested_scopes_see_reply_to(self) -> None:
        assert message("[(lambda: (amount, reply_to))() for _ in range(2)]")("r") == [(5, "r"), (5, "r")]

    def test_a_call_that_only_lacks_the_reply_field_gets_it(self) -> None:
        assert message("GetCount()")("r") == GetCount("r")

    def test_the_field_may_have_another_name(self) -> None:
        @dataclass
        class Query:
            sender: Any

        late = evaluate_message("Query()", {"Query": Query}, module_proxy, reply_field="sender")
        assert late("r") == Query("r")

    def test_a_field_with_a_default_is_left_to_the_sender(self) -> None:
        assert message("Transfer(1)") == Transfer(1, None)

    def test_reply_to_in_a_tell_is_refused(self) -> None:
        assert "Use %casty_ask" in refusal("GetCount(reply_to)", reply_field=None)

    def test_a_tell_adds_nothing(self) -> None:
        assert "reply_to" in refusal("GetCount()", reply_field=None)


class TestStandIns:
    def test_a_class_that_is_not_here_is_built_by_its_dotted_name(self) -> None:
        built = module_proxy("bank.messages").GetBalance(currency="EUR")
        assert message("bank.messages.GetBalance(currency='EUR')") == built

    def test_the_class_alone_and_an_enum_member_are_names_too(self) -> None:
        assert message("bank.messages.GetBalance") == module_proxy("bank.messages").GetBalance
        assert message("bank.Pay(in_=bank.Currency.EUR)") == module_proxy("bank").Pay(
            in_=module_proxy("bank").Currency.EUR
        )

    def test_stand_ins_nest_also_in_comprehensions(self) -> None:
        bank = module_proxy("bank")
        assert message("bank.All(of=[bank.One(n=n) for n in range(2)])") == bank.All(of=[bank.One(n=0), bank.One(n=1)])

    def test_reply_to_can_be_a_field_of_one(self) -> None:
        assert message("bank.One(to=reply_to)")("r") == module_proxy("bank").One(to="r")

    def test_a_mistyped_module_that_the_user_has_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"Did you mean bank\.One"):
            evaluate_message("bnk.One()", {"bank": types.SimpleNamespace(One=int)}, module_proxy)

    def test_a_name_of_the_user_wins(self) -> None:
        namespace = {"bank": types.SimpleNamespace(One=lambda: "mine")}
        assert evaluate_message("bank.One()", namespace, module_proxy) == "mine"

    def test_a_module_that_is_loaded_is_used(self, loaded_module: types.ModuleType) -> None:
        assert message("bank_of_tests.Deposit(3)") == Transfer(3)

    def test_a_wrong_name_in_a_loaded_module_is_refused(self, loaded_module: types.ModuleType) -> None:
        assert "Did you mean Deposit?" in refusal("bank_of_tests.Deposits(3)")

    def test_nothing_is_imported(self) -> None:
        sys.modules.pop("this", None)
        assert "Run: import this" in refusal("this.Zen()")
        assert "this" not in sys.modules

    def test_a_mistyped_variable_is_no_message(self) -> None:
        assert "Did you mean balances?" in refusal("balance.get('ann')")


class TestMistakes:
    @pytest.mark.parametrize(
        ("source", "says"),
        [
            ("", "the message is missing"),
            (";", "the message is missing"),
            ("GetCoun()", "Did you mean GetCount?"),
            ("Get Count", "is not a Python expression"),
            ("Transfer(1) -c prod", "If -c is meant as a flag, write it before the expression"),
            ("amount -t -1", "t is not defined here. If -t is meant as a flag"),
            ("GetCount -amount -1", "TypeError: "),
            ("Transfer()", "TypeError: "),
            ("Transfer(1, 2, 3)", "TypeError: "),
            ("amount.real.nothing", "AttributeError: "),
            ("1 / 0", "ZeroDivisionError: division by zero"),
            ("await x", "await and yield have no place"),
            ("(yield)", "await and yield have no place"),
            ("bank.messages", "Only a dotted name with a capital"),
            ("\0", "null bytes"),
            ("(" * 400 + ")" * 400, "is not a Python expression"),
        ],
    )
    def test_a_mistake_is_one_line(self, source: str, says: str) -> None:
        assert says in refusal(source)

    def test_names_are_checked_before_anything_runs(self) -> None:
        ran: list[int] = []
        with pytest.raises(UsageError, match="nothing is not defined"):
            evaluate_message("[ran.append(1), nothing]", {"ran": ran}, module_proxy)
        assert ran == []

    def test_what_the_users_own_code_raises_passes(self) -> None:
        with pytest.raises(RuntimeError, match="from the user's own code"):
            message("fails_deeper()")

    @given(st.text(max_size=30))
    def test_no_text_without_names_raises_anything_but_a_usage_error(self, source: str) -> None:
        with contextlib.suppress(UsageError):
            evaluate_message(source, {"__builtins__": {}}, module_proxy)


class TestBraces:
    def test_a_plain_value_comes_from_the_namespace(self) -> None:
        assert evaluate("amount + 1", names()) == 6

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(UsageError, match="Did you mean amount"):
            evaluate("amont", names())


@pytest.mark.parametrize(("line", "silent"), [("a;", True), ("a; ", True), ("a", False), ("a; b", False), ("", False)])
def test_a_final_semicolon_asks_for_silence(line: str, silent: bool) -> None:
    assert is_silenced(line) is silent
