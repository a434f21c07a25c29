"""The official client: `casty.ClusterClient` of one version, in an environment of its own that has nothing else."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tests.versions.environments import interpreters

__all__ = ["OFFICIAL", "official_python"]

OFFICIAL = "0.20.1"


@lru_cache(maxsize=1)
def official_python() -> Path:
    """Its interpreter; made at the first call, and kept."""
    return interpreters((OFFICIAL,))[OFFICIAL]
