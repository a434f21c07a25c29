"""A whole connection examined: contact points, encoding, name, members, tunnels, certificates, shards, round trips."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Iterator, Mapping
from time import monotonic

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.client import ClusterClient
from casty_notebook.backends.sharded.aio.contact_probe import knock, who_answers
from casty_notebook.backends.sharded.session.census import too_few, too_many
from casty_notebook.backends.sharded.session.encodings import Encoding
from casty_notebook.backends.sharded.session.messages import Find
from casty_notebook.backends.sharded.wire import encode_envelope
from casty_notebook.errors import CastyNotebookError, NoContactPoint, SystemNameMismatch
from casty_notebook.net.contact_probe import certificates, skipped, tunnel, versions
from casty_notebook.net.dialler import DialFailed
from casty_notebook.topology.check_result import Finding, Verdict
from casty_notebook.topology.names import natural
from casty_notebook.topology.snapshot import Member, MemberStatus, TopologySnapshot
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.services import ServiceKey

__all__ = ["examine", "ping"]

SNAPSHOT_WITHIN = 3.0
"""Seconds for the first snapshot: asking in every encoding takes 2.6 of them."""
MEMBERS_WITHIN = 1.0
PING_WITHIN = 1.0
"""Seconds for a node's pings together."""
PINGS = 20
SLOW = 0.1
"""Seconds of round trip from which every ask is felt."""
MOST = 16
"""Contact points, members and nodes that get lines of their own; the rest is counted."""
PUSH_LATE = 3.0
"""Seconds without a push where one is due every 0.8 (PROTOCOL section 6.1)."""

RECEPTIONIST, PING = "/_cluster/_receptionist", ServiceKey("casty-notebook-ping")

AFTER_THE_CONTACTS = (
    "system name", "layout", "serializer", "snapshot", "members", "tunnels", "shards", "round trip", "last push",
)  # fmt: skip


async def ping(client: ClusterClient, node: NodeAddress, timeout: float = PING_WITHIN) -> float:
    """Ask a node what every node answers and what leaves nothing behind there; return the seconds that took.

    Raises
    ------
    AskTimeout, NodeUnreachable
        As any ask.
    """
    receptionist = ActorRef(ActorAddress(client.system_name, RECEPTIONIST, node))
    started = monotonic()
    await client.ask(receptionist, lambda reply_to: Find(PING, reply_to), timeout=timeout)
    return monotonic() - started


async def examine(client: ClusterClient, *, entered: bool, shards: Mapping[str, int] | None = None) -> list[Finding]:
    """Look at everything, and never raise for what is found; takes less than five seconds.

    Parameters
    ----------
    entered
        The client is a connection in use; else it is entered, and left again.
    shards
        Numbers of shards to look at besides those that the client was given.
    """
    contacts = client.contact_points[:MOST]
    knocks = await asyncio.gather(*(knock(client.dialler, contact) for contact in contacts))
    findings = [finding for each in knocks for finding in each.findings]
    findings += certificates(client.dialler, knocks)
    if not entered and not any(each.node for each in knocks):
        findings += skipped("no contact point answered", AFTER_THE_CONTACTS)
    else:
        async with contextlib.AsyncExitStack() as stack:
            if not entered:
                await stack.enter_async_context(client)
            findings += await _Examination(client, shards or {}).run()
    return [*findings, versions()]


# --- the cluster -------------------------------------------------------------------------------------------------


class _Examination:
    """Of a client that is entered: what its first snapshot, its links and its round trips show."""

    def __init__(self, client: ClusterClient, shards: Mapping[str, int]) -> None:
        self._client = client
        self._given = {**client.shard_counts, **shards}

    async def run(self) -> list[Finding]:
        client = self._client
        try:
            snapshot = await client.wait_for_topology(SNAPSHOT_WITHIN)
        except SystemNameMismatch as error:
            told = str(error).partition(": ")
            found = [Finding("system name", Verdict.fail, told[0], told[2] or "give the cluster's own name")]
            return [*found, *skipped("the name is another cluster's", AFTER_THE_CONTACTS[1:])]
        except NoContactPoint as error:
            outcome = "; ".join(attempt.outcome for attempt in error.attempts) or "nothing answered"
            found = [Finding("snapshot", Verdict.fail, outcome, "see the contact points above and the nodes' logs")]
            return [*found, *skipped("there is no snapshot", (*AFTER_THE_CONTACTS[:3], *AFTER_THE_CONTACTS[4:]))]
        except CastyNotebookError as error:
            found = [Finding("snapshot", Verdict.fail, str(error))]
            return [*found, *skipped("there is no snapshot", (*AFTER_THE_CONTACTS[:3], *AFTER_THE_CONTACTS[4:]))]
        await self._wait_for_members(snapshot)
        members = sorted(snapshot.members, key=lambda member: natural(member.id))
        tunnels, round_trips = await asyncio.gather(self._tunnels(members), self._round_trips(members))
        return [
            Finding("system name", Verdict.ok, f"{client.system_name!r}, as the nodes state it"),
            *self._encoding(client.encoding),
            _snapshot(snapshot),
            *self._members(members, snapshot),
            *tunnels,
            *self._shards(snapshot),
            *round_trips,
            self._last_push(snapshot),
        ]

    async def _wait_for_members(self, snapshot: TopologySnapshot) -> None:
        """Until each is known to be reached or not; links open in milliseconds."""
        deadline = monotonic() + MEMBERS_WITHIN
        while monotonic() < deadline:
            health = self._client.health
            if all(m.address in health and health[m.address].reachable is not None for m in snapshot.members):
                return
            await asyncio.sleep(0.02)

    def _encoding(self, encoding: Encoding | None) -> Iterator[Finding]:
        if encoding is None:
            return
        versions = "casty 0.15" if encoding.layout == "flat" else "casty 0.16 to 0.21"
        yield Finding("layout", Verdict.ok, f"{encoding.layout}: {versions}")
        text = self._client.encoding_note or encoding.configured
        if self._client.wrong_guesses and encoding.configuration != ("pickle", None):
            yield Finding("serializer", Verdict.warn, text, f"pass {encoding.options}")
        else:
            yield Finding("serializer", Verdict.ok, text)

    def _members(self, members: list[Member], snapshot: TopologySnapshot) -> Iterator[Finding]:
        health = self._client.health
        lost = []
        for member in members:
            seen = health.get(member.address)
            if seen is None or not seen.reachable:
                lost.append((member, seen.reason if seen is not None else ""))
        reached = len(members) - len(lost)
        verdict = Verdict.ok if not lost else Verdict.warn if reached else Verdict.fail
        yield Finding("members", verdict, f"{reached} of {len(members)} reached from here", "see the lines below" if lost else "")
        for member, reason in lost[:MOST]:
            yield self._lost(member, reason, snapshot)
        if len(lost) > MOST:
            yield Finding("members", Verdict.warn, f"{len(lost) - MOST} more are not reached", "see cluster.members")

    def _lost(self, member: Member, reason: str, snapshot: TopologySnapshot) -> Finding:
        subject, why = f"{member.id} {member.address}", reason or "no answer yet"
        if member.status is not MemberStatus.up or member.address in snapshot.unreachable:
            return Finding("members", Verdict.warn, f"{why}; the cluster says so, too", "restart the node", subject)
        if "says nothing" in why:
            return Finding("members", Verdict.fail, why, "wake or restart it, if it is a node", subject)
        fix = "see that it runs; if it does, it cannot be reached at the address it states: "
        return Finding("members", Verdict.fail, why, f"{fix}{_example(member.address)}, or ssh=", subject)

    async def _tunnels(self, members: list[Member]) -> list[Finding]:
        found: list[Finding] = []
        mapped: list[tuple[Member, NodeAddress]] = []
        unmapped: list[tuple[Member, NodeAddress]] = []
        for member in members:
            try:
                where = self._client.dialler.mapped(member.address)
            except DialFailed as failure:
                found.append(Finding("tunnels", Verdict.fail, str(failure), "correct address_map", member.id))
                continue
            (mapped if where != member.address else unmapped).append((member, where))
        if self._client.dialler.tunnelled:
            found.append(Finding("tunnels", Verdict.ok, "all connections go through the bastion"))
        elif not mapped:
            found.append(Finding("tunnels", Verdict.ok, "none: nodes are dialled at their own addresses"))
        names = {member.address: member.id for member in members}
        dialler, system = self._client.dialler, self._client.system_name
        answers = await asyncio.gather(*(who_answers(dialler, member.address, self._question) for member, _ in mapped[:MOST]))
        for (member, where), answer in zip(mapped, answers, strict=False):
            found.append(tunnel(member.id, member.address, where, answer, system, names))
        health = self._client.health
        for member, _ in unmapped[:MOST] if mapped else ():
            seen = health.get(member.address)
            if seen is None or not seen.reachable:
                fix = f"say where it is dialled: {_example(member.address)}"
                text = f"{member.address} has no tunnel and is not reached"
                found.append(Finding("tunnels", Verdict.fail, text, fix, member.id))
        return found

    def _question(self, node: NodeAddress, identity: NodeAddress) -> bytes | None:
        """What `ping` asks, as a frame for a connection that is no link."""
        system, codec = self._client.system_name, self._client.codec
        if codec is None:
            return None
        message = Find(PING, ActorRef(ActorAddress(f"{system}-client", "/_ask/who-answers", identity)))
        target, sender = f"casty://{system}@{node}{RECEPTIONIST}", f"casty://{system}-client@{identity}/"
        return encode_envelope(target, sender, codec.type_hint(message), codec.encode(message))

    def _shards(self, snapshot: TopologySnapshot) -> Iterator[Finding]:
        given = self._given
        for name in sorted({*given, *snapshot.shard_allocations}, key=natural)[:MOST]:
            highest = max(snapshot.shard_allocations.get(name, {}), default=None)
            seen = "none allocated yet" if highest is None else f"highest shard seen is {highest}"
            count = given.get(name)
            if count is None:
                fix = f"give the number that the nodes use: shards={{{name!r}: N}}, N above {highest}"
                yield Finding("shards", Verdict.warn, f"number not given; {seen}: asks take the way through a node", fix, name)
            elif highest is not None and (wrong := self._wrong_count(name, count, snapshot)) is not None:
                fix = "give the number that the nodes use; with another one messages reach wrong entities"
                yield Finding("shards", Verdict.warn, wrong, fix, name)
            else:
                yield Finding("shards", Verdict.ok, f"{count} given, {seen}", subject=name)
        if not given and not snapshot.shard_allocations:
            yield Finding("shards", Verdict.ok, "the cluster has no sharded types yet")

    def _wrong_count(self, name: str, count: int, snapshot: TopologySnapshot) -> str | None:
        shards = snapshot.shard_allocations[name]
        return too_few(name, count, shards) or too_many(name, count, shards, self._client.asked_for(name))

    async def _round_trips(self, members: list[Member]) -> list[Finding]:
        health = self._client.health
        reached = [m for m in members if m.address in health and health[m.address].reachable]
        found = list(await asyncio.gather(*(self._round_trip(member) for member in reached[:MOST])))
        if len(reached) > MOST:
            found.append(Finding("round trip", Verdict.ok, f"{len(reached) - MOST} more nodes were not measured"))
        return found or skipped("no member is reached", ("round trip",))

    async def _round_trip(self, member: Member) -> Finding:
        took: list[float] = []
        try:
            async with asyncio.timeout(PING_WITHIN):
                while len(took) < PINGS:
                    took.append(await ping(self._client, member.address))
        except (CastyNotebookError, TimeoutError):
            if not took:
                text = f"connected, but no answer within {PING_WITHIN:g} s"
                fix = "its process may stand still or be busy: look at it"
                return Finding("round trip", Verdict.fail, text, fix, member.id)
        middle = statistics.median(took)
        text = f"{middle * 1000:.1f} ms (p50 of {len(took)})"
        if middle > SLOW:
            return Finding("round trip", Verdict.warn, text, "the way is long, or the node is busy", member.id)
        return Finding("round trip", Verdict.ok, text, subject=member.id)

    def _last_push(self, snapshot: TopologySnapshot) -> Finding:
        age = self._client.snapshot_age or 0.0
        text = f"{age:.1f} s ago, from {self._client.contact or 'a node that is gone'}"
        if sum(member.status is MemberStatus.up for member in snapshot.members) < 2:
            return Finding("last push", Verdict.ok, f"{text}; one node alone pushes changes only")
        if age > PUSH_LATE:
            return Finding("last push", Verdict.warn, text, "the followed node is silent; another is asked by itself")
        return Finding("last push", Verdict.ok, text)


def _example(node: NodeAddress) -> str:
    return f"address_map={{({node.host!r}, {node.port}): ('127.0.0.1', 9001)}}"


def _snapshot(snapshot: TopologySnapshot) -> Finding:
    leader = next((m.id for m in snapshot.members if m.address == snapshot.leader), None)
    text = f"{len(snapshot.members)} member{'s' * (len(snapshot.members) != 1)}, leader {leader or snapshot.leader or 'none'}"
    if snapshot.leader is None:
        return Finding("snapshot", Verdict.warn, text, "no member is up: shards cannot be allocated; see the nodes' logs")
    return Finding("snapshot", Verdict.ok, text)
