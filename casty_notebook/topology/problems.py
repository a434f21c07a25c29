"""What is wrong with a cluster, since when, who says so, and what to do: from the moments that were seen, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from casty_notebook.address import NodeAddress
from casty_notebook.advice import DOCTOR, Words, advice_in
from casty_notebook.topology.events import Change, TopologyEvent, opinions
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.mailboxes import Waiting
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import name_of, natural
from casty_notebook.topology.node_report import key_of
from casty_notebook.topology.snapshot import Member, MemberStatus
from casty_notebook.topology.traffic import Failing, TrafficRow, failing

__all__ = ["ASKS_WITHIN", "KINDS", "Known", "Problem", "find_problems", "in_words", "problem_rows"]

WELL = {MemberStatus.up, MemberStatus.alive}
ON_THE_WAY = {MemberStatus.joining, MemberStatus.leaving}

GRACE: Mapping[str, float] = {
    "unreached": 1.0, "unreached_up": 1.0, "not_up": 3.0, "answers": 5.0, "owner_lost": 3.0, "no_owner": 5.0,
    "instance_lost": 3.0, "last_instance": 3.0, "no_leader": 5.0, "leader_lost": 3.0, "stuck": 10.0, "disputed": 3.0,
    "uneven": 10.0, "asks_fail": 10.0, "ownerless": 3.0,
}  # fmt: skip
"""Seconds for which something must have been so before it is a problem.

Links are opened anew in one; gossip takes up to three to notice a death and as long to notice a return (PROTOCOL section 6.5); a
node joins, and shards are placed, within five.
"""

KINDS = (*GRACE, "stale", "flapping", "restarted", "gone", "mailbox_grows", "mailbox_stands", "mailboxes")
"""All kinds of problems."""

STALE = 5.0
"""Seconds without a word of the cluster where one is due each second (PROTOCOL section 6.1)."""
FLAPS = 3
FLAPPING = timedelta(seconds=60)
"""A node that we lose so many times within so long is reported as flapping."""
RECENT = timedelta(seconds=60)
GONE = timedelta(minutes=10)
"""A dead member stays a problem for so long. A cluster of 0.30 forgets it after some seconds and looks well from then on, but
whoever is called to it must still see what happened."""
UNWELL = {MemberStatus.down.name, MemberStatus.dead.name, MemberStatus.suspect.name}
LOOK_BACK = 500
"""Moments that are looked at for when something began."""
UNEVEN = 2.0
"""A node that owns so many times its even part of a type's shards, and at least `MANY` more than that part, is a problem."""
MANY = 10
ASKS_WITHIN = 60.0
"""Seconds of our own asks that are looked at."""
FAILED_ASKS = 5
"""So many asks of one type to one node, and a tenth of all, must have failed over `GRACE` at least, the last one just now."""
JUST_NOW = 15.0
MOST_MAILBOXES = 20
"""Keys that have a line of their own."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    severity
        ``bad`` where something does not work now, ``warn`` where it may soon not.
    kind, subject
        What it is, in a word, and of whom.
    since
        From when on it has been so without a break, as far as is remembered.
    says
        Whose word it is: ``here`` (our own connections), ``cluster``, or both; a node's own, by its helper.
    text, remedy
        What was seen, with its figures, and what to try, in Python's words (see `advice`).
    """

    severity: str
    kind: str
    subject: str
    since: datetime
    says: str
    text: str
    remedy: str


class Known(NamedTuple):
    """The problems of an earlier search: when each began, by kind and subject. `until`: the last moment that was searched."""

    until: datetime
    began: Mapping[tuple[str, str], datetime]

    @classmethod
    def of(cls, moments: Sequence[Moment], found: Iterable[Problem]) -> Known | None:
        """What was found in these moments."""
        began = {(each.kind, each.subject): each.since for each in found}
        return cls(moments[-1].time, began) if moments else None


class _Sign(NamedTuple):
    severity: str
    says: str
    text: str
    remedy: str


type _Signs = dict[tuple[str, str], _Sign]


def find_problems(
    moments: Sequence[Moment], events: Iterable[TopologyEvent], now: datetime, *, snapshot_age: float | None = None,
    asks: Sequence[TrafficRow] = (), waiting: Sequence[Waiting] = (), known: Known | None = None,
) -> tuple[Problem, ...]:  # fmt: skip
    """What is wrong now, the worst and oldest first.

    Parameters
    ----------
    moments
        The moments that are remembered, oldest first; the last one is the present.
    events
        What happened, oldest first.
    now
        The present time.
    snapshot_age
        Seconds since the cluster last said anything; None if that is not followed (a recording).
    asks
        What became of our own asks of late.
    waiting
        Keys whose mailboxes grow or stand, the deepest first, where the nodes say so.
    known
        What was found before in the same cluster. A problem that has lasted since then has the same beginning, which saves going
        back through the moments for it.
    """
    if not moments:
        return ()
    moments, events = moments[-LOOK_BACK:], tuple(events)
    most: Counter[str] = Counter()
    for registry in {id(moment.snapshot.registry): moment.snapshot.registry for moment in moments}.values():
        most |= Counter(entry.key for entry in registry)
    # Of the moments before only as many are looked at as what is wrong now goes back to.
    reached = frozenset(event.subject for event in events if event.kind == Change.lost)
    signs = [_signs(moments[-1], most, reached)]
    found = []
    for key, sign in signs[0].items():
        since = _since(key, moments, signs, most, known)
        if (now - since).total_seconds() >= GRACE[key[0]]:
            found.append(Problem(sign.severity, *key, since, sign.says, sign.text, sign.remedy))
    members = moments[-1].members
    found += _of_events(events, {member.id for member in members.values()}, now)
    found += _of_asks(failing(asks, ASKS_WITHIN), members, now)
    found += _of_mailboxes(waiting, members)
    if snapshot_age is not None and snapshot_age > STALE and sum(each.status in WELL for each in members.values()) > 1:
        text = f"the cluster has said nothing for {snapshot_age:.0f} s; what is shown may be as old"
        remedy = f"see whether any member is reached (cluster.members), and examine the way: {DOCTOR}"
        if all(_lost(each.address, {}, moments[-1]) for each in members.values()):
            text = f"none of its {len(members):,} members is reached from here, and {text}"
            remedy = f"all are down, or the network between has failed (tunnel, VPN): {DOCTOR} examines the way"
        found.append(Problem("bad", "stale", "cluster", now - timedelta(seconds=snapshot_age), "here", text, remedy))
    return tuple(sorted(found, key=lambda each: (each.severity != "bad", each.since, natural(each.subject), each.kind)))


def in_words(problems: Sequence[Problem], words: Words) -> tuple[Problem, ...]:
    """The same with what to try in the words of a place."""
    return tuple(replace(each, remedy=advice_in(words, each.remedy)) if words else each for each in problems)


def problem_rows(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Problems as plain rows, for a view."""
    return [
        {
            "severity": each.severity, "kind": each.kind, "subject": each.subject, "since": each.since.isoformat(),
            "says": each.says, "text": each.text, "remedy": each.remedy,
        }
        for each in problems
    ]  # fmt: skip


def _since(
    key: tuple[str, str], moments: Sequence[Moment], signs: list[_Signs], most: Mapping[str, int], known: Known | None
) -> datetime:
    """When a problem began: the first of the latest moments that all show it.

    `signs` keeps the signs of moments that were looked at, the latest first, for the other problems.
    """
    since = moments[-1].time
    found = known.began.get(key) if known is not None else None
    for back in range(1, len(moments)):
        if known is not None and found is not None and moments[-back].time <= known.until:
            return found
        if back == len(signs):
            signs.append(_signs(moments[-1 - back], most))
        if key not in signs[back]:
            break
        since = moments[-1 - back].time
    return since


def _signs(moment: Moment, most: Mapping[str, int], reached: Set[str] = frozenset()) -> _Signs:
    """All that one moment shows, whether it has lasted or not.

    `most`: the instances that each service had at its best. `reached`: nodes that were once reached from here.
    """
    members = moment.members
    signs: _Signs = {}
    for address, member in members.items():
        signs.update(_of_member(member, moment.health.get(address), moment.flagged(address), member.id in reached))
    signs.update(_of_placements(moment, members))
    signs.update(_of_ownerless(moment, members))
    signs.update(_of_services(moment, members, most))
    if moment.kind.has_leader and members:
        signs.update(_of_leader(moment, members))
    return signs


def _of_member(
    member: Member, view: NodeHealth | None, unreachable: bool, before: bool
) -> Iterator[tuple[tuple[str, str], _Sign]]:
    reached = view.reachable if view is not None else None
    why = f" ({view.reason})" if view is not None and view.reason else ""
    well = member.status in WELL and not unreachable
    said = "unreachable" if unreachable else member.status.name
    if reached is False and well:
        text = f"not reached from here{why}, while the cluster says {said}"
        way = "its log and the network say why" if before else "address_map= or ssh= is the way to it"
        again = "it was reached before: " if before else ""
        remedy = f"{again}see that it runs; if it does, {way}. The cluster's word can be wrong for long"
        yield ("unreached_up", member.id), _Sign("bad", "here", text, remedy)
    elif reached is False:
        text = f"{said}, and not reached from here{why}"
        yield ("unreached", member.id), _Sign("bad", "here, cluster", text, "restart the node")
    elif reached and not well and member.status not in ON_THE_WAY:
        text = f"the cluster says {said}, but it answers here"
        yield ("answers", member.id), _Sign("warn", "cluster", text, "look at the network between the members; it may come back")
    elif not well and member.status not in ON_THE_WAY:
        yield ("not_up", member.id), _Sign("bad", "cluster", f"the cluster says {said}", "see whether it runs")
    if member.status in ON_THE_WAY:
        text = f"it has been {member.status.name} for long"
        yield ("stuck", member.id), _Sign("warn", "cluster", text, "see its log: it may not reach the others")
    if member.disputed:
        yield ("disputed", member.id), _Sign(
            "warn", "cluster", f"members do not agree about it: {opinions(member)}", "look at the network between them"
        )


def _lost(node: NodeAddress, members: Mapping[NodeAddress, Member], moment: Moment) -> bool:
    """Whether messages to a node are lost: we do not reach it, or do not know and the cluster says it is not well."""
    reach = moment.reach(node)
    if reach is not None:
        return not reach
    member = members.get(node)
    return member is not None and member.status not in WELL | ON_THE_WAY


def _of_placements(moment: Moment, members: Mapping[NodeAddress, Member]) -> Iterator[tuple[tuple[str, str], _Sign]]:
    words = moment.kind
    for name, column in moment.placements.items():
        owned: Counter[NodeAddress] = Counter()
        for placement, count in column.counts():
            owned[placement.primary] += count
        what = f"{words.placements} of {name}" if words.places_by_type else words.placements
        for node, count in owned.items():
            if node not in members:
                text = f"{count:,} {what} are placed at {node}, which is no member"
                remedy = "what they hold cannot be asked until they are placed anew"
                yield ("no_owner", name), _Sign("bad", "cluster", text, remedy)
            elif _lost(node, members, moment):
                who = name_of(node, members)
                text = f"{count:,} {what} are placed on {who}, which is not there"
                remedy = "restart that node, or wait until the cluster moves them; asks are held until then"
                yield ("owner_lost", f"{name} on {who}"), _Sign("bad", "cluster, here", text, remedy)
        if not words.every_key_has_a_place:  # where a hash places keys, nobody can do anything about unevenness
            yield from _unevenness(name, owned, members, moment)


def _of_ownerless(moment: Moment, members: Mapping[NodeAddress, Member]) -> Iterator[tuple[tuple[str, str], _Sign]]:
    """Shards without an owner, while some member is not well. After an outage, those that nobody asks for stay so, harmlessly."""
    well = all(member.status in WELL and not _lost(node, members, moment) for node, member in members.items())
    for name, count in (moment.ownerless or {}).items() if not well else ():
        have = "has" if count == 1 else "have"
        text = f"{count:,} of its shards {have} no owner any more: what was in memory alone is gone"
        yield ("ownerless", name), _Sign("warn", "cluster", text, "the next message to each has it placed anew")


def _unevenness(
    name: str, owned: Counter[NodeAddress], members: Mapping[NodeAddress, Member], moment: Moment
) -> Iterator[tuple[tuple[str, str], _Sign]]:
    living = [node for node, member in members.items() if member.status in WELL and not _lost(node, members, moment)]
    if len(living) < 2 or not owned:
        return
    node, most = owned.most_common(1)[0]
    even = owned.total() / len(living)
    if most > UNEVEN * even and most - even >= MANY:
        who = name_of(node, members)
        text = f"{who} owns {most:,} of its {owned.total():,} shards, where {even:.0f} would be even"
        yield ("uneven", name), _Sign("warn", "cluster", text, "casty moves no shard by itself: restart that node when it can be")


def _of_services(
    moment: Moment, members: Mapping[NodeAddress, Member], most: Mapping[str, int]
) -> Iterator[tuple[tuple[str, str], _Sign]]:
    if moment.kind.finds_types:  # which are met, and no more
        return
    living: Counter[str] = Counter()
    other: dict[str, NodeAddress] = {}
    gone = []
    for entry in moment.services:
        if entry.node in members and not _lost(entry.node, members, moment):
            living[entry.key] += 1
            other[entry.key] = entry.node
        else:
            gone.append(entry)
    for entry in gone:
        who, lives = name_of(entry.node, members), other.get(entry.key)
        text = f"an instance is registered on {who}, which is not there"
        instead = "no other is left"
        if lives is not None:
            instead = f"ask with retry=True, or name one that lives: {entry.key}@{name_of(lives, members)}"
        remedy = f"lookups still give it out: {instead}"
        yield ("instance_lost", f"{entry.key} on {who}"), _Sign("warn", "cluster, here", text, remedy)
    for key in {entry.key for entry in moment.services}:
        if living[key] <= 1 < most.get(key, 0):
            left = "one instance is" if living[key] else "no instance is"
            severity = "warn" if living[key] else "bad"
            text = f"{left} left of {most[key]}"
            yield ("last_instance", key), _Sign(severity, "cluster, here", text, "start another before that one goes")


def _of_leader(moment: Moment, members: Mapping[NodeAddress, Member]) -> Iterator[tuple[tuple[str, str], _Sign]]:
    leader = moment.snapshot.leader
    if leader is None:
        text = "there is no leader: no shard can be placed"
        yield ("no_leader", "cluster"), _Sign("bad", "cluster", text, "see the nodes' logs")
    elif _lost(leader, members, moment):
        who = name_of(leader, members)
        text = f"{who} is still taken for the leader, and is not there: no shard can be placed"
        remedy = "restart that node, so that the others see it go and come"
        yield ("leader_lost", who), _Sign("bad", "cluster, here", text, remedy)


def _of_asks(failures: Iterable[Failing], members: Mapping[NodeAddress, Member], now: datetime) -> Iterator[Problem]:
    """One failed burst is over when it is seen: asks that fail for a while, and still do, are worth a line."""
    for each in failures:
        lasted = each.since - each.last
        if each.failed < max(FAILED_ASKS, each.asked / 10) or each.last > JUST_NOW or lasted < GRACE["asks_fail"]:
            continue
        where = "" if each.node is None else f" on {name_of(each.node, members)}"
        causes = ", ".join(f"{cause} {count:,}" for cause, count in each.causes[:4])
        text = f"{each.failed:,} of our {each.asked:,} asks failed in the last {each.since:.0f} s: {causes}"
        severity = "bad" if each.failed * 2 >= each.asked else "warn"
        since = now - timedelta(seconds=each.since)
        remedy = "cluster.traffic has them over time; a failed ask's error says what is known of it"
        yield Problem(severity, "asks_fail", f"{each.kind}{where}", since, "here", text, remedy)


def _of_mailboxes(waiting: Sequence[Waiting], members: Mapping[NodeAddress, Member]) -> Iterator[Problem]:
    for each in waiting[:MOST_MAILBOXES]:
        who = name_of(each.node, members)
        if each.kind == "grows":
            text = f"its mailbox grew from {each.first:,} to {each.most:,} messages; {each.now:,} wait now"
            remedy = "more comes than it takes: see who sends it and what it awaits; divide what it does among several keys"
        else:
            text = f"{each.now:,} messages wait in its mailbox, and at {each.looks:,} looks none was taken out"
            remedy = "its body is on one message: see what it awaits (cluster.node_log has its failures)"
        yield Problem("warn", f"mailbox_{each.kind}", f"{key_of(each.actor, each.key)} on {who}", each.since, f"{who}'s helper",
                      text, remedy)  # fmt: skip
    if more := waiting[MOST_MAILBOXES:]:
        text = f"the mailboxes of {len(more):,} more keys grow or stand"
        since = min(each.since for each in more)
        yield Problem("warn", "mailboxes", "cluster", since, "nodes' helpers", text, "cluster.activations has the deepest first")


def _of_events(events: Sequence[TopologyEvent], members: Container[str], now: datetime) -> Iterator[Problem]:
    recent = [event for event in events if now - event.time <= FLAPPING]
    lost: dict[str, list[datetime]] = {}
    restarted: dict[str, list[datetime]] = {}
    # The last time of each: one may have come, and gone again.
    removed = {event.subject: event for event in events if event.kind == Change.member_removed and now - event.time <= GONE}
    for name, event in removed.items():
        if event.before in UNWELL and name not in members:
            text = f"it was said to be {event.before}, and is no member any more"
            yield Problem("warn", "gone", name, event.time, event.says or "cluster", text, "start it again if it should be there")
    for event in recent:
        if event.kind == Change.lost:
            lost.setdefault(event.subject, []).append(event.time)
        elif event.kind == Change.member_restarted and now - event.time <= RECENT:
            restarted.setdefault(event.subject, []).append(event.time)
    for name, times in restarted.items():
        often = f", {len(times)} times since {(now - times[0]).total_seconds():.0f} s ago" if len(times) > 1 else ""
        ago = (now - times[-1]).total_seconds()
        text = f"it was restarted {ago:.0f} s ago{often}: what its actors had in memory alone is gone"
        yield Problem("warn", "restarted", name, times[-1], "cluster", text, "see its log for why")
    for name, times in lost.items():
        if len(times) >= FLAPS:
            text = f"lost {len(times)} times within a minute"
            remedy = "look at its load, and at the network between"
            yield Problem("bad", "flapping", name, times[0], "here", text, remedy)
