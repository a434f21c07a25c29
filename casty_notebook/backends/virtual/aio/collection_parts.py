"""What the collections of casty 0.30 are made of: their settings, the keys that hold them, and the index of their keys.

A collection is some keys of casty's own actor types, which are asked like any others (VIRTUAL section 8).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from casty_notebook.backends.read_only import ReadOnlyRail
from casty_notebook.backends.virtual.aio.face import ClientFace
from casty_notebook.backends.virtual.codec.annotations import Annotation, read_annotation
from casty_notebook.backends.virtual.codec.packing import glimpse, unpack
from casty_notebook.backends.virtual.codec.values import EntityKey
from casty_notebook.backends.virtual.session.segments import next_position, segment_of, shard_of, spread_of, to_split
from casty_notebook.errors import CastyNotebookError, MisuseError, UndecodableMessage
from casty_notebook.values.standin import StandIn, StandInClass

__all__ = ["Call", "Index", "Layout", "number", "octets", "pair", "read_layout", "sequence"]

MODULE = "casty.collections"
REGISTER = f"{MODULE}:register.actor"
"""The actor type whose keys keep the settings of the collections, one key for each."""
LEVELS = ("one", "majority", "all")
MOST_SHARDS = 4_096
"""Shards of an index that are asked at once, and stripes of a counter; casty's own settings say 16 and 1."""
MOST_SEGMENTS = 100_000
"""Segments of a shard of an index, of about 512 keys each."""
MOST_SPLITS = 64
"""How often one call tries again because a segment was split meanwhile; 17 doublings already make more than `MOST_SEGMENTS`."""
LAYOUTS = {"counter": (), "dict": ("entry-v1",), "set": (), "queue": ()}
"""What the settings of each kind of collection say just before the types of what it holds."""
TYPES_HELD = {"counter": 0, "dict": 2, "set": 1, "queue": 1}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a collection was made by whoever used it first; that is fixed for good.

    Attributes
    ----------
    shards
        Parts of its index, or stripes of a counter.
    holds
        The types of its keys and values.
    """

    kind: str
    name: str
    replicas: int
    write: str
    shards: int
    holds: tuple[Annotation, ...]

    def key(self, part: str, place: int | str) -> EntityKey:
        """One of its keys: `part` is the kind of the actor, `place` says which."""
        return EntityKey(f"{MODULE}:{part}_{self.replicas}_{self.write}", f"{self.kind}:{len(self.name)}:{self.name}:{place}")


def read_layout(kind: str, name: str, data: bytes) -> Layout:
    """Read the settings that a collection keeps.

    Raises
    ------
    UndecodableMessage
        For what casty 0.30 does not write.
    """
    tree = unpack(data)
    try:
        said, replicas, write, shards, *rest = tree
        before = LAYOUTS[kind]
        texts = rest[len(before) :]
        fits = said == kind and tuple(rest[: len(before)]) == before and write in LEVELS and len(texts) == TYPES_HELD[kind]
        kinds = [type(each) for each in (replicas, shards, *texts)]
        if not fits or kinds != [int, int, *[str] * len(texts)] or not 0 < shards <= MOST_SHARDS:
            raise ValueError
        return Layout(kind, name, replicas, write, shards, tuple(read_annotation(text) for text in texts))
    except (ValueError, TypeError):
        raise UndecodableMessage(f"the settings of the {kind} {name!r} came as {glimpse(tree)}") from None


class Call:
    """One call of a collection's method: within one time limit, however many keys it asks.

    Parameters
    ----------
    rail
        What a read-only connection lets pass; None for any other.
    """

    def __init__(self, client: ClientFace, rail: ReadOnlyRail | None, timeout: float) -> None:
        self.client = client
        self.rail = rail
        self._ends = monotonic() + timeout

    async def read(self, key: EntityKey, message: str, /, **fields: Any) -> Any:
        """Send an ask that changes nothing, so that it may be sent twice."""
        return await self._ask(key, _message(message, fields), retry=True)

    async def write(self, key: EntityKey, message: str, /, **fields: Any) -> Any:
        """Send an ask that changes something: never twice, and not at all on a read-only connection."""
        self.may_write(message)
        return await self._ask(key, _message(message, fields), retry=False)

    def may_write(self, message: str) -> None:
        """Raise `ReadOnly` if `write` would refuse this message."""
        if self.rail is not None:
            self.rail.check(_message(message, {}))

    async def _ask(self, key: EntityKey, message: StandIn, *, retry: bool) -> Any:
        # Forced, since perhaps no member has met the type yet. Its module is casty's own and loaded: no node imports anything.
        left = max(0.001, self._ends - monotonic())
        return await self.client.ask(key, message, timeout=left, retry=retry, force=True)

    async def together[T](self, asks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Make all asks at once; if one fails, the others are cancelled."""
        tasks = [asyncio.ensure_future(ask) for ask in asks]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def layout(self, kind: str, name: str) -> Layout:
        """The settings of a collection.

        Raises
        ------
        MisuseError
            If nobody has used it yet.
        """
        members = self.client.members or await self.client.wait_for_members(max(0.001, self._ends - monotonic()))
        if REGISTER not in members.types:
            raise MisuseError(f"there is no {kind} {name!r}: no member has met any of casty's collections yet")
        settings = await self.read(EntityKey(REGISTER, f"{kind}:{len(name)}:{name}"), "register.Get")
        if settings is None:
            raise MisuseError(f"there is no {kind} {name!r}: it exists once an application of the cluster has used it")
        return read_layout(kind, name, octets(settings))


def _message(name: str, fields: dict[str, Any]) -> StandIn:
    return StandInClass(MODULE, name)(**fields)


# --- answers, which are of these forms or refused --------------------------------------------------------------------------


def sequence(answer: Any) -> tuple[Any, ...]:
    """Several values."""
    if type(answer) is not tuple:
        raise _strange(answer)
    return answer


def pair(answer: Any) -> tuple[Any, Any]:
    """Two values."""
    if len(sequence(answer)) != 2:
        raise _strange(answer)
    return answer[0], answer[1]


def number(answer: Any) -> int:
    """A number."""
    if type(answer) is not int:
        raise _strange(answer)
    return answer


def octets(answer: Any) -> bytes:
    """Bytes."""
    if type(answer) is not bytes:
        raise _strange(answer)
    return answer


def modulus_of(answer: Any) -> int:
    """A power of two."""
    if not 0 < number(answer) <= 2 * MOST_SEGMENTS or answer & (answer - 1):
        raise _strange(answer)
    return number(answer)


def _strange(answer: Any) -> UndecodableMessage:
    return UndecodableMessage(f"a collection answered {answer!r:.160}, which casty 0.30 does not write")


class Index:
    """The index of a set or a dict: which keys it has.

    It has shards. Each is made of segments, which list the keys, and of a directory, which counts the segments (VIRTUAL
    section 8.3).
    """

    def __init__(self, call: Call, layout: Layout) -> None:
        self._call = call
        self._layout = layout
        self._counts: dict[int, int] = {}

    def _segment(self, shard: int, at: int) -> EntityKey:
        return self._layout.key("table_segment", f"{shard}.{at}")

    async def _count(self, shard: int) -> int:
        count = number(await self._call.read(self._layout.key("table", shard), "table.Segments"))
        if not 0 < count <= MOST_SEGMENTS:
            raise UndecodableMessage(f"an index of {count:,} segments; at most {MOST_SEGMENTS:,} are read")
        self._counts[shard] = count
        return count

    async def get(self, raw: bytes) -> tuple[bytes, ...]:
        """What is listed under a key."""
        found = await self._placed(shard_of(raw, self._layout.shards), spread_of(raw), "Get", reading=True, key=raw)
        return tuple([octets(each) for each in sequence(found)])

    async def add(self, raw: bytes, value: bytes) -> bool:
        """List a value under a key; whether it is new."""
        return await self._listed(raw, "Add", key=raw, value=value)

    async def list_key(self, raw: bytes, generation: int) -> bool:
        """List a dict's key; False if it is listed under a newer generation."""
        return await self._listed(raw, "List", key=raw, generation=generation)

    async def unlist_key(self, raw: bytes, generation: int) -> None:
        """Take a dict's key out, unless it is listed under a newer generation."""
        await self._placed(
            shard_of(raw, self._layout.shards), spread_of(raw), "Unlist", reading=False, key=raw, generation=generation
        )  # fmt: skip

    async def remove(self, raw: bytes) -> bool:
        """Take a key out; whether it was there."""
        shard = shard_of(raw, self._layout.shards)
        return bool(await self._placed(shard, spread_of(raw), "Remove", reading=False, key=raw, value=None))

    async def _listed(self, raw: bytes, message: str, /, **fields: Any) -> bool:
        shard = shard_of(raw, self._layout.shards)
        added, full = pair(await self._placed(shard, spread_of(raw), message, reading=False, **fields))
        if full:
            await self._grow(shard)
        return bool(added)

    async def _grow(self, shard: int) -> None:
        """Have the next segment split, as any client does that finds one full. If it fails, the next such client does it."""
        seen = self._counts.get(shard, 1)
        split, into = self._segment(shard, to_split(seen)), self._segment(shard, seen)
        try:
            await self._call.write(self._layout.key("table", shard), "table.Grow", seen=seen, split=split, into=into)
        except CastyNotebookError:
            return

    async def _placed(self, shard: int, spread: int, message: str, /, *, reading: bool, **fields: Any) -> Any:
        """Ask the segment that holds a place.

        A segment that does not hold the place any more answers None: it was split after the segments were counted.
        """
        ask = self._call.read if reading else self._call.write
        at = segment_of(spread, self._counts.get(shard, 1))
        for _ in range(MOST_SPLITS):
            answer = await ask(self._segment(shard, at), f"table_segment.{message}", **fields)
            if answer is not None:
                return answer
            count = await self._count(shard)
            moved = segment_of(spread, count)
            # Segments are counted only once their split is done: a place that none of the counted ones holds is in the next.
            at = moved if moved != at else segment_of(spread, count + 1)
        raise UndecodableMessage(f"no segment of {self._layout.kind} {self._layout.name!r} holds a key; it has {count:,}")

    async def size(self) -> int:
        """How many values are listed. A shard's segments are asked all at once, and again if one was split meanwhile."""
        return sum(await self._call.together(self._shard_size(shard) for shard in range(self._layout.shards)))

    async def _shard_size(self, shard: int) -> int:
        return sum([number(pair(answer)[1]) for answer in await self._visit(shard, "Size", reading=True)])

    async def clear(self) -> None:
        """Empty every segment. Not at one moment: what is listed meanwhile may stay."""
        await self._call.together(self._visit(shard, "Clear", reading=False) for shard in range(self._layout.shards))

    async def _visit(self, shard: int, message: str, *, reading: bool) -> list[Any]:
        ask = self._call.read if reading else self._call.write
        for _ in range(MOST_SPLITS):
            count = await self._count(shard)
            asks = (ask(self._segment(shard, at), f"table_segment.{message}") for at in range(count))
            answers = await self._call.together(asks)
            if await self._count(shard) == count:
                break
        return answers

    async def listings(self) -> AsyncIterator[list[bytes]]:
        """The keys of one segment after another; see `next_position`."""
        for shard in range(self._layout.shards):
            position: int | None = 0
            while position is not None:
                modulus, listed = pair(await self._placed(shard, position, "Scan", reading=True, position=position))
                yield [octets(pair(each)[0]) for each in sequence(listed)]
                position = next_position(position, modulus_of(modulus))
