"""What a target written by a person means: ``counter/user-42``, ``payment``, ``casty://system@host:port/path``."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from casty_notebook.address import ActorAddress
from casty_notebook.errors import InvalidAddress, MisuseError

__all__ = [
    "MAX_TARGETS",
    "EntityName",
    "Exact",
    "ServiceName",
    "entity_targets",
    "expand_ranges",
    "id_text",
    "is_missing",
    "numbers_of",
    "only_target",
    "parse_target",
]

MAX_TARGETS = 100_000
"""As many asks as one client keeps pending (`Settings.max_pending_asks`)."""

_RANGE = re.compile(r"\s*(\d{1,18})\s*\.\.\s*(\d{1,18})\s*", re.ASCII)
_BRACES = re.compile(r"\{([^{}]*)\}")


class Exact(str):
    """A target in which braces are part of the name: it came from a value or from the cluster, and nobody typed a range."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class EntityName:
    """An entity of a sharded type."""

    shard_type: str
    entity_id: str

    def __str__(self) -> str:
        return f"{self.shard_type}/{self.entity_id}"


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A discoverable service."""

    name: str

    def __str__(self) -> str:
        return self.name


def parse_target(text: str) -> EntityName | ServiceName | ActorAddress:
    """Read a target. Only the first slash separates, so entity ids may contain more.

    Raises
    ------
    MisuseError
        If the text is empty or lacks a part.

    Examples
    --------
    >>> parse_target("counter/user-42")
    EntityName(shard_type='counter', entity_id='user-42')
    >>> parse_target("payment")
    ServiceName(name='payment')
    >>> parse_target("casty://shop@10.0.1.10:25520/payments").path
    '/payments'
    """
    if text.startswith("casty://"):
        address = ActorAddress.parse(text)
        if address.node is None:
            raise InvalidAddress(f"{text!r} names no node; expected casty://SYSTEM@HOST:PORT/PATH")
        return address
    name, slash, entity_id = text.partition("/")
    if not name or (slash and not entity_id):
        raise MisuseError(
            f"{text!r} is no target; write an entity (counter/user-42), a service (payment) or a casty:// address"
        )
    return EntityName(name, entity_id) if slash else ServiceName(name)


def numbers_of(text: str) -> Iterator[str] | None:
    """The numbers of a range ``1..100``, with its leading zeros; None if the text is no range.

    Raises
    ------
    MisuseError
        If it is longer than one call may ask.

    Examples
    --------
    >>> list(numbers_of("08..10")), list(numbers_of("3..1")), numbers_of("user")
    (['08', '09', '10'], ['3', '2', '1'], None)
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    if abs(last - first) >= MAX_TARGETS:
        raise MisuseError(f"{{{text}}} is more than {MAX_TARGETS:,} targets. Ask them in several calls.")
    width = len(match[1]) if match[1].startswith("0") else 0
    step = 1 if last >= first else -1
    return (f"{number:0{width}d}" for number in range(first, last + step, step))


def expand_ranges(pattern: str) -> list[str]:
    """The targets that a pattern with ranges stands for, in order; one without is itself.

    Raises
    ------
    MisuseError
        If that is more than one call may ask.

    Examples
    --------
    >>> expand_ranges("counter/user-{1..3}")
    ['counter/user-1', 'counter/user-2', 'counter/user-3']
    >>> expand_ranges("counter/{odd}")
    ['counter/{odd}']
    >>> expand_ranges(Exact("counter/{1..3}"))
    ['counter/{1..3}']
    """
    if isinstance(pattern, Exact) or "{" not in pattern:
        return [pattern]
    found = [""]
    end = 0
    for match in _BRACES.finditer(pattern):
        values = numbers_of(match[1])
        if values is None:
            continue
        numbers = list(values)
        if len(found) * len(numbers) > MAX_TARGETS:
            raise MisuseError(f"{pattern} stands for more than {MAX_TARGETS:,} targets. Ask them in several calls.")
        found = [f"{head}{pattern[end : match.start()]}{number}" for head in found for number in numbers]
        end = match.end()
    return [head + pattern[end:] for head in found]


def only_target(pattern: str) -> str:
    """The one target that a text stands for.

    Raises
    ------
    MisuseError
        If it stands for several.

    Examples
    --------
    >>> only_target("counter/{7..7}")
    'counter/7'
    """
    found = expand_ranges(pattern)
    if len(found) > 1:
        raise MisuseError(f"{pattern} stands for {len(found):,} targets. ask_many (%%casty_ask) asks them, tell_many tells them.")
    return found[0]


def entity_targets(shard_type: str, ids: Iterable[Any]) -> list[str]:
    """Targets of entities by their ids: texts, whole numbers or UUIDs, as a list or a DataFrame's column has them.

    Raises
    ------
    MisuseError
        For an id that is missing, or of a kind whose text would be a guess; names its place.

    Examples
    --------
    >>> entity_targets("counter", ["user-1", 2])
    ['counter/user-1', 'counter/2']
    """
    return [Exact(f"{shard_type}/{id_text(value, f'the entity id at place {place}')}") for place, value in enumerate(ids)]


def is_missing(value: Any) -> bool:
    """Whether a value is what a DataFrame's column has where there is none: None, NaN, NaT, NA.

    Examples
    --------
    >>> is_missing(float("nan")), is_missing(0)
    (True, False)
    """
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)


def id_text(value: Any, what: str) -> str:
    """The text of an id, or of a part of one; `what` it is, for the error.

    Raises
    ------
    MisuseError
        If it is missing, or of a kind whose text would be a guess: ``42.0`` of a column that had a gap is entity 42, most likely.

    Examples
    --------
    >>> id_text(42, "the id")
    '42'
    """
    if isinstance(value, str) and value:
        return value
    if isinstance(value, numbers.Integral | UUID) and not isinstance(value, bool):
        return str(value)
    if is_missing(value) or (isinstance(value, str) and not value):
        raise MisuseError(f"{what} is missing ({value!r}); drop such rows before asking")
    whole = isinstance(value, numbers.Real) and value == value // 1 and not isinstance(value, bool)
    remedy = f".astype('Int64') makes it {value:.0f}" if whole else "convert it, for example by .astype(str)"
    raise MisuseError(
        f"{what} is {value!r}, of type {type(value).__name__}; an id is a text, a whole number or a UUID: {remedy}"
    )
