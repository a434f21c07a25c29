"""Reports of the helper that may lie on the nodes (`nodeside/casty_nodeside.py`), read within bounds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.errors import UndecodableMessage
from casty_notebook.topology.node_report import HELPER, Activation, LogLine, NodeReport, TypeLoad
from casty_notebook.values.short_repr import brief
from casty_notebook.values.standin import StandIn, StandInClass, parts

__all__ = ["look", "read_report"]

FORMAT = 1
MOST_ROWS = 20_000
MOST_TYPES = 10_000
MOST_LINES = 10_000
LONGEST = 10_000
"""Characters of a name or a key."""
LONGEST_LINE = 1_000
"""Characters of a record of the log, of which thousands are kept; the helper cuts them at half of that."""
LARGEST = 2**53
"""Largest count that is read. Counts are added up and shown by JavaScript, whose integers are exact up to this one."""


def look(most: int, after: int) -> StandIn:
    """The question to the helper: name `most` keys at most, and the log records after number `after`."""
    return StandInClass(HELPER.partition(":")[0], "Look")(most=most, after=after)


def read_report(address: NodeAddress, answer: Any) -> NodeReport:
    """What the helper answered.

    Raises
    ------
    UndecodableMessage
        For an answer of another form or beyond the bounds; says what to do about another version of the file.
    """
    try:
        if type(answer) is not StandIn or _number(answer.format) != FORMAT:
            raise ValueError
        return NodeReport(
            address, _text(answer.casty), _rows(answer.rows, _activation, MOST_ROWS), _number(answer.left_out),
            _rows(answer.loads, _load, MOST_TYPES), _number(answer.asks), _number(answer.writes),
            _number(answer.writes_failed), _number(answer.connections), _number(answer.bytes_sent),
            _number(answer.bytes_received), _rows(answer.log, _line, MOST_LINES),
        )  # fmt: skip
    except (AttributeError, ValueError, TypeError, OverflowError, OSError):
        # Never the whole answer, which may be megabytes.
        said = f"a {parts(answer)[0].dotted} of another form" if type(answer) is StandIn else brief(answer)
        raise UndecodableMessage(
            f"{HELPER} on {address} answered {said}: copy casty_nodeside.py of this casty_notebook to the nodes"
        ) from None


def _rows[T](rows: Any, read: Callable[[Any], T], most: int) -> tuple[T, ...]:
    if type(rows) is not tuple or len(rows) > most:
        raise ValueError
    return tuple([read(row) for row in rows])


def _activation(row: Any) -> Activation:
    actor, key, since, queued = row
    return Activation(_text(actor), _text(key), _moment(since), _number(queued))


def _load(row: Any) -> TypeLoad:
    actor, active, queued, deepest = row
    return TypeLoad(_text(actor), _number(active), _number(queued), _number(deepest))


def _line(row: Any) -> LogLine:
    number, time, level, text = row
    return LogLine(_number(number), _moment(time), _text(level, LONGEST_LINE), _text(text, LONGEST_LINE))


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise ValueError
    return value


def _text(value: Any, longest: int = LONGEST) -> str:
    if type(value) is not str or len(value) > longest:
        raise ValueError
    return value


def _moment(value: Any) -> datetime:
    if type(value) not in (int, float):
        raise ValueError
    return datetime.fromtimestamp(value, UTC)
