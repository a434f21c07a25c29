"""The demo's actors: the sharded types ``counter`` and ``account`` and the service ``payment``.

Imported by node processes only; the one other module that may import casty is `casty_notebook.demo.node`. Written
against what the versions 0.15 to 0.21 have in common.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from casty import ActorContext, Behaviors, ServiceKey, ShardEnvelope

from casty_notebook.demo.messages import (
    Balance,
    Deposit,
    Echo,
    Forward,
    GetBalance,
    GetCount,
    Increment,
    PaymentReceipt,
    ProcessPayment,
    Slow,
    Stop,
    Whereabouts,
    WhereAreYou,
)

__all__ = ["PAYMENT", "SHARDED_TYPES", "Place", "account", "counter", "payment"]

PAYMENT = ServiceKey("payment")

type Behavior = Any
"""casty ships no types."""


@dataclass
class Place:
    """What an actor knows of the node it runs on: its name, and the way to the sharded types."""

    node: str
    regions: dict[str, Any] = field(default_factory=dict)


async def _common(place: Place, actor: str, message: Any) -> Behavior:
    """Answer what every actor of the demo understands."""
    match message:
        case WhereAreYou(reply_to):
            reply_to.tell(Whereabouts(place.node, os.getpid(), actor))
        case Echo(value, reply_to):
            reply_to.tell(value)
        case Forward(entity, reply_to):
            shard_type, _, entity_id = entity.partition("/")
            place.regions[shard_type].tell(ShardEnvelope(entity_id, WhereAreYou(reply_to)))
        case Slow(seconds, reply_to):
            await asyncio.sleep(seconds)
            reply_to.tell(seconds)
        case Stop():
            return Behaviors.stopped()
        case _:
            return Behaviors.unhandled()
    return Behaviors.same()


def counter(place: Place, name: str, count: int = 0) -> Behavior:
    """Build an entity that counts."""

    async def receive(_ctx: ActorContext[Any], message: Any) -> Behavior:
        match message:
            case Increment(amount):
                return counter(place, name, count + amount)
            case GetCount(reply_to):
                reply_to.tell(count)
                return Behaviors.same()
            case _:
                return await _common(place, name, message)

    return Behaviors.receive(receive)


def account(place: Place, name: str, amount: int = 0) -> Behavior:
    """Build an entity that keeps an amount."""

    async def receive(_ctx: ActorContext[Any], message: Any) -> Behavior:
        match message:
            case Deposit(added, reply_to):
                if reply_to is not None:
                    reply_to.tell(Balance(name, amount + added))
                return account(place, name, amount + added)
            case GetBalance(reply_to):
                reply_to.tell(Balance(name, amount))
                return Behaviors.same()
            case _:
                return await _common(place, name, message)

    return Behaviors.receive(receive)


def payment(place: Place, done: int = 0) -> Behavior:
    """Build the service that does payments, and numbers them."""

    async def receive(_ctx: ActorContext[Any], message: Any) -> Behavior:
        match message:
            case ProcessPayment(amount, reply_to):
                if reply_to is not None:
                    reply_to.tell(PaymentReceipt(done + 1, amount, place.node))
                return payment(place, done + 1)
            case _:
                return await _common(place, PAYMENT.name, message)

    return Behaviors.receive(receive)


SHARDED_TYPES: dict[str, Callable[[Place, str], Behavior]] = {"counter": counter, "account": account}
