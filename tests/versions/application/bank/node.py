"""One node of the application: ``python -c "from bank.node import main; main()" PORT SERIALIZER``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from casty import Behaviors, ClusteredActorSystem

from bank.messages import Balance, Deposit, GetBalance, Money, WhatIs


def account(name: str, cents: int = 0, history: tuple[Money, ...] = (), tags: tuple[str, ...] = ()) -> Any:
    async def receive(_ctx: Any, message: Any) -> Any:
        match message:
            case Deposit(money=money):
                balance = Balance(name, cents + message.cents, money.currency.name, (*history, money), [*tags, *message.tags])
                if message.reply_to is not None:
                    message.reply_to.tell(balance)
                return account(name, balance.cents, balance.history, tuple(balance.tags))
            case GetBalance(reply_to, currency):
                reply_to.tell(Balance(name, cents, currency, history, list(tags)))
            case WhatIs(value, reply_to):
                reply_to.tell(f"{type(value).__module__}.{type(value).__qualname__} {value!r}")
        return Behaviors.same()

    return Behaviors.receive(receive)


def main() -> None:
    asyncio.run(run(int(sys.argv[1]), sys.argv[2]))


async def run(port: int, serializer: str) -> None:
    options: dict[str, Any] = {}
    if serializer != "pickle":
        from casty import SerializationConfig, build_serializer

        options["serializer"] = build_serializer(SerializationConfig(serializer=serializer))
    system = ClusteredActorSystem(
        name="bank", host="127.0.0.1", port=port, node_id="till", seed_nodes=(), roles=frozenset(), **options
    )
    async with system:
        system.spawn(Behaviors.sharded(account, num_shards=20), "account")
        print("up", flush=True)
        await asyncio.to_thread(sys.stdin.read)
