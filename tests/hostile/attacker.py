"""A node that attacks, in a process of its own: neither its work nor its memory is the victim's.

``python -m tests.hostile.attacker [SERIALIZER [COMPRESSION]]`` prints its port and lives until its standard input ends. What
it does is the name of the entity that is asked: one of `FLOODS`, or ``PAYLOAD:BYTES`` of `GENERATORS`; any other is answered
as an honest node would.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.session.messages import ShardLocation
from casty_notebook.backends.sharded.wire import encode_envelope
from casty_notebook.topology.snapshot import Member, MemberStatus, TopologySnapshot
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.refs import ActorRef
from tests.hostile.launching import attacking
from tests.hostile.work import GENERATORS
from tests.support.fake_node import Connection, FakeNode

__all__ = ["FLOODS", "NAMES_THAT_FAIL", "attacker"]

NAMES_THAT_FAIL = ".slow.example"
"""What the hosts end with whose look-up takes long; the tests' resolver knows them, so that no question leaves the machine."""
IMPOSSIBLE_HOSTS = ("a..b", "nul\0nul", "x" * 64, "", " ", "ä.example", "a/b", "x." * 200 + "y")
FRESH = 3_000
"""Members in one snapshot, of the 5,000 that are believed."""
TURNS, PAUSE = 6, 0.25


# --- floods: of what is pushed, unasked ------------------------------------------------------------------------------


def _push(node: FakeNode, members: Iterable[Member], changed: int) -> None:
    """A snapshot in which the node itself is a member, too, so that what is asked next has its way."""
    own = Member(node.address, MemberStatus.up, frozenset(), f"fake-{node.address.port}")
    snapshot = TopologySnapshot(frozenset({own, *members}), node.address, {}, changed)
    for uri in node.subscribers:
        node.send(ActorRef(ActorAddress.parse(uri)), snapshot)


def _strangers(turn: int, hosts: Iterable[str]) -> Iterator[Member]:
    for number, host in enumerate(hosts):
        # Port 1 of loopback addresses: refused at once, and nothing leaves the machine.
        yield Member(NodeAddress(host, 1), MemberStatus.up, frozenset(), f"{turn}-{number}")


async def _made_up_members(node: FakeNode) -> None:
    for turn in range(TURNS):
        _push(node, _strangers(turn, (f"127.{turn + 1}.{n >> 8}.{n & 255}" for n in range(FRESH))), turn)
        await asyncio.sleep(PAUSE)


async def _failing_names(node: FakeNode) -> None:
    for turn in range(TURNS):
        _push(node, _strangers(turn, (f"{turn}-{n}{NAMES_THAT_FAIL}" for n in range(60))), turn)
        await asyncio.sleep(PAUSE)


async def _impossible_hosts(node: FakeNode) -> None:
    for turn, host in enumerate(IMPOSSIBLE_HOSTS):
        _push(node, _strangers(turn, [host]), turn)
        await asyncio.sleep(PAUSE / 5)


async def _one_long_name(node: FakeNode) -> None:
    for turn in range(TURNS):
        member = Member(node.address, MemberStatus.up, frozenset(), str(turn) * 4_000_000)
        snapshot = TopologySnapshot(frozenset({member}), node.address, {}, turn)
        for uri in node.subscribers:
            node.send(ActorRef(ActorAddress.parse(uri)), snapshot)
        await asyncio.sleep(PAUSE)


async def _locations(node: FakeNode) -> None:
    for uri in node.subscribers:
        subscriber = ActorAddress.parse(uri)
        to = ActorRef(ActorAddress(subscriber.system, "/_proxy-counter", subscriber.node))
        for number in range(10_000):
            node.send(to, ShardLocation(number % 100, NodeAddress(f"127.9.{number >> 8}.{number & 255}", 1)))


FLOODS: dict[str, Callable[[FakeNode], Awaitable[None]]] = {
    "made-up members": _made_up_members,
    "failing names": _failing_names,
    "impossible hosts": _impossible_hosts,
    "one long name": _one_long_name,
    "locations": _locations,
}


# --- the node --------------------------------------------------------------------------------------------------------


async def _attack(node: FakeNode, connection: Connection, kind: str, reply_to: ActorRef) -> None:
    if kind in FLOODS:
        await FLOODS[kind](node)
        node.push()
        node.send(reply_to, "done")
        return
    name, _, size = kind.rpartition(":")
    payload = GENERATORS[name][2](int(size))
    connection.write(encode_envelope(reply_to.uri, f"casty://{node.system}@{node.address}/", "a.B", payload))


async def _serve(serializer: str, compression: str | None) -> None:
    tasks: set[asyncio.Task[None]] = set()

    def react(node: FakeNode, connection: Connection, _path: str, message: object) -> bool:
        kind = message.entity_id if isinstance(message, ShardEnvelope) else ""
        if kind not in FLOODS and kind.rpartition(":")[0] not in GENERATORS:
            return False
        task = asyncio.ensure_future(_attack(node, connection, kind, message.message.reply_to))  # type: ignore[attr-defined]
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return True

    async with FakeNode() as node:
        node.codec = type(node.codec)(node.codec._registry, serializer, compression)
        node.on_message = react
        print(node.address.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def attacker(serializer: str = "pickle", compression: str | None = None) -> AbstractContextManager[NodeAddress]:
    """Start one."""
    return attacking("tests.hostile.attacker", serializer, *([compression] if compression else []))


if __name__ == "__main__":
    asyncio.run(_serve(*((sys.argv[1:] or ["pickle"]) + [None])[:2]))  # type: ignore[arg-type]
