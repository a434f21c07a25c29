"""What the nodes of the listening tests run: an actor that tells a given ref again and again, and casty's own streams."""

from __future__ import annotations

import asyncio
from typing import Any

from casty import Behaviors, ServiceKey
from casty.core.streams import CompleteStream, Push, stream_producer

system: Any = globals()["system"]

drips: dict[str, asyncio.Task[None]] = {}


async def drip(every: float, ref: Any) -> None:
    count = 0
    while True:
        ref.tell(count)
        count += 1
        await asyncio.sleep(every)


def feed() -> Any:
    async def receive(ctx: Any, message: Any) -> Any:
        match message:
            case ("tell", int(count), ref):
                for number in range(count):
                    ref.tell(number)
            case ("fields", int(count), ref):
                for number in range(count):
                    ref.tell({"price": number, "time": "of the message"})
            case ("drip", every, ref):
                drips[ref.address.path] = asyncio.create_task(drip(every, ref))
            case ("stream", int(count), ref):
                producer = ctx.spawn(stream_producer(), f"stream-{ref.address.path.rpartition('/')[2]}")
                for number in range(count):
                    producer.tell(Push(number))
                producer.tell(CompleteStream())
                ref.tell(producer)
        return Behaviors.same()

    return Behaviors.receive(receive)


system.spawn(Behaviors.discoverable(feed(), key=ServiceKey("feed")), "feed")
