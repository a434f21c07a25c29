"""Each kind of attack of a 0.30 node on a connected `Cluster`, while another one in the same process is asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psutil
import pytest

from casty_notebook import Cluster, connect
from casty_notebook.errors import UndecodableMessage
from tests.backends.virtual.fake_node import TYPE
from tests.backends.virtual.messages import Get
from tests.hostile.meanwhile import Attack, answered_meanwhile
from tests.hostile.test_stall import STALL
from tests.hostile.virtual.attacker import FLOODS, attacker
from tests.hostile.virtual.work import CLASSES

MB = 1 << 20
ANSWERS = (
    "lists", "maps of one", "objects", "short texts", "promises", "nesting", "a class that holds itself",
    "chosen numbers in a set", "chosen numbers as keys", "chosen numbers in pairs", "decimals and times",
)  # fmt: skip
MADE_UP = {"fresh members", "tables that nobody asked for", "lives that change"}
"""After these the cluster is what its node made of it: keys belong to members that are not there."""
GROWTH = 250 * MB
"""Bytes by which the process may grow in all of one attack: one message of 1 MB may become 80, and arenas stay."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    with attacker() as address:
        yield f"casty://shop@{address}"


def attacked(uri: str) -> Cluster:
    return connect(uri, name="attacked", messages=list(CLASSES))


def answers_still(victim: Cluster) -> None:
    assert victim.ask(f"{TYPE}/alice", Get, timeout=STALL) == 7


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_honest_cluster_is_answered_while_another_replies_with(kind: str, hostile: str, honest: Cluster) -> None:
    with attacked(hostile) as victim:
        before = psutil.Process().memory_info().rss
        attack = Attack(victim, f"{TYPE}/{kind}:{MB}", Get)
        answered_meanwhile(honest, attack)
        outcome = attack.wait()
        assert not isinstance(outcome, Exception) or isinstance(outcome, UndecodableMessage)
        assert psutil.Process().memory_info().rss - before < GROWTH
        answers_still(victim)


@pytest.mark.parametrize("kind", FLOODS)
def test_an_honest_cluster_is_answered_while_another_pushes(
    kind: str, hostile: str, honest: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), attacked(hostile) as victim:
        before = psutil.Process().memory_info().rss
        attack = Attack(victim, f"{TYPE}/{kind}", Get)
        answered_meanwhile(honest, attack)
        assert attack.wait() == "done"
        assert psutil.Process().memory_info().rss - before < GROWTH
        if kind not in MADE_UP:
            answers_still(victim)
    # asyncio's own loggers say so when a connection or a dial ended in a way that nobody expected.
    assert not [record for record in caplog.records if record.name == "asyncio"]
