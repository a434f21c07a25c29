"""The card of a cluster: what a connection says of itself in a cell, as text or HTML."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from casty_notebook.advice import Words, advice_in
from casty_notebook.printable import printable
from casty_notebook.topology.kinds import SHARDED, Kind
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import name_of, natural
from casty_notebook.topology.node_report import HELPER, TYPE_KINDS, type_kind
from casty_notebook.topology.snapshot import MemberStatus
from casty_notebook.views.facts import Facts
from casty_notebook.views.reprs.html import Markup, code, element, facts, fragment, state
from casty_notebook.views.reprs.plain import age, clipped, few

__all__ = ["CardFacts", "ShardFact", "card_lines", "card_table", "card_title", "cluster_card_html", "cluster_card_text"]


_WELL = {MemberStatus.up, MemberStatus.alive}
_STRUCTURE = re.compile(r"d-(counter|map|set|queue)-(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ShardFact:
    """One sharded type: shards that have an owner, and how many there are if we were told.

    A shard gets its owner, and comes into a snapshot, with the first message to one of its entities.
    """

    shard_type: str
    listed: int
    num_shards: int | None
    ownerless: int = 0
    """Of those that had an owner once, how many have none now."""

    def __str__(self) -> str:
        total = "" if self.num_shards is None else f" of {self.num_shards:,}"
        without = f", {self.ownerless:,} without an owner" if self.ownerless else ""
        return f"{self._name()} ({self.listed:,}{total} in use{without})"

    def _name(self) -> str:
        """Casty's own distributed structures are sharded types, too (PROTOCOL section 5); who made one knows it by its name."""
        structure = _STRUCTURE.fullmatch(self.shard_type)
        if structure is None:
            return printable(self.shard_type)
        return printable(f"{self.shard_type}, the distributed {structure[1]} {structure[2]!r}")


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the card says, in counts and names; gathered once of a `Moment` and its `Facts`, so that text and HTML say the same.

    It is no moment: nothing can be looked up in it, and it holds no snapshot.

    Attributes
    ----------
    members
        None while there was no snapshot.
    up
        Members that the cluster calls up; a dead one often still is (PROTOCOL section 6.5).
    reachable, undecided
        Members that we reach, and those that we know nothing of yet.
    lost
        Names of members that we do not reach, each with the reason.
    colour, read_only, questions
        How the connection was marked: a CSS colour, whether it may only ask, and what.
    found
        What the cluster is configured for, where that was found by asking and cost lines in its nodes' logs; or what else is
        worth a line.
    kind
        What kind of cluster it is: its words, and what it can say.
    disputed
        Members of whom not all members say the same.
    problems
        What is wrong, the worst first: of whom, and what.
    recorded
        It is no connection, but what was recorded of one.
    taken
        When all this was so; what is saved in a notebook looks like news for ever.
    """

    name: str
    uri: str
    system: str
    closed: bool
    snapshot_age: float | None
    members: int | None = None
    up: int = 0
    reachable: int = 0
    undecided: int = 0
    lost: tuple[tuple[str, str], ...] = ()
    leader: str | None = None
    shards: tuple[ShardFact, ...] = ()
    services: tuple[tuple[str, int], ...] = ()
    colour: str | None = None
    read_only: bool = False
    questions: tuple[str, ...] = ()
    found: str | None = None
    kind: Kind = SHARDED
    disputed: int = 0
    problems: tuple[tuple[str, str], ...] = ()
    recorded: bool = False
    taken: datetime.datetime | None = None
    words: Words = field(default_factory=dict, repr=False, compare=False)
    """How advice is worded where the connection was opened: in a notebook's magics, a shell, plain calls."""

    @classmethod
    def gather(cls, moment: Moment | None, facts: Facts, *, questions: tuple[str, ...] = ()) -> Self:
        """Work them out of the moment and of what is known beside it; asks nobody."""
        label, told = facts.label, facts.label.shard_counts
        card = cls(
            label.name, label.uri, label.system, facts.closed, facts.age, shards=_shards({}, told, {}), colour=facts.colour,
            read_only=facts.read_only, questions=questions, recorded=facts.recorded,
        )  # fmt: skip
        if moment is None:
            return card
        snapshot, members = moment.snapshot, moment.members
        reach = {address: moment.reach(address) for address in members}
        services = Counter(entry.key for entry in moment.services)
        listed = {kind: len(owned) for kind, owned in snapshot.shard_allocations.items()}
        return replace(
            card, members=len(members),
            up=sum(member.status in _WELL for member in members.values()),
            reachable=sum(each is True for each in reach.values()),
            undecided=sum(each is None for each in reach.values()),
            lost=tuple((name_of(node, members), moment.health[node].reason) for node in members if reach[node] is False),
            leader=None if snapshot.leader is None else name_of(snapshot.leader, members),
            shards=_shards(listed, told, moment.ownerless or {}),
            services=_services(services, moment.kind), kind=moment.kind,
            disputed=sum(member.disputed for member in members.values()),
        )  # fmt: skip

    @property
    def cut_off(self) -> bool:
        """Members are known, and none of them is reached."""
        return not self.closed and bool(self.members) and self.reachable == self.undecided == 0


def _shards(listed: Mapping[str, int], told: Mapping[str, int], ownerless: Mapping[str, int]) -> tuple[ShardFact, ...]:
    kinds = sorted({*listed, *told, *ownerless}, key=natural)
    return tuple(ShardFact(kind, listed.get(kind, 0), told.get(kind), ownerless.get(kind, 0)) for kind in kinds)


def cluster_card_text(facts: CardFacts) -> str:
    """Return the card for a terminal: a title and aligned lines.

    Examples
    --------
    >>> print(cluster_card_text(CardFacts("shop", "casty://shop@10.0.1.10:25520", "shop", False, 0.4, members=0)))
    Casty cluster shop
      uri       casty://shop@10.0.1.10:25520
      state     connected, snapshot 0.4 s old
      members   none
      leader    none
      shards    none in use yet
      services  none
    """
    lines = [(label, text) for label, text in card_lines(facts)]
    return "\n".join([card_title(facts), *(f"  {label:<8}  {text}" for label, text in lines)])


def cluster_card_html(facts: CardFacts) -> str:
    """Return the card for a notebook."""
    if facts.taken is None:
        return fragment(card_table(facts))
    taken = f"as it was at {facts.taken.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
    return fragment(card_table(facts), element("p", taken, class_="casty-faint"))


def card_table(card: CardFacts) -> Markup:
    """Return the card as a table, without the style that `fragment` adds."""
    kind = "open" if card.closed or card.recorded or card.members is None else "bad" if card.cut_off else "good"
    shown: dict[str, object] = dict(card_lines(card))
    shown["uri"] = code(shown["uri"])
    shown["state"] = state(kind, shown["state"])
    if card.lost and not card.closed:
        shown["members"] = state("bad", shown["members"])
    if card.problems:
        shown["problems"] = state("bad", shown["problems"])
    title: object = card_title(card)
    if card.colour is not None:
        title = element("span", title, style=f"border-left:.6em solid {card.colour};padding-left:.5em")
    return facts(title, shown.items())


def card_title(facts: CardFacts) -> str:
    """Return what it is called and how it is marked, in one line."""
    other = f" (system {printable(facts.system)})" if facts.system != facts.name else ""
    traits = ", ".join([*([facts.colour] if facts.colour else []), *(["read-only"] if facts.read_only else [])])
    return clipped(f"Casty cluster {printable(facts.name)}{other}{f' [{traits}]' if traits else ''}", 200)


def card_lines(facts: CardFacts) -> Iterator[tuple[str, str]]:
    """Return the labels and texts of the card, in order."""
    yield "uri", clipped(printable(facts.uri))
    yield "state", _state(facts)
    if facts.read_only:
        yield "asks", few(map(printable, facts.questions)) or "nothing but distributed structures: no questions were given"
    if facts.members is not None:
        yield "members", _members(facts)
        if facts.kind.has_leader:
            yield "leader", printable(facts.leader) if facts.leader is not None else "none"
    if facts.problems:
        listed = few((f"{printable(subject)} {printable(text)}" for subject, text in facts.problems), 2)
        yield "problems", f"{len(facts.problems):,}: {listed}; {advice_in(facts.words, "cluster.problems")} says what to do"
    if facts.found is not None:
        yield "messages", printable(facts.found)
    if facts.kind.every_key_has_a_place:
        if not facts.recorded and not facts.closed:
            yield "activity", advice_in(facts.words, _activity(facts))
        yield "casty", f"{facts.kind.casty}: every key has a place on the ring, used or not"
    else:
        yield "shards", few(map(str, facts.shards)) or "none in use yet"
    if facts.members is not None:
        none = f"none met yet: a {facts.kind.service} is known after its first use" if facts.kind.finds_types else "none"
        yield facts.kind.services, _named(facts) or none


def _services(counted: Counter[str], kind: Kind) -> tuple[tuple[str, int], ...]:
    """By name, and where they are types those of the application first: nobody looks for the parts of casty's collections."""
    by_name = sorted(counted, key=natural)
    if kind.finds_types:
        by_name.sort(key=lambda key: TYPE_KINDS.index(type_kind(key)))
    return tuple((key, counted[key]) for key in by_name)


def _named(facts: CardFacts) -> str:
    listed = facts.services
    if facts.kind.finds_types:
        listed = tuple(each for each in listed if type_kind(each[0]) == TYPE_KINDS[0])
    shown = few(f"{printable(key)} ({count:,})" for key, count in listed)
    own = len(facts.services) - len(listed)
    return ", and ".join(filter(None, (shown, f"{own:,} of casty's own" if own else "")))


def _activity(facts: CardFacts) -> str:
    if any(key == HELPER for key, _ in facts.services):
        return "cluster.activations, cluster.loads and cluster.node_log ask the nodes"
    return "not told; the nodes do once they have the file casty_notebook.nodeside.FILE"


def _state(facts: CardFacts) -> str:
    if facts.closed:
        return "closed"
    if facts.recorded:
        return "recorded"
    if facts.members is None:
        return "connecting, no snapshot yet"
    snapshot = "" if facts.snapshot_age is None else f", snapshot {age(facts.snapshot_age)} old"
    return ("no member reachable from here" if facts.cut_off else "connected") + snapshot


def _members(facts: CardFacts) -> str:
    if not facts.members:
        return "none"
    if facts.closed:
        return f"{facts.members:,}, {facts.up:,} {facts.kind.well} (when it was closed)"
    parts = [f"{facts.members:,}", f"{facts.up:,} {facts.kind.well}", f"{facts.reachable:,} reachable from here"]
    if facts.disputed:
        parts.append(f"{facts.disputed:,} of whom members do not say the same")
    if facts.undecided:
        parts.append(f"{facts.undecided:,} not known yet")
    if facts.lost:
        reasons = (f"{printable(name)}: {printable(why)}" if why else printable(name) for name, why in facts.lost)
        parts.append(f"{len(facts.lost):,} not ({few(reasons, 3)})")
    return ", ".join(parts)
