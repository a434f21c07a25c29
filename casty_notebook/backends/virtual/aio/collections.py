"""casty 0.30's collections by name: counters, maps, sets and queues, with the methods of a sharded cluster's structures.

The cluster keeps each collection's settings, so that its name is enough to use it (VIRTUAL section 8). A collection exists once
an application of the cluster has used it; nothing here makes one. Reading activates the keys that hold it, as any ask does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

from casty_notebook.backends.read_only import ReadOnlyRail
from casty_notebook.backends.virtual.aio.collection_parts import Call, Index, Layout, number, octets, pair, sequence
from casty_notebook.backends.virtual.aio.face import ClientFace
from casty_notebook.backends.virtual.codec.annotations import Annotation
from casty_notebook.backends.virtual.codec.packing import unpack
from casty_notebook.backends.virtual.codec.values import EntityKey
from casty_notebook.errors import MisuseError, UndecodableMessage
from casty_notebook.printable import printable
from casty_notebook.settings import checked_count, checked_seconds

__all__ = ["Counter", "Dict", "Queue", "Set", "Structures"]

LIMIT = 1_000
"""Most items that `items` reads unless it is told otherwise. There is a limit because reading a map's value activates its key."""
AT_ONCE = 100
"""Entries of a map that are read at one time."""
MOST_MOVES = 10_000
"""Emptied segments of a queue, or newer generations of a map's key, that one call goes past at most."""


class Structures:
    """The collections of one connection, by name.

    Parameters
    ----------
    wait
        Called with the coroutine of each call: waits for it, or returns it to be awaited.
    name
        What the connection is called.
    rail
        What a read-only connection lets pass: of collections, whatever only reads.
    """

    def __init__(self, client: ClientFace, wait: Callable[[Any], Any], name: str, rail: ReadOnlyRail | None = None) -> None:
        self.client = client
        self.wait = wait
        self.name = name
        self.rail = rail

    def counter(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Counter:
        """The counter that the nodes call `name`.

        Parameters
        ----------
        shards
            Not needed here: a collection says itself how it was made.
        timeout
            Seconds for each call, however many keys it asks; `Settings.ask_timeout` if None.
        """
        return Counter(self, name, shards, timeout)

    def dict(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Dict:
        """The map that the nodes call `name`; parameters as for `counter`."""
        return Dict(self, name, shards, timeout)

    def set(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Set:
        """The set that the nodes call `name`; parameters as for `counter`."""
        return Set(self, name, shards, timeout)

    def queue(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Queue:
        """The queue that the nodes call `name`; parameters as for `counter`."""
        return Queue(self, name, shards, timeout)


class _Collection:
    """One collection, as seen through one connection. Makes no traffic until it is asked something.

    Raises
    ------
    AskTimeout, NodeUnreachable, Overloaded, ClientClosed
        By every method, each with a report of all that is known.
    MisuseError
        If no application has used it yet, or a value is not of the type that it holds; nothing was written then.
    ReadOnly
        By the methods that write, on a read-only connection; nothing was written.
    """

    kind: ClassVar[str]

    def __init__(self, connection: Structures, name: str, shards: int | None, timeout: float | None) -> None:
        if not isinstance(name, str) or not name:
            raise MisuseError(f"a {self.kind} has a name; write for example cluster.{self.kind}('hits')")
        if shards is not None:
            raise MisuseError(f"a {self.kind} of casty 0.30 says itself how many parts it has; leave shards= out")
        self.name = name
        self._connection = connection
        self._timeout = None if timeout is None else checked_seconds("timeout", timeout)
        self._layout: Layout | None = None

    def __repr__(self) -> str:
        return printable(f"<{type(self).__name__} {self.name!r} of {self._connection.name}>")

    def _run(self, work: Callable[[Call, Layout], Any], writing: str | None = None) -> Any:
        return self._connection.wait(self._called(work, writing))

    async def _called(self, work: Callable[[Call, Layout], Any], writing: str | None) -> Any:
        client = self._connection.client
        timeout = client.settings.ask_timeout if self._timeout is None else self._timeout
        call = Call(client, self._connection.rail, timeout)
        if writing is not None:
            call.may_write(writing)
        if self._layout is None:
            self._layout = await call.layout(self.kind, self.name)
        return await work(call, self._layout)

    def _read(self, annotation: Annotation, data: Any) -> Any:
        return annotation.read(octets(data), self._connection.client.reader)

    def _write(self, annotation: Annotation, value: Any, what: str = "") -> bytes:
        return annotation.write(value, f"{what or f'the {self.kind}'} {self.name!r}")


class Counter(_Collection):
    """A distributed counter. It may be striped over several keys: what is read while others count is of no single moment."""

    kind = "counter"

    def __init__(self, connection: Structures, name: str, shards: int | None, timeout: float | None) -> None:
        super().__init__(connection, name, shards, timeout)
        self._turns = itertools.count()

    def get(self) -> int:
        """Its value; 0 if nobody counted yet."""
        return self._run(self._sum)  # type: ignore[no-any-return]

    def increment(self, amount: int = 1) -> int:
        """Add, and return the new value. It is read after adding, so that it may include what others added meanwhile."""
        return self._add(checked_count("amount", amount, None))

    def decrement(self, amount: int = 1) -> int:
        """Subtract, and return the new value, as `increment` does."""
        return self._add(-checked_count("amount", amount, None))

    def destroy(self) -> bool:
        """Set it to 0; True once that is done."""

        async def work(call: Call, layout: Layout) -> bool:
            await call.together(call.write(key, "counter.Reset") for key in _stripes(layout))
            return True

        return self._run(work, "counter.Reset")  # type: ignore[no-any-return]

    def _add(self, amount: int) -> int:
        async def work(call: Call, layout: Layout) -> int:
            await call.write(layout.key("counter", next(self._turns) % layout.shards), "counter.Add", delta=amount)
            return await self._sum(call, layout)

        return self._run(work, "counter.Add")  # type: ignore[no-any-return]

    async def _sum(self, call: Call, layout: Layout) -> int:
        return sum(map(number, await call.together(call.read(key, "counter.Get") for key in _stripes(layout))))


def _stripes(layout: Layout) -> list[EntityKey]:
    return [layout.key("counter", stripe) for stripe in range(layout.shards)]


class Dict(_Collection):
    """A distributed map: each entry is a key of its own, and an index lists which there are."""

    kind = "dict"

    def get(self, key: Any) -> Any:
        """The value of a key; None if there is none (`contains` tells a value of None from that)."""

        async def work(call: Call, layout: Layout) -> Any:
            return await self._value(call, layout, self._raw(layout, key))

        return self._run(work)

    def contains(self, key: Any) -> bool:
        """Whether a key has a value."""

        async def work(call: Call, layout: Layout) -> bool:
            return bool(await call.read(_entry(layout, self._raw(layout, key)), "entry.Contains"))

        return self._run(work)  # type: ignore[no-any-return]

    def put(self, key: Any, value: Any) -> Any:
        """Set the value of a key, and return the one before. That is read first: another client's value may come between."""

        async def work(call: Call, layout: Layout) -> Any:
            raw = self._raw(layout, key)
            data = self._write(layout.holds[1], value, f"the value of a key of the {self.kind}")
            before = await self._value(call, layout, raw)
            await self._save(call, layout, raw, data)
            return before

        return self._run(work, "entry.Put")

    def delete(self, key: Any) -> bool:
        """Take a key out; whether it was there."""

        async def work(call: Call, layout: Layout) -> bool:
            raw = self._raw(layout, key)
            removed, generation = pair(await call.write(_entry(layout, raw), "entry.Remove"))
            if generation:
                await Index(call, layout).unlist_key(raw, generation)
            return bool(removed)

        return self._run(work, "entry.Remove")  # type: ignore[no-any-return]

    def size(self) -> int:
        """How many keys its index lists. One whose writer stopped halfway may be listed without a value."""

        async def work(call: Call, layout: Layout) -> int:
            return await Index(call, layout).size()

        return self._run(work)  # type: ignore[no-any-return]

    def keys(self, limit: int = LIMIT) -> list[Any]:
        """Its keys, in no order; `MisuseError` if there are more than `limit`. Not a picture of one moment."""

        async def work(call: Call, layout: Layout) -> list[Any]:
            return [self._read(layout.holds[0], raw) for raw in await _listed(call, layout, limit)]

        return self._run(work)  # type: ignore[no-any-return]

    def items(self, limit: int = LIMIT) -> list[tuple[Any, Any]]:
        """Its keys and values, as `keys`. Reading a value activates its key."""

        async def work(call: Call, layout: Layout) -> list[tuple[Any, Any]]:
            raws = await _listed(call, layout, limit)
            values: list[Any] = []
            for some in itertools.batched(raws, AT_ONCE):
                values += await call.together(call.read(_entry(layout, raw), "entry.Get") for raw in some)
            key, held = layout.holds
            return [
                (self._read(key, raw), self._read(held, data)) for raw, data in zip(raws, values, strict=True) if data is not None
            ]

        return self._run(work)  # type: ignore[no-any-return]

    def _raw(self, layout: Layout, key: Any) -> bytes:
        return self._write(layout.holds[0], key, f"a key of the {self.kind}")

    async def _value(self, call: Call, layout: Layout, raw: bytes) -> Any:
        data = await call.read(_entry(layout, raw), "entry.Get")
        return None if data is None else self._read(layout.holds[1], data)

    async def _save(self, call: Call, layout: Layout, raw: bytes, data: bytes) -> None:
        """Save the value of a key, and list the key in the index before if it has no value yet.

        The entry of such a key does not save at once. It answers with a generation; once the key is listed under it, the same
        put with that generation saves.
        """
        entry, index, generation = _entry(layout, raw), Index(call, layout), 0
        for _ in range(MOST_MOVES):
            generation = await call.write(entry, "entry.Put", value=data, listed=generation)
            if not generation:
                return
            if not await index.list_key(raw, generation):
                # The key is listed under a later generation, made by a node whose clock is ahead: the entry must go beyond it.
                under = [each for each in map(_generation, await index.get(raw)) if each is not None]
                await call.write(entry, "entry.Retire", listed=max(under, default=0))
                generation = 0
        raise UndecodableMessage(f"a key of the {self.kind} {self.name!r} is listed under ever newer generations")


def _entry(layout: Layout, raw: bytes) -> EntityKey:
    return layout.key("entry", f"key:{raw.hex()}")


def _generation(data: bytes) -> int | None:
    tree = unpack(data)
    return tree if type(tree) is int else None


async def _listed(call: Call, layout: Layout, limit: int) -> list[bytes]:
    """The keys that an index lists, if there are not too many."""
    limit = checked_count("limit", limit)
    index = Index(call, layout)
    size = await index.size()
    if size > limit:
        raise MisuseError(
            f"the {layout.kind} {layout.name!r} lists {size:,}, and {limit:,} are read at most; give limit={size} to read all"
        )
    found: list[bytes] = []
    async for keys in index.listings():
        found += keys
        if len(found) > limit:
            raise MisuseError(f"the {layout.kind} {layout.name!r} grew beyond limit={limit:,} while it was read; give more")
    return found


class Set(_Collection):
    """A distributed set."""

    kind = "set"

    def contains(self, value: Any) -> bool:
        """Whether a value is in it."""

        async def work(call: Call, layout: Layout) -> bool:
            return bool(await Index(call, layout).get(self._write(layout.holds[0], value)))

        return self._run(work)  # type: ignore[no-any-return]

    def size(self) -> int:
        """How many values are in it."""

        async def work(call: Call, layout: Layout) -> int:
            return await Index(call, layout).size()

        return self._run(work)  # type: ignore[no-any-return]

    def items(self, limit: int = LIMIT) -> list[Any]:
        """Its values, in no order; `MisuseError` if there are more than `limit`. Not a picture of one moment."""

        async def work(call: Call, layout: Layout) -> list[Any]:
            return [self._read(layout.holds[0], raw) for raw in await _listed(call, layout, limit)]

        return self._run(work)  # type: ignore[no-any-return]

    def add(self, value: Any) -> bool:
        """Put a value in; whether it is new."""

        async def work(call: Call, layout: Layout) -> bool:
            raw = self._write(layout.holds[0], value)
            return await Index(call, layout).add(raw, raw)

        return self._run(work, "table_segment.Add")  # type: ignore[no-any-return]

    def remove(self, value: Any) -> bool:
        """Take a value out; whether it was there."""

        async def work(call: Call, layout: Layout) -> bool:
            return await Index(call, layout).remove(self._write(layout.holds[0], value))

        return self._run(work, "table_segment.Remove")  # type: ignore[no-any-return]

    def destroy(self) -> bool:
        """Empty it; True once that is done. Not at one moment: what is added meanwhile may stay."""

        async def work(call: Call, layout: Layout) -> bool:
            await Index(call, layout).clear()
            return True

        return self._run(work, "table_segment.Clear")  # type: ignore[no-any-return]


class Queue(_Collection):
    """A distributed first-in, first-out queue, kept in segments from a head to a tail."""

    kind = "queue"

    def peek(self) -> Any:
        """The next item, which stays; None if there is none."""

        async def work(call: Call, layout: Layout) -> Any:
            head, tail = await _ends(call, layout)
            for at in range(head, min(tail + 1, head + MOST_MOVES)):
                items, _ = pair(await call.read(_segment(layout, at), "queue_segment.Peek", index=_index(layout), at=at))
                if items:
                    return self._read(layout.holds[0], sequence(items)[0])
            return None

        return self._run(work)

    def size(self) -> int:
        """How many items wait."""

        async def work(call: Call, layout: Layout) -> int:
            head, tail = await _ends(call, layout)
            asks = (call.read(_segment(layout, at), "queue_segment.Size") for at in range(head, tail + 1))
            return sum(map(number, await call.together(asks)))

        return self._run(work)  # type: ignore[no-any-return]

    def enqueue(self, value: Any) -> None:
        """Put an item at the end."""

        async def work(call: Call, layout: Layout) -> None:
            data = self._write(layout.holds[0], value)
            head, tail = await _ends(call, layout)
            for _ in range(MOST_MOVES):
                if await call.write(_segment(layout, tail), "queue_segment.Offer", value=data, index=_index(layout), at=tail):
                    return
                head, tail = await _moved(call, layout, head, tail + 1)
            raise UndecodableMessage(f"the {self.kind} {self.name!r} has no segment that takes an item")

        self._run(work, "queue_segment.Offer")

    def dequeue(self) -> Any:
        """Take the next item; None if there is none. If the answer is lost, so is the item."""

        async def work(call: Call, layout: Layout) -> Any:
            head, tail = await _ends(call, layout)
            for _ in range(MOST_MOVES):
                items, sealed = pair(
                    await call.write(_segment(layout, head), "queue_segment.Take", limit=1, index=_index(layout), at=head)
                )
                if items:
                    return self._read(layout.holds[0], sequence(items)[0])
                if not sealed:
                    break
                head, tail = await _moved(call, layout, head + 1, tail)
            return None

        return self._run(work, "queue_segment.Take")

    def destroy(self) -> bool:
        """Empty it; True once that is done. Not at one moment: what is put in meanwhile may stay."""

        async def work(call: Call, layout: Layout) -> bool:
            head, tail = await _ends(call, layout)
            await call.together(call.write(_segment(layout, at), "queue_segment.Clear") for at in range(head, tail + 1))
            await _moved(call, layout, tail, tail)
            return True

        return self._run(work, "queue_segment.Clear")  # type: ignore[no-any-return]


def _index(layout: Layout) -> EntityKey:
    return layout.key("queue", 0)


def _segment(layout: Layout, at: int) -> EntityKey:
    return layout.key("queue_segment", at)


async def _ends(call: Call, layout: Layout) -> tuple[int, int]:
    """The first segment that may hold items, and the one that takes new ones.

    ``Advance`` moves both to the given numbers at least, so that with zeros it changes nothing and only answers.
    """
    return _stretch(await call.read(_index(layout), "queue.Advance", head=0, tail=0))


async def _moved(call: Call, layout: Layout, head: int, tail: int) -> tuple[int, int]:
    return _stretch(await call.write(_index(layout), "queue.Advance", head=head, tail=tail))


def _stretch(answer: Any) -> tuple[int, int]:
    head, tail = map(number, pair(answer))
    if not 0 <= head <= tail + 1 <= head + MOST_MOVES:
        raise UndecodableMessage(f"a queue from segment {head:,} to {tail:,}; at most {MOST_MOVES:,} are read")
    return head, tail
