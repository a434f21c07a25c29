"""What an event is called where people read it, who says so, and whether it is bad news."""

from __future__ import annotations

from typing import NamedTuple

from casty_notebook.topology.events import Change, TopologyEvent
from casty_notebook.topology.kinds import Kind

__all__ = ["EVENT_WORDS", "EventWords", "by_of", "is_bad_news", "name_of_event"]


class EventWords(NamedTuple):
    """`by` is whose word it is: the cluster's, its members' one by one, the nodes' helper's, or our connections' (``here``)."""

    words: str
    by: str
    tone: str = ""
    bad_after: tuple[str, ...] = ()
    """An event whose `after` is one of these is bad news."""
    ends: str = ""
    """The kind of event that ends it, of the same subject."""


EVENT_WORDS: dict[str, EventWords] = {
    Change.member_joined: EventWords("joined", "cluster", "good"),
    Change.member_status: EventWords("status changed", "cluster", bad_after=("down", "removed", "suspect", "dead")),
    Change.member_restarted: EventWords("restarted: another life of the node", "cluster", "bad"),
    Change.opinions_differ: EventWords("members do not say the same", "members", "bad", ends=Change.opinions_agree),
    Change.opinions_agree: EventWords("members say the same again", "members", "good"),
    Change.member_removed: EventWords("removed", "cluster", "bad"),
    # These two and the next two would be read as the same thing, so their words say whose view each is.
    Change.unreachable: EventWords("unreachable, says the cluster", "cluster", "bad", ends=Change.reachable_again),
    Change.reachable_again: EventWords("reachable again, says the cluster", "cluster", "good"),
    Change.lost: EventWords("connection from here is lost", "here", "bad", ends=Change.reached_again),
    Change.reached_again: EventWords("connection from here is back", "here", "good"),
    Change.leader_changed: EventWords("leader changed", "cluster"),
    Change.shards_moved: EventWords("shards moved", "cluster"),
    Change.shards_allocated: EventWords("shards allocated", "cluster"),
    Change.shards_freed: EventWords("shards without an owner", "cluster", "bad"),
    Change.service_added: EventWords("service instance added", "cluster"),
    Change.service_gone: EventWords("service instance gone", "cluster", "bad"),
    Change.activations_gone: EventWords("active keys went with their node", "node's helper"),
    Change.mailbox_grows: EventWords("mailbox grows", "node's helper", "bad", ends=Change.mailbox_falls),
    Change.mailbox_stands: EventWords("mailbox stands: nothing is taken out", "node's helper", "bad", ends=Change.mailbox_falls),
    Change.mailbox_falls: EventWords("mailbox falls", "node's helper", "good"),
    Change.node_warned: EventWords("node's log warns", "node's helper", "bad"),
}


OF_TYPES = {Change.service_added: "type met", Change.service_gone: "type not met any more"}
"""What these changes are called in clusters that find types by name and register no service instances."""


def by_of(event: TopologyEvent) -> str:
    """Whose word an event is: the names of those who say so, where they are known.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> by_of(TopologyEvent(datetime(2026, 1, 2, tzinfo=UTC), "lost", "node-1", "", ""))
    'here'
    >>> by_of(TopologyEvent(datetime(2026, 1, 2, tzinfo=UTC), "unreachable", "node-1", "", "", "node-2"))
    'node-2'
    """
    words = EVENT_WORDS.get(event.kind)
    return event.says or ("" if words is None else words.by)


def name_of_event(change: str, kind: Kind) -> str:
    """What a change is called in a kind of cluster.

    Examples
    --------
    >>> from casty_notebook.topology.kinds import SHARDED, VIRTUAL
    >>> name_of_event("shards_moved", SHARDED), name_of_event("shards_moved", VIRTUAL), name_of_event("of_later", SHARDED)
    ('shards moved', 'ring slices moved', 'of_later')
    >>> name_of_event("service_gone", SHARDED), name_of_event("service_gone", VIRTUAL)
    ('service instance gone', 'type not met any more')
    """
    words = EVENT_WORDS.get(change)
    if words is None:
        return change
    if kind.finds_types and (of_types := OF_TYPES.get(Change(change))) is not None:
        return of_types
    return words.words.replace("shards", kind.placements)


def is_bad_news(event: TopologyEvent) -> bool:
    """Whether an event tells of trouble."""
    words = EVENT_WORDS.get(event.kind)
    return words is not None and (words.tone == "bad" or event.after in words.bad_after)
