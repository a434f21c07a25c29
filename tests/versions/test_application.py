"""A cluster whose application cannot be imported here: its messages are built by name, its replies are stand-ins."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from casty_notebook import Cluster, StandIn, connect
from casty_notebook.errors import AskTimeout, MisuseError, UnsendableMessage
from tests.versions.environments import FULL
from tests.versions.processes import run_node

APPLICATION = Path(__file__).parent / "application"
PROGRAM = "from bank.node import main; main()"


@pytest.fixture(scope="module", params=[("0.15.1", "pickle"), (FULL, "pickle"), (FULL, "json"), (FULL, "msgpack")],
                ids="-".join)  # fmt: skip
def bank_cluster(request: pytest.FixtureRequest, pythons: dict[str, Path]) -> Iterator[Cluster]:
    version, serializer = request.param
    with (
        run_node(pythons[version], PROGRAM, serializer, folder=APPLICATION) as node,
        connect(f"casty://bank@{node}", shards={"account": 20}) as cluster,
    ):
        yield cluster


def test_the_application_is_not_here(bank_cluster: Cluster) -> None:
    assert importlib.util.find_spec("bank") is None
    bank_cluster.ask("account/anybody", bank_cluster.module("bank.messages").GetBalance())
    assert importlib.util.find_spec("bank") is None


def test_defaults_and_post_init_are_those_of_the_class_over_there(bank_cluster: Cluster) -> None:
    bank = bank_cluster.module("bank.messages")
    balance = bank_cluster.ask("account/alice", bank.Deposit(money=bank.Money(amount=3)))
    assert isinstance(balance, StandIn)
    assert (balance.account, balance.cents, balance.currency) == ("alice", 300, "EUR")
    assert balance.tags == ["untagged"]
    (money,) = balance.history
    assert money.amount == 3
    # A pickle carries the member's value, JSON and msgpack its name (PROTOCOL sections 4.3 and 4.4).
    assert repr(money.currency) in ("bank.messages.Currency('euro')", "<stand-in class bank.messages.Currency.EUR>")


def test_enums_and_parts_are_given_by_name(bank_cluster: Cluster) -> None:
    bank = bank_cluster.module("bank.messages")
    dollars = bank.Money(amount=5, currency=bank.Currency.USD)
    balance = bank_cluster.ask("account/bob", bank.Deposit(money=dollars, tags=["gift"]))
    assert (balance.cents, balance.currency, balance.tags) == (500, "USD", ["gift"])
    seen = bank_cluster.ask("account/bob", bank.WhatIs(value=[dollars, {"k": bank.Currency.EUR}]))
    assert seen == (
        "builtins.list [Money(amount=5, currency=<Currency.USD: 'dollar'>), {'k': <Currency.EUR: 'euro'>}]"
    )


def test_a_reply_is_shown_compared_and_taken_apart_like_a_dataclass(bank_cluster: Cluster) -> None:
    bank = bank_cluster.module("bank.messages")
    balance = bank_cluster.ask("account/nobody", bank.GetBalance(currency="CHF"))
    assert repr(balance) == "bank.messages.Balance(account='nobody', cents=0, currency='CHF', history=(), tags=[])"
    assert balance == bank_cluster.ask("account/nobody", bank.GetBalance(currency="CHF"))
    assert balance.to_dict() == {"account": "nobody", "cents": 0, "currency": "CHF", "history": (), "tags": []}
    with pytest.raises(AttributeError, match="currency"):
        _ = balance.curency


def test_a_message_that_the_node_has_no_class_for_gets_no_reply_and_says_so(bank_cluster: Cluster) -> None:
    bank = bank_cluster.module("bank.messages")
    with pytest.raises(AskTimeout, match="could not decode it"):
        bank_cluster.ask("account/alice", bank.GetBalanse(), timeout=0.5)


def test_positional_fields_are_refused_where_the_cluster_needs_names(bank_cluster: Cluster) -> None:
    bank = bank_cluster.module("bank.messages")
    encoding = bank_cluster.client.encoding
    assert encoding is not None
    if encoding.serializer == "pickle":
        assert bank_cluster.ask("account/carol", bank.WhatIs(1)) == "builtins.int 1"
        return
    with pytest.raises((UnsendableMessage, MisuseError), match=r"need names: .*WhatIs\(name=value\)"):
        bank_cluster.ask("account/carol", bank.WhatIs(1))
