"""A node of casty 0.30 that attacks, in a process of its own: neither its work nor its memory is the victim's.

``python -m tests.hostile.virtual.attacker`` prints its port and lives until its standard input ends. What it does is the key that
is asked: one of `FLOODS`, or ``VALUE:BYTES`` of `VALUES`, which is the answer; any other is answered with 7.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

import msgpack

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.wire.frames import HEADER, FrameType, encode_data, encode_window
from tests.backends.virtual.fake_node import FakeNode, framed
from tests.hostile.launching import attacking
from tests.hostile.virtual.work import VALUES

__all__ = ["FLOODS", "attacker"]

FRAME = 200_000
TURNS, PAUSE = 8, 0.25
MANY = 20_000


class Attacker(FakeNode):
    """Answers as it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = self._answer
        self._tasks: set[asyncio.Task[None]] = set()

    def _answer(self, deliver: dict[str, Any]) -> list[Any] | None:
        key, number = deliver["key"], deliver["reply"][1]["id"]
        name, _, size = key.rpartition(":")
        if key in FLOODS:
            self._begin(self._flood(FLOODS[key], number))
        elif name in VALUES:
            self._reply(number, VALUES[name](int(size)))
        else:
            return ["Value", {"data": b"\x07"}]
        return None

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flood(self, flood: Callable[[Attacker], Awaitable[None]], number: int) -> None:
        await flood(self)
        self.table = [self.record()]
        self._reply(number, b"\xa4done")

    def _reply(self, number: int, value: bytes) -> None:
        """In pieces: no frame may be longer than was agreed on."""
        reply = msgpack.packb(["Reply", {"id": number, "outcome": ["Value", {"data": value}]}])
        data = framed(b"replies", reply)
        for at in range(0, len(data), FRAME):
            self.write(encode_data(3, data[at : at + FRAME]))

    def tables(self, records: list[dict[str, Any]]) -> None:
        """Say that these are the members, unasked."""
        sender = ["NodeId", {"address": f"127.0.0.1:{self.port}", "incarnation": self.incarnation}]
        reply = msgpack.packb(["Message", {"sender": sender, "body": ["SyncReply", {"records": records}]}])
        data = framed(b"membership", reply)
        for at in range(0, len(data), FRAME):
            self.write(encode_data(3, data[at : at + FRAME]))


def _strangers(node: FakeNode, turn: int, count: int) -> list[dict[str, Any]]:
    # Port 1 of loopback addresses: refused at once, and nothing leaves the machine.
    return [node.record(f"127.{turn + 1}.{n >> 8}.{n & 255}:1") for n in range(count)]


async def _fresh_members(node: Attacker) -> None:
    for turn in range(TURNS):
        node.table = [node.record(), *_strangers(node, turn, 400)]
        await asyncio.sleep(PAUSE)


async def _unasked_tables(node: Attacker) -> None:
    for turn in range(4 * TURNS):
        node.tables([node.record(), *_strangers(node, turn, 900)])
        await asyncio.sleep(PAUSE / 4)


async def _impossible_hosts(node: Attacker) -> None:
    for host in ("a..b:1", "nul\0:1", "x" * 64 + ":1", ":1", "h:99999", "h"):
        node.table = [node.record(), node.record(host)]
        node.tables(node.table)
        await asyncio.sleep(PAUSE)


async def _changing_lives(node: Attacker) -> None:
    for turn in range(TURNS):
        strangers = _strangers(node, 0, 200)
        for stranger in strangers:
            stranger["node"]["incarnation"] = bytes([turn]) * 16
        node.table = [node.record(), *strangers]
        await asyncio.sleep(PAUSE)


async def _large_tables(node: Attacker) -> None:
    for turn in range(TURNS):
        node.tables(_strangers(node, turn, 30_000))
        await asyncio.sleep(PAUSE)


async def _unasked_replies(node: Attacker) -> None:
    for number in range(MANY):
        node.say(b"replies", ["Reply", {"id": number, "outcome": ["Value", {"data": b"\x01"}]}])
    await asyncio.sleep(0)


async def _returned_tells(node: Attacker) -> None:
    for number in range(MANY):
        deliver = ["Deliver", {"actor": "bank:account", "key": f"{number}", "message": b"pay", "reply": None}]
        node.say(b"actors", ["WrongOwner", {"routed": {"command": deliver, "origin": {}, "attempt": 1}}])
    await asyncio.sleep(0)


async def _nonsense(node: Attacker) -> None:
    for _ in range(MANY):
        node.say(b"replies", [[["nonsense"]]])
    await asyncio.sleep(0)


async def _pings(node: Attacker) -> None:
    for _ in range(20):
        node.write(HEADER.pack(2, FrameType.PING, 0, 0, 0) * MANY)
        await asyncio.sleep(0.01)


async def _credit(node: Attacker) -> None:
    for _ in range(20):
        node.write(encode_window(3, 0xFFFF_FFFF) * MANY)
        await asyncio.sleep(0.01)


FLOODS: dict[str, Callable[[Attacker], Awaitable[None]]] = {
    "fresh members": _fresh_members,
    "tables that nobody asked for": _unasked_tables,
    "tables of thirty thousand": _large_tables,
    "impossible hosts": _impossible_hosts,
    "lives that change": _changing_lives,
    "replies that nobody waits for": _unasked_replies,
    "tells that nobody told": _returned_tells,
    "nonsense": _nonsense,
    "pings": _pings,
    "credit": _credit,
}


async def _serve() -> None:
    async with Attacker() as node:
        print(node.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def attacker() -> AbstractContextManager[NodeAddress]:
    """Start one."""
    return attacking("tests.hostile.virtual.attacker")


if __name__ == "__main__":
    asyncio.run(_serve())
