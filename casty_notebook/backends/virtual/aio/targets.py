"""What a user writes for a key: ``counter/user-42``, ``shop.actors:counter/user-42``, ``helper@10.0.1.10:25520/key``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.values import EntityKey
from casty_notebook.errors import FailureReport, MisuseError, NoSuchType
from casty_notebook.topology.node_report import type_kind

__all__ = ["parse_target", "resolve_type"]

PINNED_KEY = "default"
"""The key of a pinned type where the user names none."""

MOST_NAMED = 8
"""Types of the application that an error lists."""


def parse_target(target: EntityKey | str) -> EntityKey:
    """Read a target; its type may still be a short name.

    Raises
    ------
    MisuseError
        If it names no key.

    Examples
    --------
    >>> parse_target("counter/user-42")
    EntityKey(actor='counter', key='user-42')
    >>> parse_target("shop.nodes:helper@10.0.1.10:25520/a")
    EntityKey(actor='shop.nodes:helper', key='@10.0.1.10:25520/a')
    """
    if isinstance(target, EntityKey):
        if not (isinstance(target.actor, str) and isinstance(target.key, str)):
            raise MisuseError(f"an EntityKey is made of two texts, not {target!r:.200}")
        return _checked_text(target)
    if not isinstance(target, str):
        raise MisuseError(f"a target is a text like counter/user-42, or an EntityKey, not {type(target).__name__}")
    place, slash, key = target.partition("/")
    name, at, node = place.partition("@")
    if at:
        return _checked_text(EntityKey(_checked(name, target), f"@{NodeAddress.parse(node)}/{key or PINNED_KEY}"))
    if not slash or not key:
        raise MisuseError(f"{target!r} names no key; write counter/user-42, or helper@10.0.1.10:25520 for a pinned type")
    return _checked_text(EntityKey(_checked(name, target), key))


def _checked_text(entity: EntityKey) -> EntityKey:
    """Refuse what UTF-8 cannot write: that is how keys travel, and how they are placed on the ring."""
    try:
        str(entity).encode()
    except UnicodeEncodeError as error:
        odd = error.object[error.start]
        raise MisuseError(f"{str(entity)[:80]!r} cannot be a key: {odd!r} is half of a character") from None
    return entity


def _checked(name: str, target: str) -> str:
    if not name:
        raise MisuseError(f"{target!r} names no actor type; write for example counter/user-42")
    return name


def resolve_type(name: str, known: Iterable[str], *, force: bool) -> str:
    """The full name of a type, by what the members have met.

    A node imports the module of any type that it is asked for. A type that no member knows is therefore refused, unless it is
    written in full and the user insists.

    Raises
    ------
    NoSuchType
        If no member lists it; names what is near.
    MisuseError
        If a short name stands for several.

    Examples
    --------
    >>> resolve_type("counter", ["shop.actors:counter", "shop.actors:cart"], force=False)
    'shop.actors:counter'
    """
    types = list(known)
    if not name:
        raise MisuseError("a target without a name is none; write counter/user-42, or a type (payment)")
    if name in types or (force and ":" in name):
        return name
    matches = [each for each in types if name in (each.partition(":")[2], each.partition(":")[2].rpartition(".")[2])]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise MisuseError(f"{name!r} may be {' or '.join(sorted(matches))}; write the name in full")
    names = {each.partition(":")[2]: each for each in types}
    near = [names.get(each, each) for each in difflib.get_close_matches(name, [*types, *names], n=2)]
    cause = f"no member knows the actor type {name!r}; {_met(types)}."
    if near:
        advice = f"Did you mean {near[0]}?"
    elif ":" in name:
        insist = "insist with force=True: the nodes then import its module."
        advice = f"A type is listed after its first use. If it exists, {insist}"
    else:
        advice = "A type is listed after its first use. Write it in full (module:qualname) and insist with force=True."
    raise NoSuchType(FailureReport(name, cause, advice))


def _met(types: list[str]) -> str:
    """The types that the members have met, for an error. casty's own are only counted: nobody looks for their long names."""
    own = sorted(each for each in types if type_kind(each) == "application")
    rest = len(types) - len(own[:MOST_NAMED])
    named = ", ".join(own[:MOST_NAMED])
    if not named:
        return f"they have met {f"{rest} of casty's own alone" if rest else "no type yet"}"
    return f"they have met {named}{f" and {rest} more" if rest else ""}"
