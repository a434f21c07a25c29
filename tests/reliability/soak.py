"""``./dev soak MINUTES``: a cluster broken at random under load, with books that must balance in the end.

What is checked, all of it at least once a second and again at the end:

* every tell that an ask has found in a counter is still there, exactly once, as long as that process lives; none is in
  two counters, none that the client refused is in any (see `ledger`);
* every failed ask failed with one of our errors, with a reason, and within its time;
* none failed while nothing was broken and nothing had been for a while;
* in the end every entity answers, nothing is pending, and the client leaves no task, thread or file descriptor.

What dies with a node, and what was on its way to one, may be lost: that much the protocol cannot prevent
(PROTOCOL section 9, "Delivery"). It is counted and printed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import random
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import psutil

from casty_notebook import ClusterClient, ShardEnvelope
from casty_notebook.demo import messages
from casty_notebook.demo.messages import GetCount, Increment, WhereAreYou
from casty_notebook.errors import AskFailed, Overloaded
from tests.reliability.clusters import cluster
from tests.reliability.ledger import Ledger
from tests.reliability.taps import Tap

__all__ = ["Soak", "main"]

SYSTEM = "demo"
ENTITIES = 24
ROUNDS_A_SECOND = 8.0
ASK_TIMEOUT = 2.0
CALM = 6.0
"""Seconds after a fault has healed for which failures are still put down to it: the cluster takes 3 s to notice."""


class Soak:
    """One run. `violations` is the verdict: empty is good."""

    def __init__(self, seconds: float, seed: int, say: Callable[[str], None] = print) -> None:
        self.seconds = seconds
        self.random = random.Random(seed)
        self.plan = random.Random(seed)
        """Decides what is broken, when and for how long. The load does not draw from it: a seed always gives the same faults."""
        self.violations: list[str] = []
        self.faults: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.asks = 0
        self.ledgers: list[Ledger] = []
        self._say = say
        self._broken = 0
        self._healed_at = float("-inf")
        self._taps: dict[tuple[str, int], Tap] = {}

    # --- the whole -------------------------------------------------------------------------------------------------

    async def run(self) -> bool:
        """Break, load, mend, check. Returns True if nothing was violated."""
        loop = asyncio.get_running_loop()
        before = _footprint()
        async with cluster(3) as self.demo, AsyncExitStack() as stack:
            for node in self.demo.nodes:
                self._taps[node.address] = await stack.enter_async_context(Tap(node.address, keep=False))
            self.client = await self._new_client()
            self._end = loop.time() + self.seconds
            workers = [asyncio.create_task(self._work(number)) for number in range(ENTITIES)]
            progress = asyncio.create_task(self._report_progress())
            try:
                await self._break_things()
                await asyncio.gather(*workers)
                await self._mend()
                await self._check_the_books()
            finally:
                for task in (*workers, progress):
                    task.cancel()
                await asyncio.gather(*workers, progress, return_exceptions=True)
                await self.client.__aexit__()
        await asyncio.sleep(0.2)
        self._check_footprint(before)
        for ledger in self.ledgers:
            self.violations.extend(ledger.violations)
        return not self.violations

    async def _new_client(self) -> ClusterClient:
        client = ClusterClient(
            contact_points=[node.address for node in self.demo.nodes], system_name=SYSTEM, messages=[messages],
            address_map=lambda node: self._taps[node].address,
        )  # fmt: skip
        return await client.__aenter__()

    def _accuse(self, text: str) -> None:
        if len(self.violations) < 50:
            self.violations.append(text)
            self._say(f"  VIOLATION {text}")

    # --- load ------------------------------------------------------------------------------------------------------

    async def _work(self, number: int) -> None:
        """Tell and confirm, tell and confirm."""
        loop = asyncio.get_running_loop()
        ledger = self._open_ledger(number, 0)
        generation = 0
        while loop.time() < self._end:
            if ledger.full:
                generation += 1
                ledger = self._open_ledger(number, generation)
            await self._round(ledger)
            await asyncio.sleep(self.random.uniform(0.5, 1.5) / ROUNDS_A_SECOND)

    def _open_ledger(self, number: int, generation: int) -> Ledger:
        ledger = Ledger(f"soak-{number}-{generation}")
        self.ledgers.append(ledger)
        return ledger

    async def _round(self, ledger: Ledger) -> None:
        client = self.client
        counter = client.entity_ref("counter", 100)
        for _ in range(self.random.randint(1, 3)):
            if client is not self.client or ledger.full:
                break
            amount = ledger.tell()
            try:
                counter.tell(ShardEnvelope(ledger.entity, Increment(amount)))
            except Overloaded:
                ledger.refuse(amount)
        # The count belongs to the process that says where it is both before and after.
        results = await asyncio.gather(
            self._ask(client, ledger.entity, WhereAreYou), self._ask(client, ledger.entity, GetCount),
            self._ask(client, ledger.entity, WhereAreYou),
        )  # fmt: skip
        first, count, last = results
        if first is not None and count is not None and last is not None and first.pid == last.pid:
            ledger.observe(first.pid, count)

    async def _ask(self, client: ClusterClient, entity: str, question: Callable[..., object]) -> Any:
        loop = asyncio.get_running_loop()
        started = loop.time()
        calm = self._is_calm(started)
        self.asks += 1
        try:
            counter = client.entity_ref("counter", 100)
            return await client.ask(counter, lambda r: ShardEnvelope(entity, question(r)), timeout=ASK_TIMEOUT)
        except AskFailed as error:
            self.failures[type(error).__name__] += 1
            if not (error.report.cause and error.report.advice):
                self._accuse(f"a failure without cause or advice: {error}")
            if calm and self._is_calm(loop.time()):
                self._accuse(f"an ask failed though nothing was broken: {error}")
        except Exception as error:
            self._accuse(f"an ask ended with {error!r}")
        finally:
            took = loop.time() - started
            # Half a second is for a machine that does something else just now.
            if took > ASK_TIMEOUT + 0.5:
                self._accuse(f"an ask to {entity} took {took:.1f} s, its timeout was {ASK_TIMEOUT:g} s")
        return None

    # --- faults ----------------------------------------------------------------------------------------------------

    def _is_calm(self, now: float) -> bool:
        return not self._broken and now - self._healed_at > CALM

    async def _break_things(self) -> None:
        loop = asyncio.get_running_loop()
        faults: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (4, self._kill), (2, self._kill_two), (4, self._freeze), (4, self._cut), (3, self._cut_inside_a_frame),
            (2, self._go_half_open), (1, self._cut_again_and_again), (1, self._restart_client),
        ]  # fmt: skip
        weights = [weight for weight, _ in faults]
        await asyncio.sleep(min(2.0, self.seconds / 10))
        while loop.time() < self._end - 1.0:
            ((_, fault),) = self.plan.choices(faults, weights)
            self.faults[fault.__name__.strip("_")] += 1
            self._broken += 1
            try:
                await fault()
            finally:
                self._broken -= 1
                self._healed_at = loop.time()
            # Now and then long enough to be calm again.
            await asyncio.sleep(self.plan.choice([0.2, 1.0, 3.0, CALM + 4.0]))

    def _some_node(self) -> str:
        return self.plan.choice(self.demo.nodes).name

    def _some_tap(self) -> Tap:
        return self._taps[self.plan.choice(self.demo.nodes).address]

    async def _kill(self) -> None:
        name = self._some_node()
        await asyncio.to_thread(self.plan.choice([self.demo.kill, self.demo.terminate]), name)
        await asyncio.sleep(self.plan.choice([0.0, 1.0, 5.0]))
        await asyncio.to_thread(self.demo.restart, name)

    async def _kill_two(self) -> None:
        for name in (victims := self.plan.sample([node.name for node in self.demo.nodes], 2)):
            await asyncio.to_thread(self.demo.kill, name)
        await asyncio.sleep(self.plan.choice([0.0, 4.0]))
        for name in victims:
            await asyncio.to_thread(self.demo.restart, name)

    async def _freeze(self) -> None:
        name = self._some_node()
        await asyncio.to_thread(self.demo.freeze, name)
        await asyncio.sleep(self.plan.choice([0.5, 2.0, 6.0, 15.0]))
        await asyncio.to_thread(self.demo.thaw, name)

    async def _cut(self) -> None:
        self._some_tap().cut()

    async def _cut_inside_a_frame(self) -> None:
        self._some_tap().cut_next_reply()
        await asyncio.sleep(1.0)

    async def _cut_again_and_again(self) -> None:
        tap = self._some_tap()
        for _ in range(10):
            tap.cut()
            await asyncio.sleep(self.plan.uniform(0.0, 0.5))

    async def _go_half_open(self) -> None:
        self._some_tap().go_half_open()
        # Noticed by the next ask that times out, and replaced 3 s later.
        await asyncio.sleep(ASK_TIMEOUT + 4.0)

    async def _restart_client(self) -> None:
        old, self.client = self.client, await self._new_client()
        await old.__aexit__()

    # --- the end ---------------------------------------------------------------------------------------------------

    async def _mend(self) -> None:
        """Everything runs again, and the client has found all of it."""
        for node in self.demo.nodes:
            if not node.alive or node.frozen:
                await asyncio.to_thread(self.demo.restart, node.name)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 20.0
        unanswered = {ledger.entity for ledger in self.ledgers}
        while unanswered and loop.time() < deadline:
            self._broken += 1
            answers = await asyncio.gather(*(self._ask(self.client, entity, WhereAreYou) for entity in sorted(unanswered)))
            self._broken -= 1
            unanswered = {entity for entity, answer in zip(sorted(unanswered), answers, strict=True) if answer is None}
        if unanswered:
            self._accuse(f"{len(unanswered)} entities do not answer in the end, for example {min(unanswered)}")

    async def _check_the_books(self) -> None:
        """Ask every process for every counter, past the routing: also those whose shards have moved away."""
        for ledger in self.ledgers:
            for node in self.demo.nodes:
                assert node.pid is not None
                region = f"casty://{SYSTEM}@{node.address}/_region-counter"
                try:
                    count = await self.client.ask(
                        region, partial(_counting, ledger.entity), timeout=10.0
                    )
                except AskFailed as error:
                    self._accuse(f"{ledger.entity} could not be checked on {node.name}: {error}")
                else:
                    ledger.observe(node.pid, count)
        pump = self.client._pump
        assert pump is not None
        if pump.session.pending_asks or pump.session.buffered:
            self._accuse(f"{pump.session.pending_asks} asks and {pump.session.buffered} envelopes are left in the client")

    def _check_footprint(self, before: dict[str, int]) -> None:
        after = _footprint()
        for name, value in before.items():
            if after[name] > value:
                self._accuse(f"{after[name] - value} {name} are left of the client")

    # --- what it says ----------------------------------------------------------------------------------------------

    async def _report_progress(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(10.0)
            self._say(f"{max(0.0, self._end - loop.time()):5.0f} s to go  {self.summary()}")

    def summary(self) -> str:
        sent = sum(ledger.sent.bit_count() for ledger in self.ledgers)
        confirmed = sum(ledger.confirmed.bit_count() for ledger in self.ledgers)
        refused = sum(ledger.refused.bit_count() for ledger in self.ledgers)
        failed = ", ".join(f"{count} {name}" for name, count in self.failures.most_common()) or "none"
        memory = psutil.Process().memory_info().rss // 2**20
        return (
            f"{self.faults.total()} faults, {self.asks} asks (failed: {failed}), {sent} tells: {confirmed} confirmed, "
            f"{refused} refused, {sent - confirmed - refused} not confirmed, {len(self.violations)} violations, {memory} MB"
        )


def _counting(entity: str, reply_to: Any) -> ShardEnvelope[Any]:
    return ShardEnvelope(entity, GetCount(reply_to))


def _footprint() -> dict[str, int]:
    gc.collect()
    here = psutil.Process()
    # The loop's own helper threads (asyncio.to_thread) stay until it ends.
    threads = [t for t in threading.enumerate() if not t.name.startswith("asyncio_")]
    return {
        "threads": len(threads), "tasks": len(asyncio.all_tasks()), "fds": here.num_fds() if hasattr(here, "num_fds") else 0,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak. Returns 0 if nothing was violated."""
    what = "Break a real cluster at random under load, then check the books."
    parser = argparse.ArgumentParser(prog="./dev soak", description=what)
    parser.add_argument("minutes", type=float, nargs="?", default=10.0, help="how long (10)")
    parser.add_argument("--seed", type=int, help="repeat the faults of an earlier run")
    options = parser.parse_args(arguments)
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    logging.disable(logging.CRITICAL)
    print(f"soak of {options.minutes:g} minutes, --seed {seed}", flush=True)
    soak = Soak(options.minutes * 60.0, seed, lambda line: print(line, flush=True))
    good = asyncio.run(soak.run())
    print(f"faults: {', '.join(f'{count} {name}' for name, count in soak.faults.most_common())}")
    print(soak.summary())
    for violation in soak.violations:
        print(f"VIOLATION {violation}")
    print("good: every counter holds exactly the tells that were confirmed" if good else "NOT good: see the violations")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
