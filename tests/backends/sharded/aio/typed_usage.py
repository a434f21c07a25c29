"""What a type checker accepts and refuses of the client's face. Read by mypy and pyright in ``./dev check``, never run.

A line that must be refused carries an ignore comment for each of the two; both report a comment that ignores nothing, so a
line that is accepted by mistake fails the check as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from casty_notebook import ActorRef, Cluster, ClusterClient, EntityRef, Listing, ServiceInstance, ServiceKey, ShardEnvelope


@dataclass(frozen=True)
class Receipt:
    number: int


@dataclass(frozen=True)
class Pay:
    amount: int
    reply_to: ActorRef[Receipt] | None = None


@dataclass(frozen=True)
class GetCount:
    reply_to: ActorRef[int]


@dataclass(frozen=True)
class Refund:
    number: int


type PaymentMsg = Pay | Refund

PAYMENT_KEY: ServiceKey[PaymentMsg] = ServiceKey("payment")


def services_are_typed_by_their_key(client: ClusterClient, cluster: Cluster) -> None:
    listing = client.lookup(PAYMENT_KEY)
    assert_type(listing, Listing[PaymentMsg])
    assert_type(listing.key, ServiceKey[PaymentMsg])
    assert_type(cluster.lookup(PAYMENT_KEY), Listing[PaymentMsg])
    for instance in listing.instances:
        assert_type(instance, ServiceInstance[PaymentMsg])
        assert_type(instance.ref, ActorRef[PaymentMsg])
        instance.ref.tell(Pay(100))
        instance.ref.tell(Refund(1))
        instance.ref.tell(GetCount)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        instance.ref.tell("pay")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        client.tell(instance.ref, Refund(1))
        client.tell(instance.ref, 3)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    for instance in listing:
        instance.ref.tell(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def what_says_nothing_of_its_messages_takes_all(client: ClusterClient) -> None:
    untyped: ActorRef = client.actor_ref("casty://shop@10.0.1.10:25520/pay")
    untyped.tell(Pay(1))
    for instance in client.lookup(ServiceKey("payment")).instances:
        assert_type(instance.ref, ActorRef[Any])
        instance.ref.tell(Pay(100))
    assert_type(client.lookup("payment"), Listing[Any])


def a_ref_of_more_is_a_ref_of_less(ref: ActorRef[PaymentMsg], only_pay: ActorRef[Pay]) -> None:
    less: ActorRef[Pay] = ref
    more: ActorRef[PaymentMsg] = only_pay  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(less, more)


def entities_take_envelopes_of_their_messages(client: ClusterClient) -> None:
    counter: EntityRef[GetCount | int] = client.entity_ref("counter", num_shards=100)
    counter.tell(ShardEnvelope("user-42", 1))
    counter.tell(ShardEnvelope("user-42", "one"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    counter.tell(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.tell(counter, ShardEnvelope("user-42", 1))
    client.tell(counter, 1)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    assert_type(ShardEnvelope("user-42", Pay(1)), ShardEnvelope[Pay])


def pay(reply_to: ActorRef[Receipt]) -> Pay:
    return Pay(100, reply_to)


async def a_reply_has_the_type_of_the_ref_it_is_sent_to(client: ClusterClient, cluster: Cluster) -> None:
    counter = client.entity_ref("counter", num_shards=100)
    payment = next(iter(client.lookup(PAYMENT_KEY))).ref
    assert_type(await client.ask(payment, pay), Receipt)
    assert_type(await client.ask(ref=payment, msg_factory=pay, timeout=5.0), Receipt)
    assert_type(await client.ask("casty://shop@10.0.1.10:25520/pay", pay), Receipt)
    count: int = await client.ask(counter, lambda r: ShardEnvelope("user-42", GetCount(reply_to=r)), timeout=5.0)
    unsaid = await client.ask(counter, lambda r: ShardEnvelope("user-42", GetCount(reply_to=r)), timeout=5.0)
    wrong: str = await client.ask(payment, pay)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    await client.ask(payment, GetCount)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(cluster.ask("payment", pay), Receipt)
    assert_type(cluster.ask("counter/user-42", GetCount), int)
    assert_type(cluster.ask("payment", Pay(100)), Any)
    print(count, unsaid, wrong)
