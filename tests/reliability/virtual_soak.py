"""``python -m tests.reliability.virtual_soak [MINUTES] [SEED]``: casty 0.30 broken at random under load, with books that balance.

Every ask adds a digit of its own to a counter (see `ledger`), so that a count tells which of them it holds. What is checked:

* no ask or tell ran twice, since what may have run is never sent again by us;
* every ask that was answered is still counted, as long as two nodes live on that were well at the time and so may hold it. An
  actor's state is in the memory of three nodes only; what is lost with them is the cluster's affair, and counted apart;
* every failed ask failed with one of our errors, with a reason, within its time; none failed while nothing was broken;
* in the end nothing is pending, and no task or file descriptor is left.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import psutil

from casty_notebook import VirtualClient
from casty_notebook.backends.virtual.session.ring import NodeId
from casty_notebook.errors import AskFailed, Overloaded
from tests.backends.virtual.cluster import VirtualCluster
from tests.backends.virtual.messages import Add, Get

__all__ = ["VirtualSoak", "main"]

COUNTER = "shop.actors:counter"
WORKERS = 16
DIGITS = 30
"""Asks of one key: its count has to stay below 2^63."""
PAUSE = 0.1
ASK_TIMEOUT = 4.0
LATE = 1.0
"""Seconds by which an answer may be late on a busy machine."""
AGREED = 40.0
"""Seconds for the members to agree again: 10 with their default periods, more on a busy machine."""
CALM = 3.0
MAJORITY = 2
"""Of the three nodes that keep a key: so many have what was confirmed."""


@dataclass
class Book:
    """One key: digit n is of the n-th ask or tell."""

    key: str
    next: int = 0
    sent: int = 0
    confirmed: int = 0
    """Digits of asks that were answered, or that an answer has shown."""
    lives: frozenset[NodeId] = frozenset()
    """The nodes that were well when it was last confirmed."""

    def digit(self) -> int:
        amount: int = 4**self.next
        self.next += 1
        self.sent |= amount
        return amount


class VirtualSoak:
    """One run. `violations` is the verdict: empty is good."""

    def __init__(self, seconds: float, seed: int, say: Callable[[str], None] = print) -> None:
        self.seconds = seconds
        self.plan = random.Random(seed)
        self.violations: list[str] = []
        self.faults: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.asks = self.tells = self.forgotten = 0
        self.books: list[Book] = []
        self._say = say
        self._broken = 0
        self._breaking: int | None = None
        """The port of the node that is broken now, and gets nothing that is confirmed meanwhile."""
        self._fault = "none yet"
        self._healed_at = float("-inf")

    # --- the whole -------------------------------------------------------------------------------------------------

    async def run(self) -> bool:
        """Break, load, mend, check. Returns True if nothing was violated."""
        files = psutil.Process().num_fds()
        with VirtualCluster() as self.cluster:
            files = psutil.Process().num_fds()
            self.client = VirtualClient(contact_points=self.cluster.contacts, cluster_name="shop")
            async with self.client:
                await self.client.ask(f"{COUNTER}/first", Get, force=True)
                self._end = monotonic() + self.seconds
                workers = [asyncio.create_task(self._work(number)) for number in range(WORKERS)]
                try:
                    await self._break_things()
                    await asyncio.gather(*workers)
                    await self._check_the_books()
                finally:
                    for task in workers:
                        task.cancel()
                    await asyncio.gather(*workers, return_exceptions=True)
                if self.client._pump is not None and self.client._pump.futures:
                    self._accuse(f"{len(self.client._pump.futures)} asks are pending in the end")
            await asyncio.sleep(0.2)
            if (left := len(asyncio.all_tasks())) > 1:
                self._accuse(f"{left - 1} tasks are left")
            # The processes of restarted nodes have two pipes each, as those had that they replace.
            if (more := psutil.Process().num_fds() - files) > 0:
                self._accuse(f"{more} file descriptors are left")
        return not self.violations

    def _accuse(self, text: str) -> None:
        self.violations.append(text)
        if len(self.violations) <= 50:
            self._say(f"  VIOLATION {text}")

    # --- load ------------------------------------------------------------------------------------------------------

    async def _work(self, number: int) -> None:
        generation = 0
        book = self._open_book(number, generation)
        while monotonic() < self._end:
            if book.next >= DIGITS:
                generation += 1
                book = self._open_book(number, generation)
            if book.next % 5 == 4:
                self._tell(book)
            else:
                await self._add(book)
            await asyncio.sleep(PAUSE)

    def _open_book(self, number: int, generation: int) -> Book:
        book = Book(f"{COUNTER}/soak-{number}-{generation}")
        self.books.append(book)
        return book

    def _tell(self, book: Book) -> None:
        self.tells += 1
        try:
            self.client.tell(book.key, Add(book.digit()), force=True)
        except Overloaded:
            self.failures["Overloaded"] += 1

    async def _add(self, book: Book) -> None:
        digit = book.digit()
        count = await self._ask(book, Add(digit))
        if count is not None:
            self._read(book, count)
            if not count & digit:
                self._accuse(f"{book.key} answered {count:x}, which lacks the digit just added")

    async def _ask(self, book: Book, message: object) -> int | None:
        started, calm = monotonic(), self._is_calm()
        self.asks += 1
        try:
            count: int = await self.client.ask(book.key, message, timeout=ASK_TIMEOUT, force=True)
            return count
        except AskFailed as error:
            self.failures[type(error).__name__] += 1
            if not (error.report.cause and error.report.advice):
                self._accuse(f"a failure without cause or advice: {error}")
            # Plain AskFailed is a node's own answer: it could not settle the state with the others.
            if calm and self._is_calm() and type(error) is not AskFailed:
                self._accuse(f"an ask failed though nothing was broken: {error}")
        except Exception as error:
            self._accuse(f"an ask ended with {error!r}")
        finally:
            if (took := monotonic() - started) > ASK_TIMEOUT + LATE:
                self._accuse(f"an ask to {book.key} took {took:.1f} s, its timeout was {ASK_TIMEOUT:g} s")
        return None

    def _read(self, book: Book, count: int) -> None:
        doubled = count & int("10" * (DIGITS + 1), 2)
        if doubled or count & ~book.sent:
            self._accuse(f"{book.key} holds {count:x}: digits that ran twice or were never sent (sent {book.sent:x})")
            return
        members = self.client.members.members if self.client.members is not None else ()
        if lost := book.confirmed & ~count:
            if len(book.lives & {member.id for member in members}) >= MAJORITY:
                when = "meanwhile" if self._broken else f"{monotonic() - self._healed_at:.1f} s before"
                self._accuse(f"{book.key} lost what it had confirmed: {lost:x} of {book.confirmed:x}; {self._fault} {when}")
            self.forgotten += lost.bit_count()
            book.confirmed = 0
        book.confirmed |= count
        book.lives = frozenset(member.id for member in members if member.address.port != self._breaking)

    # --- faults ----------------------------------------------------------------------------------------------------

    def _is_calm(self) -> bool:
        return not self._broken and monotonic() - self._healed_at > CALM

    async def _break_things(self) -> None:
        faults: list[tuple[int, Callable[[int], Awaitable[None]]]] = [
            (4, self._kill), (2, self._stop), (3, self._freeze_briefly), (2, self._freeze_for_long), (2, self._cut),
        ]  # fmt: skip
        weights = [weight for weight, _ in faults]
        await asyncio.sleep(min(CALM + 1, self.seconds / 5))
        while monotonic() < self._end - 1.0:
            ((_, fault),) = self.plan.choices(faults, weights)
            self.faults[fault.__name__.strip("_")] += 1
            self._broken += 1
            self._breaking = self.plan.choice(self.cluster.ports)
            self._fault = f"{fault.__name__.strip('_')} of {self._breaking}"
            try:
                await fault(self._breaking)
                await self._agreed()
            finally:
                self._broken -= 1
                self._breaking = None
                self._healed_at = monotonic()
            await asyncio.sleep(self.plan.choice([0.2, 1.0, CALM + 2.0]))

    async def _kill(self, port: int) -> None:
        self.cluster.kill(port)
        await asyncio.sleep(self.plan.choice([0.1, 3.0, 12.0]))
        await asyncio.to_thread(self.cluster.restart, port)

    async def _stop(self, port: int) -> None:
        await asyncio.to_thread(self.cluster.stop, port)
        await asyncio.sleep(self.plan.choice([0.1, 3.0]))
        await asyncio.to_thread(self.cluster.restart, port)

    async def _freeze_briefly(self, port: int) -> None:
        await self._freeze(port, self.plan.uniform(0.5, 3.0))

    async def _freeze_for_long(self, port: int) -> None:
        await self._freeze(port, self.plan.uniform(6.0, 14.0))

    async def _freeze(self, port: int, seconds: float) -> None:
        self.cluster.freeze(port)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.cluster.thaw(port)

    async def _cut(self, port: int) -> None:
        """Our own connection to a node breaks; the cluster notices nothing."""
        pump = self.client._pump
        assert pump is not None
        for link in list(pump._links.values()):
            if link.dialled.port == port and link._transport is not None:
                link._transport.abort()
        await asyncio.sleep(0.1)

    async def _agreed(self) -> None:
        """All nodes alive in the eyes of all, and reached by us."""
        began = monotonic()
        while monotonic() - began < AGREED:
            members = self.client.members
            if (
                members is not None
                and {each.address.port for each in members.members} == set(self.cluster.ports)
                and all(set(each.opinions.values()) == {"alive"} for each in members.members)
                and all(health.reachable for health in self.client.health.values())
            ):
                return
            await asyncio.sleep(0.1)
        self._accuse(f"the members do not agree {AGREED:g} s after the fault: {self.client.members}")

    async def _check_the_books(self) -> None:
        await self._agreed()
        await self.client.drain()
        for book in self.books:
            count = await self._ask(book, Get())
            if count is None:
                self._accuse(f"{book.key} does not answer in the end")
            else:
                self._read(book, count)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and print the verdict."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.virtual_soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=10.0)
    parser.add_argument("seed", nargs="?", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    soak = VirtualSoak(options.minutes * 60, options.seed)
    good = asyncio.run(soak.run())
    print(f"faults: {dict(soak.faults)}\n{soak.asks:,} asks, {soak.tells:,} tells; failures: {dict(soak.failures)}")
    confirmed = sum(book.confirmed.bit_count() for book in soak.books)
    print(f"{confirmed:,} confirmed in {len(soak.books)} keys, {soak.forgotten:,} gone with nodes that were started anew")
    print(f"counters of ours: {dict(soak.client.counters)}")
    print("good" if good else f"{len(soak.violations)} violations")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
