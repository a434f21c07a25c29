"""Messages and replies whose classes exist on the nodes only."""

from __future__ import annotations

import dataclasses
import enum
import types

import pandas as pd
import pytest

from casty_notebook import ActorRef, Cluster, StandIn, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import AskTimeout, MisuseError

ALICE = "bank-account/alice"


def test_a_message_arrives_as_the_real_class_with_its_defaults_and_post_init(any_bank: Cluster) -> None:
    bank = any_bank.module("bank.messages")
    reply = any_bank.ask(ALICE, bank.GetBalance(currency="EUR"))
    assert (reply.account, reply.money.amount) == ("alice", 5)
    assert (reply.note, reply.normal) == ("no note", "eur"), "its default, and what its __post_init__ makes"


def test_nested_messages_enums_collections_and_refs_arrive_as_what_they_are(any_bank: Cluster) -> None:
    bank = any_bank.module("bank.messages")
    value = [
        bank.Money(amount=1),
        {"owner": bank.Money(amount=2, currency=bank.Currency.USD)},
        (bank.Currency.EUR, 3),
        next(iter(any_bank.lookup("payment"))).ref,
    ]
    told = any_bank.ask(ALICE, bank.Describe(value=value))
    money = "bank.messages.Money"
    assert told == (
        f"builtins.list({money}(1, bank.messages.Currency.EUR), dict(owner: {money}(2, bank.messages.Currency.USD)), "
        "builtins.tuple(bank.messages.Currency.EUR, 3), a ref)"
    )


@pytest.mark.parametrize(
    "message",
    ["bank.messages.GetBalance(currency='EUR', note='by text')", "bank.messages.GetBalance('EUR', note='by text')"],
)
def test_a_message_may_be_written_as_text(bank: Cluster, message: str) -> None:
    assert bank.ask(ALICE, message).note == "by text"


def test_a_class_by_its_name_alone_gets_the_reply_address(any_bank: Cluster) -> None:
    bank = any_bank.module("bank")
    for message in ("bank.messages.Statement", bank.messages.Statement, any_bank.module("bank.messages").Statement):
        assert any_bank.ask(ALICE, message).first.amount == 1


def test_the_reply_address_goes_into_another_field_on_request(any_bank: Cluster) -> None:
    mail = any_bank.module("bank.messages").Mail
    assert any_bank.ask(ALICE, mail(text="hello"), reply_field="answer_to") == "got hello"
    assert any_bank.ask(ALICE, lambda address: mail(text="you", answer_to=address)) == "got you"


def test_replies_of_unknown_classes_are_stand_ins_all_the_way_down(any_bank: Cluster) -> None:
    reply = any_bank.ask(ALICE, "bank.messages.Statement")
    assert isinstance(reply, StandIn)
    assert [money.amount for money in reply.others] == [1, 2]
    assert reply.by_name["two"] == reply.others[1] == reply.pair[0]
    assert reply.others[0] != reply.others[1]
    assert isinstance(reply.answer_to, ActorRef)
    assert any_bank.ask(reply.answer_to, "bank.messages.GiveBack(value=7)") == 7, "a ref from a reply can be asked"
    with pytest.raises(AttributeError, match="has no field 'amuont'; its fields are: amount, currency"):
        _ = reply.first.amuont


def test_a_stand_in_looks_like_the_dataclass_it_stands_for(bank: Cluster) -> None:
    balance = bank.ask(ALICE, "bank.messages.GetBalance('EUR')")
    assert repr(balance) == (
        "bank.messages.Balance(account='alice', "
        "money=bank.messages.Money(amount=5, currency=bank.messages.Currency(1)), note='no note', normal='eur')"
    )
    assert balance.to_dict()["money"]["amount"] == 5
    assert dataclasses.asdict(balance) == balance.to_dict()
    assert bank.ask(ALICE, "bank.messages.GetBalance('EUR')") == balance
    assert bank.ask(ALICE, "bank.messages.GetBalance('USD')") != balance


def test_a_list_of_stand_ins_is_a_table(any_bank: Cluster) -> None:
    replies = [any_bank.ask(f"bank-account/{name}", "bank.messages.GetBalance(currency='EUR')") for name in ("al", "bert")]
    table = pd.DataFrame(replies)
    assert list(table.columns) == ["account", "money", "note", "normal"]
    assert list(table["account"]) == ["al", "bert"]


def test_what_came_as_a_stand_in_can_be_sent_back(any_bank: Cluster) -> None:
    lines = any_bank.ask(ALICE, "bank.messages.Statement")
    give_back = any_bank.module("bank.messages").GiveBack
    assert any_bank.ask(ALICE, give_back(value=lines)) == lines


class Currency(enum.Enum):
    EUR = 1
    USD = 2


@dataclasses.dataclass(frozen=True)
class Money:
    amount: int
    currency: Currency


@dataclasses.dataclass(frozen=True)
class Balance:
    account: str
    money: Money
    note: str
    normal: str


@pytest.fixture
def bank_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    for cls in (Currency, Money, Balance):
        monkeypatch.setattr(cls, "__module__", "bank.messages")


@pytest.mark.usefixtures("bank_classes")
def test_registered_classes_are_what_replies_become(bank_cluster: DemoCluster) -> None:
    with connect(bank_cluster.uri, shards={"bank-account": 30}, name="registered") as cluster:
        ask = "bank.messages.GetBalance('USD')"
        assert isinstance(cluster.ask(ALICE, ask), StandIn)
        cluster.register(Balance, Money, Currency)
        assert cluster.ask(ALICE, ask) == Balance("alice", Money(5, Currency.USD), "no note", "usd")
    module = types.ModuleType("bank.messages")
    module.__dict__.update(Balance=Balance, Money=Money, Currency=Currency)
    with connect(bank_cluster.uri, shards={"bank-account": 30}, name="registered", messages=[module]) as cluster:
        assert isinstance(cluster.ask(ALICE, ask).money, Money)


def test_only_classes_that_declare_their_fields_are_registered(bank: Cluster) -> None:
    class Plain:
        pass

    with pytest.raises(
        MisuseError,
        match="only dataclasses, enums, NamedTuples, attrs classes, msgspec Structs and pydantic models can be registered, "
        "since building anything else would run its code on data from the network",
    ):
        bank.register(Plain)
    with pytest.raises(MisuseError, match="is neither a class nor a module"):
        bank.register(Plain())


def test_a_class_that_the_nodes_do_not_have_is_a_timeout_that_says_what_is_likely(bank: Cluster) -> None:
    likely = r"which is reachable, but no reply came: .*could not decode it.*Check the message's class"
    with pytest.raises(AskTimeout, match=likely):
        bank.ask(ALICE, "bank.messages.GetBalnce(currency='EUR')", timeout=0.3)


@pytest.mark.parametrize(
    "text", ["ping", "GetBalance", "GetBalance()", "a.b c", "bank.messages.GetBalance(x)", "bank.M(**y)", "1 + 1", ""]
)
def test_a_text_that_is_no_message_is_refused_before_anything_is_sent(bank: Cluster, text: str) -> None:
    with pytest.raises(MisuseError, match="is a text and has no place for the reply's address; as a message write"):
        bank.ask(ALICE, text)


def test_a_finished_message_that_cannot_be_answered_is_refused(bank: Cluster) -> None:
    with pytest.raises(
        MisuseError, match=r"Balance has no field 'reply_to' for the reply's address \(its fields are account, money, note, no"
    ):
        bank.ask(ALICE, Balance("a", Money(1, Currency.EUR), "", ""))
    with pytest.raises(MisuseError, match=r"has no field 'replyto'.*Did you mean reply_field='reply_to'\?"):
        bank.ask(ALICE, {"reply_to": None}, reply_field="replyto")
    with pytest.raises(MisuseError, match=r"is set already .* so its answer goes there and never comes here; leave it None"):
        bank.ask(ALICE, {"reply_to": 5})
