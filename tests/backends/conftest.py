"""Clusters of every kind and release, for the suite that each backend has to pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import casty_notebook
from casty_notebook import Cluster
from casty_notebook.demo import DemoCluster
from tests.backends.virtual.cluster import RELEASES, VirtualCluster
from tests.versions.environments import interpreters

collect_ignore = ["nodeside"]

STRUCTURES = Path(__file__).parent / "nodeside" / "structures.py"
"""Makes the structures ``hits``, ``users``, ``tags`` and ``jobs`` on sharded nodes."""
SHARDED = ("0.15.1", "0.16.2", "0.20.1", "0.21.0")


@dataclass(frozen=True)
class Case:
    """One cluster, and how its counters are spoken to."""

    release: str
    uri: str
    read: str
    add: str
    members: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def virtual(self) -> bool:
        return self.release in RELEASES

    def connect(self, **options: Any) -> Cluster:
        return casty_notebook.connect(self.uri, **{**self.options, **options})


@pytest.fixture(scope="module", params=[*SHARDED, *RELEASES])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Two nodes of each release, whose type `counter` is in use."""
    release: str = request.param
    with ExitStack() as stack:
        if release in RELEASES:
            nodes = stack.enter_context(VirtualCluster(2, release))
            uri = f"casty://shop@{','.join(f'127.0.0.1:{port}' for port in nodes.ports)}"
            made = Case(release, uri, "shop.actors.Get()", "shop.actors.Add(amount={amount})", 2)
            with made.connect() as first:
                first.ask("shop.actors:counter/first", made.read, force=True)
            nodes.run("collect.py", "contract")
        else:
            python: Path = interpreters([release])[release]
            demo = stack.enter_context(DemoCluster(2, python=python, app=STRUCTURES))
            messages = "casty_notebook.demo.messages"
            counts = {"shards": {"counter": 100}}
            made = Case(release, demo.uri, f"{messages}.GetCount()", f"{messages}.Increment({{amount}})", 2, counts)
        yield made


@pytest.fixture(scope="module")
def cluster(case: Case) -> Iterator[Cluster]:
    with case.connect() as opened:
        yield opened
