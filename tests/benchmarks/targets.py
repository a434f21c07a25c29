"""What is asked: the raw node, which costs next to nothing, and real clusters of one and three nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from casty_notebook.demo import DemoCluster
from tests.benchmarks.processes import held
from tests.benchmarks.raw_node import SYSTEM

__all__ = ["Target", "raw_node", "real_nodes"]


@dataclass(frozen=True)
class Target:
    """A cluster to measure against."""

    against: str
    contacts: tuple[tuple[str, int], ...]
    pids: tuple[int, ...]
    system: str = SYSTEM

    def as_json(self) -> dict[str, Any]:
        return {"against": self.against, "contacts": self.contacts, "pids": self.pids, "system": self.system}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Target:
        contacts = tuple((host, port) for host, port in value["contacts"])
        return cls(value["against"], contacts, tuple(value["pids"]), value["system"])

    @property
    def uri(self) -> str:
        return f"casty://{self.system}@" + ",".join(f"{host}:{port}" for host, port in self.contacts)


@contextmanager
def raw_node(*, bytes_per_second: int | None = None) -> Iterator[Target]:
    """A fake that answers every ask with the same reply; with a limit it reads no faster than that."""
    with held("tests.benchmarks.raw_node:main", bytes_per_second) as (process, port):
        yield Target("raw node", (("127.0.0.1", int(port)),), (process.pid,))


@contextmanager
def real_nodes(number: int, python: str | os.PathLike[str]) -> Iterator[Target]:
    """A cluster of that many nodes on the casty of an environment."""
    with DemoCluster(number, system=SYSTEM, python=python, log_level="error") as demo:
        contacts = tuple((node.address.host, node.address.port) for node in demo.nodes)
        pids = tuple(node.pid for node in demo.nodes if node.pid is not None)
        yield Target("1 node" if number == 1 else f"{number} nodes", contacts, pids)
