"""The application of the tests' nodes of casty 0.30. Runs where that casty is, never here."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import casty
from casty import Context, actor


def askable(reply: Any) -> Any:
    """What a message that wants such a reply inherits: 0.30.0 has no `Askable`, and a field instead."""
    return casty.Askable[reply] if hasattr(casty, "Askable") else object


def message(reply: Any) -> Any:
    """A message class that wants such a reply, on any 0.30."""

    def made(cls: type) -> type:
        if not hasattr(casty, "Askable"):
            cls.__annotations__ = {"reply_to": casty.Ref[reply], **cls.__annotations__}
        return dataclass(frozen=True)(cls)

    return made


class Colour(Enum):
    RED = 1
    BLUE = 2


@message(int)
class Get(askable(int)): ...  # type: ignore[misc]


@message(int)
class Add(askable(int)):  # type: ignore[misc]
    amount: int


@message(int)
class Slow(askable(int)):  # type: ignore[misc]
    seconds: float


@message(int)
class Boom(askable(int)): ...  # type: ignore[misc]


@actor(initial=0)
async def counter(ctx: Context[int, Get | Add | Slow | Boom]) -> None:
    async for asked in ctx.inbox:
        match asked:
            case Add(amount=amount):
                await ctx.state.set(ctx.state.value + amount)
            case Slow(seconds=seconds):
                await asyncio.sleep(seconds)
            case Boom():
                raise RuntimeError("boom")
        asked.reply_to.tell(ctx.state.value)


@dataclass(frozen=True)
class Inner:
    x: int


@dataclass(frozen=True)
class Zoo:
    """One value of each kind that casty 0.30 takes."""

    number: int
    ratio: float
    text: str
    octets: bytes
    maybe: int | None
    row: tuple[int, ...]
    pair: tuple[int, str]
    names: frozenset[str]
    counts: Mapping[str, int]
    moment: datetime
    day: date
    span: timedelta
    price: Decimal
    id: UUID
    colour: Colour
    one: Inner
    several: tuple[Inner, ...]
    perhaps: Inner | None


@message(Zoo)
class EchoZoo(askable(Zoo)):  # type: ignore[misc]
    zoo: Zoo


@message(bytes)
class Size(askable(bytes)):  # type: ignore[misc]
    size: int
    data: bytes = b""


@actor(initial=None)
async def zoo(ctx: Context[None, EchoZoo | Size]) -> None:
    async for asked in ctx.inbox:
        match asked:
            case EchoZoo(zoo=value):
                asked.reply_to.tell(value)
            case Size(size=size):
                asked.reply_to.tell(bytes(size))


@message(str)
class Who(askable(str)): ...  # type: ignore[misc]


@actor(pinned=True, initial=None)
async def pinned(ctx: Context[None, Who]) -> None:
    async for asked in ctx.inbox:
        asked.reply_to.tell(ctx.key)


@actor
async def strict(ctx: Context[int, Get]) -> None:
    async for asked in ctx.inbox:
        asked.reply_to.tell(ctx.state.value)
