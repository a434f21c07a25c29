"""Scenarios in which nobody ends but connections or nodes fall silent: frozen, quiet, cut, half-open."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from typing import Any

from casty_notebook.settings import Settings
from tests.reliability.clients import Maker, Ours
from tests.reliability.clusters import cluster, moment
from tests.reliability.load import Load, place_entities
from tests.reliability.outcomes import NEVER, Outcome
from tests.reliability.taps import Tap

__all__ = ["cut_inside_a_frame", "half_open", "node_frozen", "quiet_cluster"]


async def node_frozen(make: Maker, *, seconds: float = 15.0) -> Outcome:
    """Three nodes, the contact node is frozen for a while. Counted: asks to the others. Recovery: of its own, once thawed."""
    loop = asyncio.get_running_loop()
    async with cluster(3) as demo:
        victim = demo.node("node-2")
        async with make([victim.address]) as observer:
            homes = await place_entities(observer, ["node-1", "node-2", "node-3"])
            async with Load(observer, homes, timeout=1.0) as load:
                await asyncio.sleep(0.5)
                await asyncio.to_thread(demo.freeze, "node-2")
                frozen = loop.time()
                noticed = asyncio.create_task(moment(lambda: _is_suspect(observer, victim.address), seconds))
                pushed = await moment(lambda: (observer.snapshot_at or 0.0) > frozen + 0.02, seconds)
                await noticed
                await asyncio.sleep(frozen + seconds - loop.time())
                await asyncio.to_thread(demo.thaw, "node-2")
                thawed = loop.time()
                await asyncio.sleep(4.0)
                end = loop.time()
            counted = load.of("node-1", "node-3", since=frozen)
            own = [s for s in load.samples if homes[s.entity] == "node-2" and s.started > thawed]
            dials = [at for at, address in observer.dials if address == victim.address and at > frozen]
            return Outcome(
                f"contact node frozen {seconds:g} s (3 nodes)", observer.name, len(counted), len(load.failed(counted)),
                load.gap(counted, frozen, end), load.recovery(own, thawed), load.errors,
                {
                    "noticed after": (noticed.result() or NEVER) - frozen,
                    "snapshots after": (pushed or NEVER) - frozen,
                    "dials while frozen": sum(at < thawed for at in dials),
                    "dials after": sum(at >= thawed for at in dials),
                    "dials of the others": sum(at > frozen and address != victim.address for at, address in observer.dials),
                },
            )  # fmt: skip


def _is_suspect(observer: Any, address: tuple[str, int]) -> bool:
    health = observer.client.health if isinstance(observer, Ours) else {}
    return any(node == address and view.reachable is False for node, view in health.items())


async def quiet_cluster(make: Maker, *, seconds: float = 60.0, settings: Settings | None = None) -> Outcome:
    """One node pushes nothing for a while. Counted: asks afterwards. What went over the wire meanwhile is in the facts."""
    loop = asyncio.get_running_loop()
    async with cluster(1) as demo, Tap(demo.nodes[0].address) as tap:
        node = demo.nodes[0].address
        async with make([node], settings=settings, route=lambda _: tap.address) as observer:
            homes = await place_entities(observer, ["node-1"])
            await asyncio.sleep(1.0)
            before, connections = len(tap.sent), tap.connections
            await asyncio.sleep(seconds)
            sent = [path for _, path in tap.sent[before:]]
            async with Load(observer, homes) as load:
                asked = loop.time()
                await asyncio.sleep(0.5)
                end = loop.time()
            return Outcome(
                f"quiet for {seconds:g} s (1 node)", observer.name, len(load.samples), len(load.failed(load.samples)),
                load.gap(load.samples, asked, end), load.recovery(load.samples, asked), load.errors,
                {"envelopes sent meanwhile": len(sent), "reconnects": tap.connections - connections, "_sent": sent},
            )  # fmt: skip


async def cut_inside_a_frame(make: Maker, *, cuts: int = 5) -> Outcome:
    """The connection to the only node is cut in the middle of a reply, several times. Counted: all asks.

    Recovery: the slowest, from a cut to the next answer.
    """
    loop = asyncio.get_running_loop()
    async with cluster(1) as demo, Tap(demo.nodes[0].address) as tap:
        node = demo.nodes[0].address
        async with make([node], route=lambda _: tap.address) as observer:
            homes = await place_entities(observer, ["node-1"])
            async with Load(observer, homes, rate=100.0) as load:
                start = loop.time()
                for count in range(1, cuts + 1):
                    await asyncio.sleep(1.0)
                    tap.cut_next_reply()
                    await moment(partial(lambda wanted: len(tap.cuts) >= wanted, count), 5.0)
                await asyncio.sleep(2.0)
                end = loop.time()
            answers = sorted(s.ended for s in load.samples if s.ok)
            gaps = [next((at - cut for at in answers if at > cut), NEVER) for cut in tap.cuts]
            failed = load.failed(load.samples)
            # What was on its way when we noticed; where the machine is held up that is more, but never what came after.
            spans = pairwise([*tap.cuts, NEVER])
            lost = [[sample for sample in failed if cut <= sample.ended < after] for cut, after in spans]
            later = [each for some in lost for each in some if each.started > min(sample.ended for sample in some)]
            return Outcome(
                f"cut inside a frame, {cuts} times", observer.name, len(load.samples), len(failed),
                load.gap(load.samples, start, end), max(gaps, default=NEVER), load.errors,
                {
                    "cuts": len(tap.cuts), "connections": tap.connections, "lost by a cut": sum(map(len, lost)),
                    "asked after it was noticed": len(later),
                },
            )  # fmt: skip


async def half_open(make: Maker, *, settings: Settings | None = None, watch: float = 20.0) -> Outcome:
    """Two nodes; the connections to one stay open and carry nothing any more, new ones work. Counted: asks to the other.

    Recovery: from then until the silent node's entities answer again.
    """
    loop = asyncio.get_running_loop()
    async with cluster(2) as demo, AsyncExitStack() as stack:
        taps = {node.address: await stack.enter_async_context(Tap(node.address)) for node in demo.nodes}
        first, second = (node.address for node in demo.nodes)
        async with make([first], settings=settings, route=lambda node: taps[node].address) as observer:  # type: ignore[index]
            homes = await place_entities(observer, ["node-1", "node-2"])
            async with Load(observer, homes, timeout=1.0) as load:
                await asyncio.sleep(0.5)
                taps[second].go_half_open()
                silent = loop.time()
                await asyncio.sleep(watch)
                end = loop.time()
            counted = load.of("node-1", since=silent)
            hit = load.of("node-2", since=silent)
            return Outcome(
                "half-open connection (2 nodes)", observer.name, len(counted), len(load.failed(counted)),
                load.gap(counted, silent, end), load.recovery(hit, silent), load.errors,
                {"asks to the silent node": len(hit), "of them failed": len(load.failed(hit)),
                 "connections to it": taps[second].connections},
            )  # fmt: skip
