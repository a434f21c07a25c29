"""What the sharded nodes of the contract run besides the demo: casty's distributed structures, where that casty makes them so."""

from __future__ import annotations

from typing import Any

system: Any = globals()["system"]

if hasattr(system, "distributed"):
    structures = system.distributed()
    structures.counter("hits", shards=10)
    structures.map[str, object]("users", shards=10)
    structures.set[str]("tags", shards=10)
    structures.queue[str]("jobs", shards=10)
