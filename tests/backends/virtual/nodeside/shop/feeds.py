"""An actor that tells a given ref again and again, and lets others tell it. Runs where casty 0.30 is, never here."""

import asyncio
from dataclasses import dataclass
from typing import Any

from casty import Context, Ref, actor

from shop.actors import askable, message


@dataclass(frozen=True)
class Price:
    number: int
    text: str = ""


@message(Price)
class Numbers(askable(Price)):  # type: ignore[misc]
    """Answered with so many prices, one after another."""

    count: int
    every: float = 0.0


@message(int)
class Subscribe(askable(int)): ...  # type: ignore[misc]


@dataclass(frozen=True)
class Listen:
    listener: Ref[int]


@message(int)
class Fire(askable(int)):  # type: ignore[misc]
    """Have all that listen be told, from here and by a key on each node; answered with how many listen."""

    value: int


@dataclass(frozen=True)
class Relay:
    to: Ref[int]
    value: int


@actor(initial=0)
async def feed(ctx: Context[int, Numbers | Subscribe | Listen | Fire | Relay]) -> None:
    kept: list[Any] = []
    async for asked in ctx.inbox:
        match asked:
            case Numbers(count=count, every=every):
                for number in range(count):
                    asked.reply_to.tell(Price(number))
                    await asyncio.sleep(every)
            case Subscribe():
                kept.append(asked.reply_to)
            case Listen(listener=listener):
                kept.append(listener)
            case Relay(to=to, value=value):
                to.tell(value)
            case Fire(value=value):
                for each in kept:
                    each.tell(value)
                    for number in range(24):
                        ctx.system.ref(feed, f"relay-{number}").tell(Relay(each, 100 * value + number))
                asked.reply_to.tell(len(kept))
