"""casty's own collections, used by its own client: ``collect.py PORT ACTION``. What it finds is printed as JSON."""

import asyncio
import json
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from casty import Client, Unavailable
from casty.collections import Collections
from shop.actors import Colour, Inner

Typed = (
    (int, -3), (float, 1.0), (str, "né"), (bytes, b"\0\xff"), (bool, True), (datetime, datetime(2026, 11, 27, 1, 2, 3, 4, UTC)),
    (date, date(1969, 12, 31)), (timedelta, timedelta(days=-1, microseconds=3)), (Decimal, Decimal("1.50")),
    (UUID, UUID(int=5)), (int | None, None), (tuple[str, int], ("a", 1)), (tuple[float, ...], (1.0, 2.5)),
    (frozenset[str], frozenset({"b", "a"})), (Inner, Inner(7)), (Inner | None, Inner(8)), (Colour, Colour.BLUE),
)  # fmt: skip
"""A set of each type that is told apart here, with one value in it."""


async def put(into: Any, key: int, value: str) -> Any:
    """Again if it was not done: on a busy machine two nodes may lose sight of each other for a moment."""
    for _ in range(10):
        try:
            await into.put(key, value)
        except Unavailable:
            await asyncio.sleep(0.5)
        else:
            return
    await into.put(key, value)


async def make(made: Collections) -> None:
    await made.counter("hits", stripes=3).add(5)
    await made.counter("plain").add(2)
    prices = made.dict("prices", key=str, value=int | None)
    for key, value in (("apple", 30), ("pear", 45), ("none", None)):
        await prices.put(key, value)
    big = made.dict("many", key=int, value=str, index_shards=1, replicas=2, write="one")
    for first in range(0, 1_300, 100):  # a segment splits beyond 512
        await asyncio.gather(*(put(big, number, f"value {number}") for number in range(first, first + 100)))
    await made.set("cities", value=str).add("Lisbon")
    for number, (kind, value) in enumerate(Typed):
        await made.set(f"typed-{number}", value=kind).add(value)
    jobs = made.queue("jobs", value=str)
    for job in ("sweep", "mop"):
        await jobs.offer(job)
    long = made.queue("long", value=str)
    for number in range(40):  # a segment is sealed at 64 KiB
        await long.offer(f"{number:03}" + 4_000 * "x")


async def make_for_contract(made: Collections) -> None:
    """Empty ones, of the names and types that sharded nodes have."""
    await made.counter("hits").get()
    await made.dict("users", key=str, value=str).size()
    await made.set("tags", value=str).size()
    await made.queue("jobs", value=str).size()


async def look(made: Collections) -> dict[str, object]:
    """What casty's own client reads after we have written."""
    prices = made.dict("prices", key=str, value=int | None)
    cities = made.set("cities", value=str)
    jobs = made.queue("jobs", value=str)
    grown = made.set("grown", value=int, shards=1)
    return {
        "hits": await made.counter("hits", stripes=3).get(),
        "prices": sorted(await prices.items()),
        "size": await prices.size(),
        "cities": sorted(await cities.items()),
        "jobs": await jobs.drain(10),
        "grown": [await grown.size(), len(await grown.items())],
        "typed": [await made.set(f"typed-{number}", value=kind).size() for number, (kind, _) in enumerate(Typed)],
        "holding": [await made.set(f"typed-{number}", value=kind).contains(value) for number, (kind, value) in enumerate(Typed)],
    }


async def main(port: str, action: str) -> None:
    async with Client(seeds=(f"127.0.0.1:{port}",), name="shop") as client:
        made = Collections(client)
        if action == "make":
            await make(made)
            await made.set("grown", value=int, shards=1).add(-1)
            print("{}")
        elif action == "contract":
            await make_for_contract(made)
        else:
            print(json.dumps(await look(made)))


asyncio.run(main(*sys.argv[1:]))
