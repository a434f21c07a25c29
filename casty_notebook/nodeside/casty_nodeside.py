"""Tells whoever asks what a node of casty 0.30 is doing: its active keys, their mailboxes, its counts and its log.

Copy this file to where your nodes import their modules from (it needs casty alone). casty imports it when casty_notebook asks for
``cluster.activations``; nothing has to be registered. It only reads: what `ActorSystem.stats()` and `activations()` say, and the
records of the logger ``casty``, from its first use on. Without anybody asking it does nothing.
"""

import logging
from collections import deque
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from casty import ActorSystem, Context, Ref, actor

FORMAT = 1
MOST_ROWS = 20_000
"""Keys in one report, of about 60 bytes each; casty sends no message beyond 4 MiB."""
KEPT = 1_000
"""Log records that are kept here."""
LONGEST = 500
"""Characters of a record's text."""

Row = tuple[str, str, float, int]
"""Type, key, since when (seconds since 1970), messages in its mailbox."""
Load = tuple[str, int, int, int]
"""Type, active keys, messages in their mailboxes, in the deepest of them."""
Line = tuple[int, float, str, str]
"""Number, seconds since 1970, level, text."""


@dataclass(frozen=True)
class Report:
    """One node at one moment. `rows` are the deepest mailboxes first, then the longest active; `left_out` are not among them."""

    format: int
    casty: str
    rows: tuple[Row, ...]
    left_out: int
    loads: tuple[Load, ...]
    asks: int
    writes: int
    writes_failed: int
    connections: int
    bytes_sent: int
    bytes_received: int
    log: tuple[Line, ...]


try:
    from casty import Askable
except ImportError:  # 0.30.0

    @dataclass(frozen=True)
    class Look:
        """Ask for a report: of so many keys at most, and of the log after a record's number."""

        reply_to: Ref[Report]
        most: int
        after: int

else:

    @dataclass(frozen=True)
    class Look(Askable[Report]):  # type: ignore[no-redef, misc]
        """Ask for a report: of so many keys at most, and of the log after a record's number."""

        most: int
        after: int


class Log(logging.Handler):
    """Keeps the last records. If no other handler takes them, they still go where they would without it: warnings to stderr."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[Line] = deque(maxlen=KEPT)
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._number += 1
        try:
            text = record.getMessage()
        except Exception as error:  # the record's own fault
            text = f"{record.msg} ({type(error).__name__})"
        self.lines.append((self._number, record.created, record.levelname, text[:LONGEST]))
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not self._is_read_elsewhere(record):
            last.handle(record)

    def _is_read_elsewhere(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False


log = Log()
logging.getLogger("casty").addHandler(log)

try:
    CASTY = version("casty")
except PackageNotFoundError:
    CASTY = ""


@actor(pinned=True, initial=None)  # type: ignore[untyped-decorator]
async def look(ctx: Context[None, Look]) -> None:
    """Answer with a report of the node that this runs on."""
    async for asked in ctx.inbox:
        asked.reply_to.tell(report(ctx.system, asked.most, asked.after))


def _is_own(actor: str) -> bool:
    return actor.startswith(f"{__name__}:")


def report(system: ActorSystem, most: int, after: int) -> Report:
    """What a system counts now."""
    stats = system.stats()
    active = [each for each in system.activations() if not _is_own(each.actor)]
    active.sort(key=lambda each: (-each.queued, each.since))
    shown = active[: max(0, min(most, MOST_ROWS))]
    return Report(
        FORMAT, CASTY,
        tuple((each.actor, each.key, each.since.timestamp(), each.queued) for each in shown),
        len(active) - len(shown),
        tuple((name, of.active, of.queued, of.deepest) for name, of in stats.actors.items() if not _is_own(name)),
        stats.asks_in_flight, stats.writes_confirmed, stats.writes_failed,
        stats.connections, stats.bytes_sent, stats.bytes_received,
        tuple(line for line in log.lines if line[0] > after),
    )  # fmt: skip
