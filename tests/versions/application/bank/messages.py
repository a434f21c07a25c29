"""Messages as people write them: defaults, a field that is worked out, an enum, a part in a part."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class Currency(enum.Enum):
    EUR = "euro"
    USD = "dollar"


@dataclass(frozen=True)
class Money:
    amount: int
    currency: Currency = Currency.EUR


@dataclass
class Deposit:
    money: Money
    reply_to: Any = None
    tags: list[str] = field(default_factory=lambda: ["untagged"])
    cents: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.cents = self.money.amount * 100


@dataclass(frozen=True)
class GetBalance:
    reply_to: Any
    currency: str = "EUR"


@dataclass(frozen=True)
class Balance:
    account: str
    cents: int
    currency: str
    history: tuple[Money, ...] = ()
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class WhatIs:
    """Answered with how the node sees the value that came."""

    value: Any
    reply_to: Any
