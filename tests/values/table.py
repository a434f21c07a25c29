"""The table that the client uses, and the classes of the golden vectors' application."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from casty_notebook.address import ActorAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.codec.pickle.reader import loads
from casty_notebook.settings import Settings
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.registry import Layout, Registry

REF = ActorRef(ActorAddress.parse("casty://my-cluster-client@client-0123456789abcdef:1/_ask/0f"))


class Colour(enum.Enum):
    red = 1
    blue = "b"


class Access(enum.Flag):
    read = 1
    write = 2


@dataclass(frozen=True)
class Amount:
    value: int
    currency: str = "EUR"


@dataclass
class Basket:
    owner: str
    items: list[Any] = field(default_factory=list)
    note: Any = None


@dataclass(frozen=True, slots=True)
class Slotted:
    left: Any
    right: Any = 2


@dataclass(slots=True)
class SlottedMutable:
    left: Any
    right: Any = 2


@dataclass(frozen=True)
class Empty:
    pass


class Point(NamedTuple):
    x: int
    y: int = 0


class Outer:
    @dataclass(frozen=True)
    class Inner:
        value: int


USER_CLASSES = (Colour, Access, Amount, Basket, Slotted, SlottedMutable, Empty, Point, Outer.Inner)


def table(*classes: Any) -> Registry:
    """The client's table with more classes."""
    return build_registry(lambda uri: ActorRef(ActorAddress.parse(uri)), classes)


def codec(
    *classes: Any,
    serializer: str = "pickle",
    compression: str | None = None,
    layout: Layout = Layout.pkg,
    **limits: Any,
) -> Codec:
    """A codec over that table."""
    return Codec(table(*classes), serializer, compression, layout, Settings(**limits))


def plain_loads(data: bytes, *classes: Any, **limits: Any) -> Any:
    """Read a pickle without the shortcut for shard tables."""
    return loads(data, table(*classes), Settings(**limits), bulk=False)
