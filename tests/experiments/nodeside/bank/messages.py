"""Messages with everything that a message may have: defaults, checks, nesting, enums, collections, refs."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Currency(enum.Enum):
    EUR = 1
    USD = 2


class Range(NamedTuple):
    low: int
    high: int


@dataclass(frozen=True)
class Money:
    amount: int
    currency: Currency = Currency.EUR


@dataclass(frozen=True)
class GetBalance:
    currency: str
    reply_to: Any
    note: str = "no note"
    normal: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "normal", self.currency.lower())


@dataclass(frozen=True)
class Balance:
    account: str
    money: Money
    note: str
    normal: str


@dataclass(frozen=True)
class Describe:
    """Answered with a text of what the node got, and the classes of it."""

    value: Any
    reply_to: Any


@dataclass(frozen=True)
class GiveBack:
    value: Any
    reply_to: Any


@dataclass(frozen=True)
class Statement:
    """Asks for replies of every kind: nested instances, an enum, a tuple, lists and dicts of them, a ref."""

    reply_to: Any


@dataclass(frozen=True)
class Lines:
    first: Money
    others: list[Money]
    by_name: dict[str, Money]
    pair: tuple[Money, Currency]
    kind: Currency
    answer_to: Any


@dataclass(frozen=True)
class Mail:
    """Answered to an address whose field has another name."""

    text: str
    answer_to: Any = None
