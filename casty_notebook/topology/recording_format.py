"""A history as a tree of plain values, and back: everything that occurs more than once is listed once and referred to.

The tree is what a file holds. Reading one believes nothing: every number is checked against its bounds, every name of a
status or kind against the closed list, and nothing is imported or called.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from casty_notebook.address import NodeAddress, check_host, check_port
from casty_notebook.errors import InvalidAddress, InvalidRecording
from casty_notebook.topology.events import Change, TopologyEvent
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.history import MAX_EVENTS, MAX_MOMENTS, History
from casty_notebook.topology.kinds import KINDS, SHARDED
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.shard_columns import ShardColumn, code_type, column_of
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot

__all__ = ["VERSION", "Label", "read_history", "write_history"]

VERSION = 2
"""Version 1 knew sharded clusters only; it is read as such."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WORD = 2**63 - 1
_LONGEST_TEXT = 65_536
_LAST = datetime(2200, 1, 1, tzinfo=UTC)
"""No clock has shown a time outside these, and every one inside can be written in any zone."""
_LONGEST_RTT = 1e6
_MAX_SHARDS = 1_000_000
"""Shards of one moment, ten times those of the largest cluster that the views are made for."""
_MAX_COLUMNS = 5_000_000
"""Shards of all columns, which moments share: about 100 MB once they are read."""


@dataclass(frozen=True, slots=True)
class Label:
    """Where a history comes from."""

    name: str
    system: str
    uri: str
    shard_counts: Mapping[str, int] = field(default_factory=dict)


# --- writing --------------------------------------------------------------------------------------------------------------


class _Pool:
    """Values in the order in which they were first needed, each with its number."""

    def __init__(self, write: Callable[[Any], Any]) -> None:
        self._write = write
        self._places: dict[Hashable, int] = {}
        self.written: list[Any] = []

    def __getitem__(self, value: Any) -> int:
        return self.place(value, value)

    def place(self, key: Hashable, value: Any) -> int:
        place = self._places.get(key)
        if place is None:
            written = self._write(value)  # May number values of this very pool.
            place = self._places[key] = len(self.written)
            self.written.append(written)
        return place


def write_history(history: History, label: Label) -> dict[str, Any]:
    """Return the tree. Text that is no Unicode, which a peer can send, loses what cannot be written."""
    nodes = _Pool(lambda node: [_text(node.host), node.port])
    members = _Pool(
        lambda each: [
            nodes[each.address], each.status.name, sorted(map(_text, each.roles)), _text(each.id), _text(each.incarnation),
            [[nodes[who], status.name] for who, status in each.opinions], each.share, each.replica_share,
        ]
    )
    placements = _Pool(lambda each: [nodes[each.primary], *(nodes[node] for node in each.replicas)])
    services = _Pool(lambda each: [_text(each.key), nodes[each.node], _text(each.path)])
    columns = _Pool(lambda column: _write_column(column, placements))
    events = tuple(history.events)
    records = [
        {
            "time": _micros(moment.time),
            "kind": moment.snapshot.kind.name,
            "members": sorted(members[each] for each in moment.snapshot.members),
            "leader": None if moment.snapshot.leader is None else nodes[moment.snapshot.leader],
            "shards": {_text(name): columns.place(id(each), each) for name, each in moment.snapshot.columns.items()},
            "epoch": max(min(moment.snapshot.allocation_epoch, _WORD), -_WORD),
            "unreachable": sorted(nodes[node] for node in moment.snapshot.unreachable),
            "services": sorted(services[each] for each in moment.snapshot.registry),
            "health": [[nodes[node], view.state.value, _text(view.reason), view.rtt] for node, view in moment.health.items()],
        }
        for moment in history.moments
    ]
    return {
        "version": VERSION,
        "label": {
            "name": _text(label.name), "system": _text(label.system), "uri": _text(label.uri),
            "shard_counts": {_text(name): count for name, count in label.shard_counts.items()},
        },
        "nodes": nodes.written, "members": members.written, "placements": placements.written,
        "services": services.written, "columns": columns.written, "records": records,
        "events": [
            [_micros(event.time), event.kind, *map(_text, (event.subject, event.before, event.after))] for event in events
        ],
        # Beside them: a reader of before this was written takes an event of six for a damaged one.
        "says": [_text(event.says) for event in events],
    }  # fmt: skip


def _write_column(column: ShardColumn, placements: _Pool) -> dict[str, Any]:
    places = [placements[each] for each in column.placements]
    dense = isinstance(column.ids, range) and len(column.ids) > 0
    return {
        "count": len(column.codes),
        "first": column.ids[0] if dense else None,
        "ids": None if dense else _bytes(array("q", column.ids)),
        "codes": _bytes(array("I", map(places.__getitem__, column.codes))),
    }


def _bytes(numbers: array[int]) -> bytes:
    """Little-endian on every machine."""
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _text(text: str) -> str:
    return text[:_LONGEST_TEXT] if text.isascii() else text[:_LONGEST_TEXT].encode("utf-8", "backslashreplace").decode()


# --- reading --------------------------------------------------------------------------------------------------------------


def read_history(tree: Any) -> tuple[History, Label]:
    """Return what `write_history` was given.

    Raises
    ------
    InvalidRecording
        Says what is wrong, and where.
    """
    try:
        if not isinstance(tree, dict) or "version" not in tree:
            raise InvalidRecording("it is not a recording of casty_notebook")
        if tree["version"] not in (1, VERSION):
            raise InvalidRecording(
                f"it is of version {tree['version']!r:.40}; this casty_notebook reads versions 1 and {VERSION}. "
                "Read it with the casty_notebook that wrote it, or a newer one"
            )
        return _Reader(tree).history(), _label(tree["label"])
    except InvalidAddress as error:
        raise InvalidRecording(f"an address in it cannot be: {error}") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, InvalidRecording):
            raise
        raise InvalidRecording(f"it is damaged ({type(error).__name__}: {str(error)[:200]})") from None


class _Reader:
    """Reads the lists that everything refers to first."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self._tree = tree
        self._nodes = [NodeAddress(check_host(_str(host)), check_port(port)) for host, port in tree["nodes"]]
        self._members = [self._member(*each) for each in tree["members"]]
        self._placements = [
            ShardAllocation(self._node(owner), tuple(map(self._node, copies))) for owner, *copies in tree["placements"]
        ]
        self._services = [ServiceEntry(_str(key), self._node(node), _str(path)) for key, node, path in tree["services"]]
        self._check_columns(tree["columns"])
        self._columns: list[Mapping[int, ShardAllocation]] = [self._column(each) for each in tree["columns"]]

    def _member(
        self, node: Any, status: Any, roles: Any, name: Any, incarnation: Any = "", opinions: Any = (), share: Any = None,
        replica_share: Any = None,
    ) -> Member:  # fmt: skip
        said = tuple((self._node(who), MemberStatus[_str(what)]) for who, what in opinions)
        return Member(
            self._node(node), MemberStatus[_str(status)], frozenset(map(_str, roles)), _str(name), _str(incarnation), said,
            _share(share), _share(replica_share),
        )  # fmt: skip

    @staticmethod
    def _check_columns(columns: list[Mapping[str, Any]]) -> None:
        """Before anything is built: a column of millions is a few bytes in a compressed file."""
        counts = [_count(each["count"]) for each in columns]
        if max(counts, default=0) > _MAX_SHARDS or sum(counts) > _MAX_COLUMNS:
            raise InvalidRecording(
                f"it lists {sum(counts):,} shards; at most {_MAX_COLUMNS:,} are read, and {_MAX_SHARDS:,} of one type"
            )

    def history(self) -> History:
        if len(self._tree["records"]) > MAX_MOMENTS or len(self._tree["events"]) > MAX_EVENTS:
            raise InvalidRecording(f"it has more than {MAX_MOMENTS:,} moments, or {MAX_EVENTS:,} events")
        moments = [self._moment(each) for each in self._tree["records"]]
        if any(later.time < earlier.time for earlier, later in pairwise(moments)):
            raise InvalidRecording("its moments are not in order of time")
        events = self._tree["events"]
        says = self._tree.get("says", [""] * len(events))
        return History.restored(moments, (_event(*each) for each in zip(events, says, strict=True)))

    def _node(self, place: Any) -> NodeAddress:
        return _item(self._nodes, place)

    def _column(self, tree: Mapping[str, Any]) -> ShardColumn:
        count, first = _count(tree["count"]), tree["first"]
        codes = _numbers("I", tree["codes"], count)
        if codes and max(codes) >= len(self._placements):
            raise InvalidRecording(f"it names placement {max(codes)} of {len(self._placements)}")
        used = dict.fromkeys(codes)
        places = {code: place for place, code in enumerate(used)}
        narrow = array(code_type(len(places)), map(places.__getitem__, codes))
        ids = _numbers("q", tree["ids"], count) if first is None else range(_int(first), _int(first) + count)
        if first is None and len(set(ids)) != count:
            raise InvalidRecording("it lists a shard twice")
        return column_of(ids, narrow, tuple(self._placements[code] for code in used))

    def _moment(self, tree: Mapping[str, Any]) -> Moment:
        snapshot = TopologySnapshot(
            frozenset(_item(self._members, place) for place in tree["members"]),
            None if tree["leader"] is None else self._node(tree["leader"]),
            {_str(name): _item(self._columns, place) for name, place in tree["shards"].items()},
            _int(tree["epoch"]),
            frozenset(map(self._node, tree["unreachable"])),
            frozenset(_item(self._services, place) for place in tree["services"]),
            KINDS[_str(tree.get("kind", SHARDED.name))],
        )
        if snapshot.shard_count > _MAX_SHARDS:
            raise InvalidRecording(f"a moment of it has {snapshot.shard_count:,} shards; at most {_MAX_SHARDS:,} are read")
        health = {
            self._node(node): NodeHealth(LinkState(state), _seconds(rtt), _str(reason))
            for node, state, reason, rtt in tree["health"]
        }
        return Moment(_time(tree["time"]), snapshot, health)


def _event(tree: Iterable[Any], says: Any) -> TopologyEvent:
    time, kind, subject, before, after = tree
    return TopologyEvent(_time(time), Change(kind).value, _str(subject), _str(before), _str(after), _str(says))


def _label(tree: Mapping[str, Any]) -> Label:
    counts = {_str(name): _count(count) for name, count in tree["shard_counts"].items()}
    return Label(_str(tree["name"]), _str(tree["system"]), _str(tree["uri"]), counts)


def _numbers(kind: str, data: Any, count: int) -> array[int]:
    numbers: array[int] = array(kind)
    if not isinstance(data, bytes) or len(data) != count * numbers.itemsize:
        raise InvalidRecording(f"a list of {count:,} shards does not have that length")
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _item[T](values: list[T], place: Any) -> T:
    """A negative place would count from the end."""
    return values[_count(place)]


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _WORD + 1:
        raise InvalidRecording(f"{value!r:.40} is not a number that can be there")
    return value


def _count(value: Any) -> int:
    if _int(value) < 0:
        raise InvalidRecording(f"{value!r:.40} is below 0")
    return int(value)


def _str(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 6 * _LONGEST_TEXT:
        raise InvalidRecording(f"{value!r:.40} is not a text that can be there")
    return value


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value <= _LONGEST_RTT:
        raise InvalidRecording(f"{value!r:.40} is not a round trip")
    return float(value)


def _share(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidRecording(f"{value!r:.40} is not a part of a ring")
    return float(value)


def _time(value: Any) -> datetime:
    time = _EPOCH + timedelta(microseconds=_int(value))
    if not _EPOCH <= time <= _LAST:
        raise InvalidRecording(f"{time:%Y-%m-%d} is not a time at which a cluster was looked at")
    return time
