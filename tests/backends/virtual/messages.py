"""The application's messages, as a user would write them here; no casty is needed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Get: ...


@dataclass(frozen=True)
class Add:
    amount: int


@dataclass(frozen=True)
class Slow:
    seconds: float


@dataclass(frozen=True)
class Boom: ...


@dataclass(frozen=True)
class Nope: ...


@dataclass(frozen=True)
class Who: ...


@dataclass(frozen=True)
class Size:
    size: int
    data: bytes = b""


@dataclass(frozen=True)
class Inner:
    x: int


@dataclass(frozen=True)
class Zoo:
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


@dataclass(frozen=True)
class EchoZoo:
    zoo: Zoo
