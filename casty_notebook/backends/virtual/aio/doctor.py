"""Examines a connection to a cluster of casty 0.30: contact points, name, limits, members and their opinions, the ring."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from time import monotonic

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.aio.client import VirtualClient
from casty_notebook.backends.virtual.session.members import Members, VirtualMember
from casty_notebook.backends.virtual.wire.connection import Accepted, Connection, Rejected
from casty_notebook.backends.virtual.wire.hello import Hello
from casty_notebook.errors import CastyNotebookError, NoContactPoint, ProtocolError
from casty_notebook.net.contact_probe import (
    PATIENCE,
    Answerer,
    Knock,
    Visit,
    approach,
    certificates,
    skipped,
    tunnel,
    versions,
)
from casty_notebook.net.dialler import DialFailed, Dialler
from casty_notebook.recognition import HELLO_030, is_virtual
from casty_notebook.topology.check_result import Finding, Verdict

__all__ = ["examine"]

TABLE_WITHIN = 3.0
"""Seconds within which the first table of members must come; a last table that is older gets a warning."""
MEMBERS_WITHIN = 1.5
"""Seconds within which every member should be reached and have sent its own table; each is asked for one a second."""
MOST = 16
"""Contact points and members that get lines of their own; the rest is counted."""
SLOW = 0.1
"""Seconds of a round trip beyond which it gets a warning, since every ask is felt then."""
UNEVEN = 1.5
"""A member whose share of the ring is more than so many times the even one gets a warning; with 128 places each, shares stay
within 1.3 times."""

AFTER_THE_CONTACTS = ("cluster name", "limits", "members", "opinions", "tunnels", "ring", "types", "round trip", "last table")


async def examine(client: VirtualClient, *, entered: bool) -> list[Finding]:
    """Look at everything, and never raise for what is found; takes less than five seconds.

    Parameters
    ----------
    entered
        The client is a connection in use; else it is entered, and left again.
    """
    contacts = client.contact_points[:MOST]
    knocks = await asyncio.gather(*(_knock(client.dialler, contact) for contact in contacts))
    findings = [finding for each in knocks for finding in each.findings]
    findings += certificates(client.dialler, knocks)
    if not entered and not any(each.node for each in knocks):
        findings += skipped("no contact point answered", AFTER_THE_CONTACTS)
    else:
        async with contextlib.AsyncExitStack() as stack:
            if not entered:
                await stack.enter_async_context(client)
            findings += await _Examination(client).run()
    return [*findings, versions()]


class _Greeting(Visit):
    """greeting --answer | end--> answered. The hello names a cluster that does not exist: a refusal is answer enough."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = b""
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.say(HELLO_030)

    def data_received(self, data: bytes) -> None:
        self.answered()
        self._heard = (self._heard + data)[:512]
        if len(self._heard) >= 12:
            self._settle()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._settle()

    def _settle(self) -> None:
        if not self.answer.done():
            self.answer.set_result(self._heard)


async def _knock(dialler: Dialler, contact: NodeAddress) -> Knock:
    result = Knock(contact)
    greeting = _Greeting()
    try:
        if await approach(dialler, contact, greeting, result):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    answer = await asyncio.shield(greeting.answer)
                    _note_answer(result, answer, greeting.took)
                    return result
            fix = "wake or restart it"
            result.note("hello", Verdict.fail, "takes connections and says nothing: its process stands still", fix)
    finally:
        greeting.answer.cancel()
        greeting.close()
    return result


def _note_answer(result: Knock, answer: bytes, took: str) -> None:
    if is_virtual(answer):
        result.node = result.contact
        result.note("hello", Verdict.ok, f"answered in {took}")
        result.note("generation", Verdict.ok, "casty 0.30")
    elif answer:
        said = f"answered {answer[:16].hex(' ')}, no hello of casty 0.30"
        result.note("hello", Verdict.fail, said, "see what runs at that port")
    else:
        fix = "see the node's log; with TLS, see that its authority signed our certificate"
        result.note("hello", Verdict.fail, "closed the connection without answering the hello", fix)


class _Caller(Visit):
    """greeting --its answer | end--> answered. The hello has the cluster's name: only a node of that cluster accepts it."""

    def __init__(self, hello: Hello) -> None:
        super().__init__()
        self._connection = Connection(hello, 1024)
        self.answer: asyncio.Future[Answerer] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.say(self._connection.data_to_send())

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._connection.receive(data):
                if isinstance(event, Accepted):
                    self._settle(Answerer(event.node))
                elif isinstance(event, Rejected):
                    refusal = event.refusal
                    self._settle(Answerer(None, refusal.cluster, "" if refusal.cluster else refusal.reason))
        except ProtocolError as error:
            self._settle(Answerer(reason=str(error)))

    def connection_lost(self, _exc: Exception | None) -> None:
        self._settle(Answerer(reason="closed the connection without answering the hello"))

    def _settle(self, answer: Answerer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


async def _who_answers(dialler: Dialler, address: NodeAddress, hello: Hello) -> Answerer:
    """Dial a node's address as a link would. The node that answers there states its own address, or its other cluster's name."""
    caller = _Caller(hello)
    try:
        async with asyncio.timeout(PATIENCE):
            await dialler.dial(address, caller)
            return await asyncio.shield(caller.answer)
    except DialFailed as failure:
        return Answerer(reason=str(failure))
    except TimeoutError:
        return Answerer(reason=f"nothing was said within {PATIENCE:g} s")
    finally:
        caller.answer.cancel()
        caller.close()


class _Examination:
    """The findings about a client that is entered: what its members' tables and its links show."""

    def __init__(self, client: VirtualClient) -> None:
        self._client = client

    async def run(self) -> list[Finding]:
        given = self._client.cluster_name
        try:
            await self._client.wait_for_members(TABLE_WITHIN)
        except NoContactPoint as error:
            outcome = "; ".join(attempt.outcome for attempt in error.attempts) or "nothing answered"
            found = [Finding("members", Verdict.fail, outcome, "see the contact points above and the nodes' logs")]
            return [*found, *skipped("there is no table of members", AFTER_THE_CONTACTS[3:])]
        except CastyNotebookError as error:
            found = [Finding("members", Verdict.fail, str(error))]
            return [*found, *skipped("there is no table of members", AFTER_THE_CONTACTS[3:])]
        first = self._client.members
        assert first is not None  # noqa: S101 - waited for above
        tunnels, _ = await asyncio.gather(self._tunnels(first), self._wait_for_every_table())
        members = self._client.members
        assert members is not None  # noqa: S101 - waited for above
        return [
            self._name(given),
            self._limits(),
            *self._members(members),
            *self._opinions(members),
            *tunnels,
            *_ring(members),
            *_types(members),
            *self._round_trips(members),
            self._last_table(),
        ]

    async def _wait_for_every_table(self) -> None:
        until = monotonic() + MEMBERS_WITHIN
        while monotonic() < until:
            members, health = self._client.members, self._client.health
            known = members is not None and all(
                member.address in health and health[member.address].reachable is not None for member in members.members
            )
            if known and members is not None and all(len(each.opinions) >= len(members.members) for each in members.members):
                return
            await asyncio.sleep(0.02)

    def _name(self, given: str) -> Finding:
        name = self._client.cluster_name
        if name != given:
            text = f"it is called {name!r}, not {given!r}; that was corrected by itself"
            return Finding("cluster name", Verdict.warn, text, f"write casty://{name}@…")
        return Finding("cluster name", Verdict.ok, f"{name!r}, as the nodes state it")

    def _limits(self) -> Finding:
        limits = self._client.limits
        text = f"frames of {limits.frame:,} bytes, messages of {limits.message:,}, a window of {limits.window:,}"
        return Finding("limits", Verdict.ok, text)

    def _members(self, members: Members) -> Iterator[Finding]:
        health = self._client.health
        lost: list[tuple[VirtualMember, str]] = []
        for member in members.members:
            seen = health.get(member.address)
            if seen is None or not seen.reachable:
                lost.append((member, seen.reason if seen is not None else ""))
        reached = len(members.members) - len(lost)
        verdict = Verdict.ok if not lost else Verdict.warn if reached else Verdict.fail
        text = f"{reached} of {len(members.members)} reached from here"
        yield Finding("members", verdict, text, "see the lines below" if lost else "")
        for member, reason in lost[:MOST]:
            said = f"; the cluster says {member.status}"
            alive = member.status == "alive"
            fix = "see that it runs; if it does, address_map= or ssh= is the way" if alive else "restart the node"
            yield Finding("members", Verdict.fail, f"{reason or 'no answer yet'}{said}", fix, str(member.address))
        if len(lost) > MOST:
            yield Finding("members", Verdict.warn, f"{len(lost) - MOST} more are not reached", "see cluster.members")
        if members.former:
            text = f"{len(members.former)} earlier lives of nodes are still listed, and keep their places on the ring"
            yield Finding("members", Verdict.warn, text, "they are removed by themselves, about a minute after a death")

    def _opinions(self, members: Members) -> Iterator[Finding]:
        disputed = [member for member in members.members if member.disputed]
        if not disputed:
            yield Finding("opinions", Verdict.ok, "all members say the same of each other")
        for member in disputed[:MOST]:
            said = ", ".join(f"{who} says {status}" for who, status in sorted(member.opinions.items()))
            yield Finding("opinions", Verdict.warn, said, "look at the network between them", str(member.address))

    async def _tunnels(self, members: Members) -> list[Finding]:
        """Whether each entry of the address map leads to its node: that it is reached may be by another way."""
        dialler, found = self._client.dialler, list[Finding]()
        mapped: list[tuple[NodeAddress, NodeAddress]] = []
        for member in members.members:
            try:
                where = dialler.mapped(member.address)
            except DialFailed as failure:
                found.append(Finding("tunnels", Verdict.fail, str(failure), "correct address_map", str(member.address)))
                continue
            if where != member.address:
                mapped.append((member.address, where))
        if dialler.tunnelled:
            found.append(Finding("tunnels", Verdict.ok, "all connections go through the bastion"))
        elif not mapped and not found:
            found.append(Finding("tunnels", Verdict.ok, "none: nodes are dialled at their own addresses"))
        cluster, names = self._client.cluster_name, {member.address: "another member" for member in members.members}
        hello = Hello(cluster, secrets.token_bytes(16), self._client.limits)
        answers = await asyncio.gather(*(_who_answers(dialler, address, hello) for address, _ in mapped[:MOST]))
        for (address, where), answer in zip(mapped, answers, strict=False):
            found.append(tunnel(str(address), address, where, answer, cluster, names))
        return found

    def _round_trips(self, members: Members) -> Iterator[Finding]:
        health = self._client.health
        for member in members.members[:MOST]:
            seen = health.get(member.address)
            if seen is None or seen.rtt is None or not seen.reachable:
                continue
            text = f"{seen.rtt * 1000:.1f} ms (of its last table)"
            verdict = Verdict.warn if seen.rtt > SLOW else Verdict.ok
            fix = "the way is long, or the node is busy" if verdict is Verdict.warn else ""
            yield Finding("round trip", verdict, text, fix, str(member.address))

    def _last_table(self) -> Finding:
        age = self._client.table_age or 0.0
        late = age > TABLE_WITHIN
        text = f"{age:.1f} s ago, where one a second is asked for"
        fix = "its members are silent: look at them" if late else ""
        return Finding("last table", Verdict.warn if late else Verdict.ok, text, fix)


def _ring(members: Members) -> Iterator[Finding]:
    shares = members.ring.shares()
    if not shares:
        yield Finding("ring", Verdict.warn, "it has no members", "see the nodes' logs")
        return
    even = 1 / len(shares)
    node, most = max(shares.items(), key=lambda each: each[1])
    text = f"{len(shares)} nodes, shares from {min(shares.values()):.1%} to {most:.1%} of all keys"
    if most > UNEVEN * even:
        yield Finding("ring", Verdict.warn, text, "placement is by chance: more nodes even it out", str(node))
    else:
        yield Finding("ring", Verdict.ok, text)


def _types(members: Members) -> Iterator[Finding]:
    types = members.types
    if not types:
        yield Finding("types", Verdict.ok, "none met yet: a type is known after its first use")
        return
    yield Finding("types", Verdict.ok, f"{len(types)} met: {', '.join(types[:8])}{' …' if len(types) > 8 else ''}")
