"""What the nodes of the experiments run: the bank, which the tests cannot import, and casty's distributed structures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from bank import messages as m
from casty import Behaviors

system: Any = globals()["system"]
node: str = globals()["node"]


def told(value: Any) -> str:
    """A text of a value that names the class of every part."""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "tell"):
        return "a ref"
    if isinstance(value, m.Currency):
        return f"{name}.{value.name}"
    if isinstance(value, list | tuple | frozenset):
        return f"{name}({', '.join(map(told, value))})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{key}: {told(item)}' for key, item in value.items())})"
    fields = getattr(value, "__dataclass_fields__", None)
    return f"{name}({', '.join(told(getattr(value, field)) for field in fields)})" if fields else repr(value)


def account(name: str) -> Any:
    async def receive(ctx: Any, message: Any) -> Any:
        match message:
            case m.GetBalance(currency=currency, reply_to=reply_to, note=note, normal=normal):
                money = m.Money(len(name), m.Currency[currency])
                reply_to.tell(m.Balance(name, money, note, normal))
            case m.Describe(value=value, reply_to=reply_to):
                reply_to.tell(told(value))
            case m.GiveBack(value=value, reply_to=reply_to):
                reply_to.tell(value)
            case m.Statement(reply_to=reply_to):
                one, two = m.Money(1), m.Money(2, m.Currency.USD)
                reply_to.tell(m.Lines(one, [one, two], {"two": two}, (two, m.Currency.USD), m.Currency.USD, ctx.self))
            case m.Mail(text=text, answer_to=answer_to):
                answer_to.tell(f"got {text}")
        return Behaviors.same()

    return Behaviors.receive(receive)


system.spawn(Behaviors.sharded(account, num_shards=30), "bank-account")

if hasattr(system, "distributed"):
    structures = system.distributed()
    structures.counter("hits", shards=50)
    structures.map[str, object]("users")
    structures.set[str]("tags")
    structures.queue[str]("jobs")
