"""A steady load of asks, and what became of each."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from casty_notebook.errors import AskFailed
from tests.reliability.clients import Observer
from tests.reliability.outcomes import NEVER

__all__ = ["Load", "Sample", "place_entities"]

PLACED_WITHIN = 1.0
"""Seconds from the detection of a death until the shards of the dead are placed: one question of ours, and its answer."""

type Choice = Callable[["Sample"], bool]


@dataclass(slots=True)
class Sample:
    """One ask. `home` is the node that had answered for the entity last when this ask was made."""

    entity: str
    home: str
    started: float
    ended: float = NEVER
    node: str | None = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        return self.node is not None

    @property
    def took(self) -> float:
        return self.ended - self.started

    @property
    def gone_to(self) -> str | None:
        """The node that it had left for when it failed, as far as the client says."""
        return self.error.report.owner if isinstance(self.error, AskFailed) and self.had_left else None

    @property
    def had_left(self) -> bool:
        """Its node may have got it, as far as the client says: the other one never does."""
        return isinstance(self.error, AskFailed) and self.error.report.may_have_run


async def place_entities(
    observer: Observer, nodes: Iterable[str], *, each: int = 4, shard_type: str = "counter", timeout: float = 20.0
) -> dict[str, str]:
    """Ask entities into life until each node has `each` of them. Returns entity -> node."""
    wanted = dict.fromkeys(nodes, each)
    found: dict[str, str] = {}
    async with asyncio.timeout(timeout):
        for number in itertools.count():
            entity = f"{shard_type}/e-{number}"
            node = (await observer.ask(entity, timeout)).node
            if wanted.get(node, 0) > 0:
                wanted[node] -= 1
                found[entity] = node
            if not any(wanted.values()):
                return found
    raise AssertionError("unreachable")


class Load:
    """Asks the entities in turn, `rate` times a second, each within `timeout`, whether or not earlier ones have ended."""

    def __init__(self, observer: Observer, homes: dict[str, str], *, rate: float = 50.0, timeout: float = 2.0) -> None:
        self.samples: list[Sample] = []
        self.homes = dict(homes)
        self._observer = observer
        self._rate = rate
        self._timeout = timeout
        self._asks: set[asyncio.Task[None]] = set()
        self._driver: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._driver = asyncio.create_task(self._drive())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._driver is not None
        self._driver.cancel()
        # Every ask made gets its verdict: cut short, the last ones would count as failed.
        await asyncio.gather(self._driver, *self._asks, return_exceptions=True)

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for entity in itertools.cycle(list(self.homes)):
            task = loop.create_task(self._ask(entity))
            self._asks.add(task)
            task.add_done_callback(self._asks.discard)
            # Behind schedule (a busy machine) the rest is not asked in a burst.
            due = max(due + 1.0 / self._rate, loop.time() - 0.1)
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _ask(self, entity: str) -> None:
        loop = asyncio.get_running_loop()
        sample = Sample(entity, self.homes[entity], loop.time())
        self.samples.append(sample)
        try:
            sample.node = (await self._observer.ask(entity, self._timeout)).node
            self.homes[entity] = sample.node
        except Exception as error:
            sample.error = error
        sample.ended = loop.time()

    # --- what became of it -------------------------------------------------------------------------------------

    @property
    def errors(self) -> list[BaseException]:
        return [sample.error for sample in self.samples if sample.error is not None]

    def of(self, *homes: str, since: float = 0.0) -> list[Sample]:
        """The asks to entities of these nodes, that were under way at `since` or made later."""
        return [s for s in self.samples if s.ended >= since and (not homes or s.home in homes)]

    @staticmethod
    def failed(samples: Iterable[Sample]) -> list[Sample]:
        return [sample for sample in samples if not sample.ok]

    @staticmethod
    def lost(samples: Iterable[Sample], timeout: float, detected: float) -> list[Sample]:
        """Those that failed without having left, though their shard got a living owner within their `timeout`.

        Until the cluster has `detected` the death nobody can place the shard; it is done soon after.
        """
        return [
            s for s in samples
            if not s.ok and not s.had_left and not (s.took >= timeout and s.ended < detected + PLACED_WITHIN)
        ]  # fmt: skip

    @staticmethod
    def gap(samples: Iterable[Sample], start: float, end: float) -> float:
        """The longest time without a successful ask between `start` and `end`."""
        times = sorted(s.ended for s in samples if s.ok and start <= s.ended <= end)
        marks = [start, *times, end]
        return max(after - before for before, after in itertools.pairwise(marks))

    @staticmethod
    def recovery(samples: Iterable[Sample], since: float) -> float:
        """Seconds from `since` to the first answer after which no ask fails any more; NEVER if the last ones fail."""
        ordered = sorted(samples, key=lambda sample: sample.started)
        last_failed = max((place for place, sample in enumerate(ordered) if not sample.ok), default=-1)
        well = [sample.ended for sample in ordered[last_failed + 1 :]]
        well = [ended for ended in well if ended >= since]
        return min(well) - since if well else NEVER
