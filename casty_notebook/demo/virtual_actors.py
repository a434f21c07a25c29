"""The demo's actors for casty 0.30: the types ``counter``, ``account``, ``sleeper`` and ``faulty``, and the pinned ``payment``.

Imported by node processes only. Their messages have the names and fields of those in `casty_notebook.demo.messages`: nothing else
travels, so that a notebook asks both kinds of cluster with the same classes. The nodes need classes of their own because casty
0.30 wants each message to declare what it is answered with.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from casty import Askable, Context, Ref, actor

__all__ = ["TYPES", "account", "counter", "faulty", "payment", "place", "sleeper"]


class Place:
    """The node that this process is."""

    node = "node-1"


place = Place()

# --- what is taken and answered ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Increment:
    amount: int = 1


@dataclass(frozen=True)
class GetCount(Askable[int]): ...


@dataclass(frozen=True)
class Balance:
    account: str
    amount: int


@dataclass(frozen=True)
class Deposit(Askable[Balance]):
    amount: int


@dataclass(frozen=True)
class GetBalance(Askable[Balance]): ...


@dataclass(frozen=True)
class PaymentReceipt:
    number: int
    amount: int
    node: str


@dataclass(frozen=True)
class ProcessPayment(Askable[PaymentReceipt]):
    amount: int


@dataclass(frozen=True)
class Whereabouts:
    node: str
    pid: int
    actor: str


@dataclass(frozen=True)
class WhereAreYou(Askable[Whereabouts]): ...


Plain = int | float | str | bytes | bool | None
"""The values that `Echo` takes: casty 0.30 wants their types listed, as it has none for just any value."""


@dataclass(frozen=True)
class Echo(Askable[Plain]):
    value: Plain


@dataclass(frozen=True)
class Forward(Askable[Whereabouts]):
    entity: str


@dataclass(frozen=True)
class Slow(Askable[float]):
    seconds: float


@dataclass(frozen=True)
class Fail(Askable[int]):
    reason: str = "as it was asked to"


Common = WhereAreYou | Echo | Forward | Slow | Fail
"""What every actor of the demo understands."""


async def _common(name: str, asked: Common, system: object) -> None:
    match asked:
        case WhereAreYou():
            asked.reply_to.tell(_here(name))
        case Echo(value=value):
            asked.reply_to.tell(value)
        case Forward(entity=entity):
            _ref(system, entity).tell(WhereAreYou(reply_to=asked.reply_to))
        case Slow(seconds=seconds):
            await asyncio.sleep(seconds)
            asked.reply_to.tell(seconds)
        case Fail(reason=reason):
            raise RuntimeError(reason)


def _here(name: str) -> Whereabouts:
    return Whereabouts(place.node, os.getpid(), name)


def _ref(system: object, entity: str) -> Ref[WhereAreYou]:
    name, _, key = entity.partition("/")
    return system.ref(TYPES[name], key)  # type: ignore[attr-defined]


# --- the types ----------------------------------------------------------------------------------------------------------


@actor(initial=0)
async def counter(ctx: Context[int, Increment | GetCount | Common]) -> None:
    """A key that counts."""
    async for asked in ctx.inbox:
        match asked:
            case Increment(amount=amount):
                await ctx.state.set(ctx.state.value + amount)
            case GetCount():
                asked.reply_to.tell(ctx.state.value)
            case _:
                await _common(ctx.key, asked, ctx.system)


@actor(initial=0)
async def account(ctx: Context[int, Deposit | GetBalance | Common]) -> None:
    """A key that keeps an amount."""
    async for asked in ctx.inbox:
        match asked:
            case Deposit(amount=amount):
                await ctx.state.set(ctx.state.value + amount)
                asked.reply_to.tell(Balance(ctx.key, ctx.state.value))
            case GetBalance():
                asked.reply_to.tell(Balance(ctx.key, ctx.state.value))
            case _:
                await _common(ctx.key, asked, ctx.system)


@actor(pinned=True, initial=0)
async def payment(ctx: Context[int, ProcessPayment | Common]) -> None:
    """A type with one actor on each node, which does payments and numbers them."""
    async for asked in ctx.inbox:
        match asked:
            case ProcessPayment(amount=amount):
                await ctx.state.set(ctx.state.value + 1)
                asked.reply_to.tell(PaymentReceipt(ctx.state.value, amount, place.node))
            case _:
                await _common("payment", asked, ctx.system)


@actor(initial=0)
async def sleeper(ctx: Context[int, GetCount | Slow | WhereAreYou | Echo]) -> None:
    """A key that takes a tenth of a second for anything: ask it twice at once and the second waits in its mailbox."""
    async for asked in ctx.inbox:
        await asyncio.sleep(0.1)
        match asked:
            case GetCount():
                asked.reply_to.tell(await ctx.state.update(lambda count: count + 1))
            case _:
                await _common(ctx.key, asked, ctx.system)


@actor(initial=0)
async def faulty(ctx: Context[int, GetCount | WhereAreYou | Fail]) -> None:
    """A key that raises at every third question; what it counts survives its restarts."""
    async for asked in ctx.inbox:
        match asked:
            case GetCount():
                count = await ctx.state.update(lambda count: count + 1)
                if count % 3 == 0:
                    raise RuntimeError(f"question {count} was one too many")
                asked.reply_to.tell(count)
            case _:
                await _common(ctx.key, asked, ctx.system)


TYPES = {"counter": counter, "account": account, "sleeper": sleeper, "faulty": faulty, "payment": payment}
