"""casty's own client of 0.30, whose words are recorded: ``asker.py NODE_PORT:PROXY_PORT …``."""

import asyncio
import contextlib
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import casty
from casty import Client, Compression
from shop.actors import Add, Boom, Colour, EchoZoo, Get, Inner, Size, Slow, Zoo, counter, zoo

VALUE = Zoo(
    -5, 2.5, "zwölf", b"\x00\xff", None, (1, 2, 300), (70_000, "pair"), frozenset({"b", "a"}), {"y": 2, "x": 1},
    datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC), date(2026, 3, 4), timedelta(days=1, microseconds=2), Decimal("12.50"),
    UUID(int=77), Colour.BLUE, Inner(1), (Inner(2), Inner(3)), Inner(4),
)  # fmt: skip


async def ask(ref: Any, message: Any, *fields: Any) -> Any:
    """0.30.0 has no `Askable`: the message takes the ref that is to be answered."""
    if hasattr(casty, "Askable"):
        return await ref.ask(message(*fields))
    return await ref.ask(message, *fields)


async def main() -> None:
    ports = dict(pair.split(":") for pair in sys.argv[1:])
    addresses = {f"127.0.0.1:{node}": f"127.0.0.1:{proxy}" for node, proxy in ports.items()}
    async with Client(
        seeds=tuple(addresses), name="shop", address_map=lambda node: addresses[node], compression=Compression(codecs=())
    ) as client:
        for key in ("user-1", "user-2", "user-3"):
            await ask(client.ref(counter, key), Add, 3)
            await ask(client.ref(counter, key), Get)
        await ask(client.ref(zoo, "a"), EchoZoo, VALUE)
        await ask(client.ref(zoo, "a"), Size, 400, b"data")
        with contextlib.suppress(Exception):
            await ask(client.ref(counter, "user-1"), Boom)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(ask(client.ref(counter, "user-2"), Slow, 5.0), 0.3)  # which it tells the node
        await asyncio.sleep(0.2)


asyncio.run(main())
