"""What our values look like in a notebook: refs, listings, snapshots, places, failures, stand-ins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from casty_notebook.address import NodeAddress
from casty_notebook.backends.contract import Location
from casty_notebook.errors import AskFailed, NoContactPoint
from casty_notebook.printable import printable
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.names import member_at, name_of, natural
from casty_notebook.topology.snapshot import Member, TopologySnapshot
from casty_notebook.values.refs import ActorRef, EntityRef
from casty_notebook.values.remote_error import RemoteError
from casty_notebook.values.services import Listing
from casty_notebook.values.standin import StandIn, parts
from casty_notebook.views.reprs.html import (
    MOST_ROWS,
    Markup,
    code,
    details,
    element,
    facts,
    fragment,
    joined,
    reach,
    state,
    table,
)
from casty_notebook.views.reprs.plain import brief, few, many

__all__ = [
    "actor_ref_html",
    "ask_failed_html",
    "entity_ref_html",
    "listing_html",
    "location_html",
    "no_contact_point_html",
    "node_health_html",
    "snapshot_html",
    "stand_in_html",
]

_NONE = element("span", "none", class_="casty-faint")


def actor_ref_html(ref: ActorRef) -> str:
    """One actor: the URI to copy, and its parts."""
    address = ref.address
    node = "none (a local actor's address)" if address.node is None else code(address.node)
    rows = [("uri", code(ref.uri)), ("system", address.system), ("node", node), ("path", code(address.path))]
    return fragment(facts("Actor ref", rows))


def entity_ref_html(ref: EntityRef) -> str:
    """All entities of one type."""
    takes = joined([code("ShardEnvelope(entity_id, message)"), ", by tell or ask"])
    rows = [("type", code(ref.shard_type)), ("shards", f"{ref.num_shards:,}"), ("takes", takes)]
    return fragment(facts("Entity ref", rows))


def listing_html(listing: Listing) -> str:
    """The instances of a service, by node and path."""
    name = printable(listing.key.name)
    if not listing:
        return fragment(element("p", f"Service {name}: no instance in the last snapshot"))
    rows = ((code(one.node), code(one.ref.address.path), code(one.ref.uri)) for one in listing)
    caption = f"Service {name}: {many(len(listing), 'instance')}"
    return fragment(table(caption, ("node", "path", "ref"), rows, len(listing)))


def location_html(place: Location) -> str:
    """Where a target lives: the cluster's word and our own view side by side."""
    rows: list[tuple[str, object]] = [("target", code(place.target))]
    if place.shard_type is not None:
        rows += [
            ("type", place.shard_type),
            (place.kind.entity, code(place.entity_id)),
            (place.kind.placement, _placement(place)),
        ]
    rows += [
        ("node", "unknown" if place.node is None else place.node),
        ("address", "not located yet" if place.address is None else code(place.address)),
    ]
    if place.shard_type is not None:
        rows.append(("replicas", code(few(map(str, place.replicas))) if place.replicas else _NONE))
    if place.heir is not None:
        rows.append((f"if {place.node or 'it'} is removed", code(place.heir)))
    rows += [
        ("reachable from here", reach(place.reachable)),
        ("status in the cluster", "unknown" if place.status is None else place.status),
    ]
    return fragment(facts("Location", rows))


def _placement(place: Location) -> str:
    if place.shard is not None:
        return f"{place.shard:,}"
    return "none: it is pinned to its node" if place.kind.every_key_has_a_place else "unknown: the number of shards was not given"


def ask_failed_html(error: AskFailed) -> str:
    """Why an ask got no reply: the cause, what is known, what to try; how it came to that is folded away."""
    report = error.report
    shown = [
        element("p", state("bad", element("strong", report.cause))),
        facts(type(error).__name__, _known_of(error)),
        element("p", report.advice) if report.advice else Markup(),
        details("What the client saw and did last", report.story) if report.story else Markup(),
    ]
    return fragment(*shown)


def _known_of(error: AskFailed) -> Iterator[tuple[str, object]]:
    report = error.report
    yield "target", code(report.target)
    if report.shard is not None:
        yield "shard", f"{report.shard:,}"
    if report.owner is not None:
        yield "owner", joined([code(report.owner), f" ({report.owner_health or 'unknown'})"])
    if report.snapshot_age is not None or report.elapsed is not None:
        yield "snapshot", "none yet" if report.snapshot_age is None else f"{report.snapshot_age:.1f} s old"
    if report.elapsed is not None:
        yield "waited", f"{report.elapsed:.2f} s"
    perhaps, no = "perhaps: it may have left for the node", "no: the node refused it" if report.refused else "no: it was not sent"
    yield "executed", perhaps if report.may_have_run else no


def no_contact_point_html(error: NoContactPoint) -> str:
    """Why there is no connection: what happened at each contact point."""
    cause = str(error).partition("\n")[0]
    rows = ((code(attempt.contact), attempt.outcome) for attempt in error.attempts)
    tried = table("NoContactPoint", ("contact point", "what happened"), rows, len(error.attempts))
    return fragment(element("p", state("bad", element("strong", cause))), tried if error.attempts else Markup())


def node_health_html(health: NodeHealth) -> str:
    """Our own view of one node."""
    rows: list[tuple[str, object]] = [
        ("reachable from here", reach(health.reachable)),
        ("connection", health.state.value),
        ("round trip", "not measured yet" if health.rtt is None else f"{health.rtt * 1000:.1f} ms"),
    ]
    if health.reason:
        rows.append(("reason", health.reason))
    if health.retry_in is not None:
        rows.append(("next attempt", f"in {health.retry_in:.1f} s"))
    return fragment(facts("Node health", rows))


def stand_in_html(standin: StandIn) -> str:
    """An instance of a class that is not here: its dotted name and what it holds."""
    cls, args, fields, items, pairs = parts(standin)
    rows = [
        *((f"argument {place}", code(brief(value))) for place, value in enumerate(args[:MOST_ROWS])),
        *((name, code(brief(value))) for name, value in islice(fields.items(), MOST_ROWS)),
        *((f"item {place}", code(brief(value))) for place, value in enumerate(items[:MOST_ROWS])),
        *((f"item {brief(key)}", code(brief(value))) for key, value in islice(pairs.items(), MOST_ROWS)),
    ]
    caption = f"{printable(cls.dotted)} (stand-in)"
    if not rows:
        return fragment(element("p", code(caption), " without fields"))
    total = len(args) + len(fields) + len(items) + len(pairs)
    return fragment(table(caption, ("field", "value"), rows, total))


def remote_error_html(error: RemoteError) -> str:
    """An exception that came as a reply: which, and with what. It was not raised, neither there nor here."""
    name = printable(error.cls.dotted.removeprefix("builtins."))
    headline = element("p", state("bad", element("strong", name)), " (the reply is an exception, sent as a value)")
    rows = [
        *((f"argument {place}", code(brief(value))) for place, value in enumerate(error.args[:MOST_ROWS])),
        *((field, code(brief(value))) for field, value in islice(error.attributes.items(), MOST_ROWS)),
    ]
    total = len(error.args) + len(error.attributes)
    return fragment(headline, table("What it holds", ("field", "value"), rows, total) if rows else Markup())


# --- snapshots ------------------------------------------------------------------------------------------------------


def snapshot_html(snapshot: TopologySnapshot) -> str:
    """The topology as one node saw it: members, sharded types, services. Nothing of it is our own view."""
    members = member_at(snapshot.members)
    owners = {
        kind: Counter(allocation.primary for allocation in allocations.values())
        for kind, allocations in snapshot.shard_allocations.items()
    }
    leader = "none" if snapshot.leader is None else name_of(snapshot.leader, members)
    headline = f"Topology snapshot: leader {printable(leader)}, epoch {snapshot.allocation_epoch:,}"
    return fragment(
        element("p", element("strong", headline)),
        _members(snapshot, members, owners),
        _types(owners, members),
        _services(snapshot, members),
    )


def _members(
    snapshot: TopologySnapshot, members: Mapping[NodeAddress, Member], owners: Mapping[str, Counter[NodeAddress]]
) -> Markup:
    owned: Counter[NodeAddress] = Counter()
    for counts in owners.values():
        owned.update(counts)
    rows = (
        (
            member.id,
            code(address),
            member.status.name,
            state("bad", "unreachable") if address in snapshot.unreachable else state("good", "not flagged"),
            "leader" if address == snapshot.leader else "",
            ", ".join(sorted(member.roles)),
            owned[address],
        )
        for address, member in members.items()
    )
    headings = ("node", "address", "status", "cluster's view", "leader", "roles", "shards")
    return table(many(len(members), "member"), headings, rows, len(members))


def _types(owners: Mapping[str, Counter[NodeAddress]], members: Mapping[NodeAddress, Member]) -> Markup:
    if not owners:
        return element("p", "No shards listed")
    rows = (
        (kind, owners[kind].total(), few(_shares(owners[kind], members), 20)) for kind in sorted(owners, key=natural)
    )
    return table(many(len(owners), "sharded type"), ("type", "listed", "on"), rows, len(owners))


def _shares(counts: Counter[NodeAddress], members: Mapping[NodeAddress, Member]) -> Iterator[str]:
    for address in sorted(counts, key=lambda address: (natural(name_of(address, members)), address)):
        yield f"{name_of(address, members)} ({counts[address]:,})"


def _services(snapshot: TopologySnapshot, members: Mapping[NodeAddress, Member]) -> Markup:
    if not snapshot.registry:
        return element("p", "No services registered")
    entries = sorted(snapshot.registry, key=lambda entry: (natural(entry.key), entry.node, entry.path))
    rows = ((entry.key, name_of(entry.node, members), code(entry.path)) for entry in entries)
    return table(many(len(entries), "service instance"), ("service", "node", "path"), rows, len(entries))
