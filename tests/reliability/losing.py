"""Scenarios in which nodes end: killed, restarted, one after the other."""

from __future__ import annotations

import asyncio

from casty_notebook.demo import DemoCluster
from tests.reliability.clients import Maker, Observer
from tests.reliability.clusters import cluster, listens_at, moment
from tests.reliability.load import Load, Sample, place_entities
from tests.reliability.outcomes import NEVER, Outcome

__all__ = [
    "contact_killed",
    "leader_killed",
    "only_node_restarted",
    "other_node_killed",
    "rolling_restart",
    "ten_kills",
]


PATIENCE = 5.0
"""Timeout of the asks where a cluster has to notice a death first (1.0 to 2.9 s): that which both clients have by default."""


async def _first_snapshot_after(observer: Observer, since: float, timeout: float) -> float:
    """Seconds from `since` to the next snapshot."""
    at = await moment(lambda: (observer.snapshot_at or 0.0) > since, timeout)
    return NEVER if at is None else at - since


async def contact_killed(make: Maker, *, watch: float = 6.0) -> Outcome:
    """Three nodes, one contact point, which is killed. Counted: asks to the other two. Recovery: of the snapshots."""
    loop = asyncio.get_running_loop()
    async with cluster(3) as demo, make([demo.node("node-2").address]) as observer:
        homes = await place_entities(observer, ["node-1", "node-2", "node-3"])
        async with Load(observer, homes) as load:
            await asyncio.sleep(1.0)
            killed = loop.time()
            kill = asyncio.create_task(asyncio.to_thread(demo.kill, "node-2"))
            # The signal arrives within 5 ms; what is pushed later comes from another node.
            recovery = await _first_snapshot_after(observer, killed + 0.005, watch)
            await kill
            await asyncio.sleep(max(0.0, killed + watch - loop.time()))
            end = loop.time()
        counted = load.of("node-1", "node-3", since=killed)
        others = load.of("node-2", since=killed)
        return Outcome(
            "contact node killed (3 nodes)", observer.name, len(counted), len(load.failed(counted)),
            load.gap(counted, killed, end), recovery, load.errors,
            {"asks to the dead node": len(others), "of them failed": len(load.failed(others))},
        )  # fmt: skip


async def other_node_killed(make: Maker, *, watch: float = 10.0) -> Outcome:
    """Two nodes, the one that is no contact point is killed. Counted: all asks; of the failed, those that had not left.

    What was on its way to the dead node may have been carried out there, so it has to fail. Recovery: from the cluster's
    detection.
    """
    loop = asyncio.get_running_loop()
    async with cluster(2) as demo:
        survivor, victim = demo.nodes
        async with make([survivor.address]) as observer:
            homes = await place_entities(observer, ["node-1", "node-2"])
            async with Load(observer, homes, timeout=PATIENCE) as load:
                await asyncio.sleep(1.0)
                await asyncio.to_thread(demo.kill, "node-2")
                killed = loop.time()
                detected = await moment(lambda: victim.address not in survivor.view.up, watch)
                await asyncio.sleep(max(0.0, killed + watch - loop.time()))
                end = loop.time()
            hit = [s for s in load.of(since=killed) if homes[s.entity] == "node-2"]
            spared = [s for s in load.of(since=killed) if homes[s.entity] == "node-1"]
            both = hit + spared
            lost = load.lost(both, PATIENCE, detected or NEVER)
            outcome = Outcome("other node killed (2 nodes)", observer.name, len(both), len(lost))
            outcome.gap = load.gap(hit, killed, end)
            outcome.recovery = load.recovery(hit, detected) if detected is not None else NEVER
            outcome.errors = load.errors
            outcome.facts = {
                "detected by the cluster after": (detected or NEVER) - killed,
                "failed that had left": sum(s.had_left for s in both),
                "longest held": max((s.took for s in hit if s.ok), default=0.0),
                "failed on the live node": len(load.failed(spared)),
            }
            return outcome


async def leader_killed(make: Maker, *, watch: float = 10.0) -> Outcome:
    """Two nodes, the leader is killed. Counted: asks to new entities, whose shards only a leader can place; of the failed,
    those that had not left.

    Recovery: from the cluster's detection.
    """
    loop = asyncio.get_running_loop()
    async with cluster(2) as demo:
        leader, follower = demo.nodes
        async with make([follower.address]) as observer:
            homes = await place_entities(observer, ["node-2"])
            async with Load(observer, homes, rate=20.0) as load:
                await asyncio.sleep(0.5)
                await asyncio.to_thread(demo.kill, "node-1")
                killed = loop.time()
                new = asyncio.create_task(_ask_new_entities(observer, killed + watch))
                detected = await moment(lambda: leader.address not in follower.view.up, watch)
                samples = await new
                end = loop.time()
            spared = load.of("node-2", since=killed)
            lost = load.lost(samples, PATIENCE, detected or NEVER)
            return Outcome(
                "leader killed (2 nodes)", observer.name, len(samples), len(lost), load.gap(samples, killed, end),
                load.recovery(samples, detected) if detected is not None else NEVER,
                load.errors + [s.error for s in samples if s.error is not None],
                {
                    "detected by the cluster after": (detected or NEVER) - killed,
                    "failed that had left": sum(s.had_left for s in samples),
                    "longest held": max((s.took for s in samples if s.ok), default=0.0),
                    "failed on the live node": len(load.failed(spared)),
                },
            )  # fmt: skip


async def _ask_new_entities(observer: Observer, until: float) -> list[Sample]:
    """A new entity of a type that nobody has used yet, each 50 ms."""
    loop = asyncio.get_running_loop()
    samples: list[Sample] = []

    async def ask(entity: str) -> None:
        sample = Sample(entity, "", loop.time())
        samples.append(sample)
        try:
            sample.node = (await observer.ask(entity, PATIENCE)).node
        except Exception as error:
            sample.error = error
        sample.ended = loop.time()

    async with asyncio.TaskGroup() as asks:
        number = 0
        while loop.time() < until - PATIENCE:
            asks.create_task(ask(f"account/new-{number}"))
            number += 1
            await asyncio.sleep(0.05)
    return samples


async def only_node_restarted(make: Maker, *, idle: bool = False) -> Outcome:
    """One node is killed and started again on its port. Counted: asks made from 1 s after it listens.

    Recovery: from its listening to the first answer and the first snapshot, whichever is later. With `idle` nobody
    asks anything until the node has listened for 1 s.
    """
    loop = asyncio.get_running_loop()
    async with cluster(1) as demo:
        (node,) = demo.nodes
        async with make([node.address]) as observer:
            homes = await place_entities(observer, ["node-1"])
            async with Load(observer, homes, rate=0.2 if idle else 50.0) as load:
                await asyncio.sleep(0.5)
                await asyncio.to_thread(demo.kill, "node-1")
                await asyncio.sleep(1.0)
                restart = asyncio.create_task(asyncio.to_thread(demo.restart, "node-1"))
                listening = await moment(lambda: listens_at(node.address), 15.0)
                assert listening is not None, "the node did not come up"
                snapshot = await _first_snapshot_after(observer, listening, 8.0)
                await restart
                await asyncio.sleep(max(0.0, listening + (1.0 if idle else 2.0) - loop.time()))
            if not idle:
                after = load.of(since=listening)
                answers = load.recovery(after, listening)
            async with Load(observer, homes) as later:
                start = loop.time()
                await asyncio.sleep(3.0)
                end = loop.time()
            if idle:
                answers = later.recovery(later.samples, start)
            return Outcome(
                f"only node restarted{' while idle' if idle else ''}", observer.name, len(later.samples),
                len(later.failed(later.samples)), later.gap(later.samples, start, end), max(answers, snapshot),
                load.errors + later.errors, {"snapshots after": snapshot, "asks after": answers},
            )  # fmt: skip


async def rolling_restart(make: Maker, *, rate: float = 200.0) -> Outcome:
    """Three nodes are restarted one after the other. Counted: asks to entities of the nodes that are not it.

    Recovery: the slowest, from a node's listening until its entities answer again.
    """
    loop = asyncio.get_running_loop()
    async with cluster(3) as demo, make([node.address for node in demo.nodes]) as observer:
        homes = await place_entities(observer, ["node-1", "node-2", "node-3"], each=6)
        down: list[tuple[str, float, float, float]] = []
        async with Load(observer, homes, rate=rate) as load:
            start = loop.time()
            await asyncio.sleep(1.0)
            for node in demo.nodes:
                down.append(await _restart(demo, node.name))
                await asyncio.sleep(3.0)
            end = loop.time()
        spared, hit = _by_blame(load, demo, down)
        return Outcome(
            f"rolling restart of 3 nodes, {rate:g} asks/s", observer.name, len(spared), len(load.failed(spared)),
            load.gap(spared, start, end), max(_back_after(hit, listening) for *_, listening, _ in down), load.errors,
            {
                "asks to the node being restarted": len(hit),
                "of them failed": len(load.failed(hit)),
                "slowest failure": max((s.took for s in load.failed(load.samples)), default=0.0),
                "_blamed": load.failed(spared),
                "_down": down,
            },
        )  # fmt: skip


async def _restart(demo: DemoCluster, name: str) -> tuple[str, float, float, float]:
    """Returns (name, killed, listening, joined)."""
    loop = asyncio.get_running_loop()
    node = demo.node(name)
    killed = loop.time()
    await asyncio.to_thread(demo.kill, name)
    restart = asyncio.create_task(asyncio.to_thread(demo.restart, name))
    listening = await moment(lambda: listens_at(node.address), 15.0)
    await restart
    return name, killed, listening or NEVER, loop.time()


def _by_blame(load: Load, demo: DemoCluster, down: list[tuple[str, float, float, float]]) -> tuple[list[Sample], list[Sample]]:
    """Asks that nothing but the client could lose, and asks to entities of a node that was down then (or 1 s before).

    Whose entity it was is known from the last answer, or from where the client says that the ask had gone: an entity that has
    just moved has answered from its old home last.
    """
    addresses = {name: "{}:{}".format(*demo.node(name).address) for name, *_ in down}
    spared: list[Sample] = []
    hit: list[Sample] = []
    for sample in load.samples:
        excused = any(
            (sample.home == name or sample.gone_to == addresses[name])
            and sample.started <= listening + 1.0 and sample.ended >= killed
            for name, killed, listening, _ in down
        )
        (hit if excused else spared).append(sample)
    return spared, hit


def _back_after(hit: list[Sample], listening: float) -> float:
    """Seconds from `listening` until an entity of the node answers; 0 if other nodes have taken all over."""
    around = [s for s in hit if listening - 1.0 <= s.started <= listening + 1.0]
    answered = [s.ended for s in around if s.ok and s.ended >= listening]
    if answered:
        return min(answered) - listening
    return NEVER if around else 0.0


async def ten_kills(make: Maker, *, kills: int = 10) -> Outcome:
    """Nodes of three are killed and started again, ten times in a row, each as soon as it has joined.

    Counted: asks to entities of the nodes that are not it. Recovery: after the last, until every entity answers.
    """
    loop = asyncio.get_running_loop()
    async with cluster(3) as demo, make([node.address for node in demo.nodes]) as observer:
        homes = await place_entities(observer, ["node-1", "node-2", "node-3"])
        down = []
        async with Load(observer, homes) as load:
            start = loop.time()
            await asyncio.sleep(0.5)
            for kill in range(kills):
                down.append(await _restart(demo, f"node-{kill % 3 + 1}"))
            await asyncio.sleep(3.0)
            end = loop.time()
        spared, hit = _by_blame(load, demo, down)
        dials = [address for _, address in observer.dials]
        return Outcome(
            f"{kills} kills in a row (3 nodes)", observer.name, len(spared), len(load.failed(spared)),
            load.gap(spared, start, end), load.recovery(load.samples, down[-1][2]), load.errors,
            {"of the others failed": len(load.failed(hit)), "dials": len(dials), "_blamed": load.failed(spared), "_down": down},
        )  # fmt: skip
