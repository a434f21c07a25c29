"""What a message for an entity travels in, and which shard that entity is in (PROTOCOL section 4.2)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic

from casty_notebook.values.generics import M_co

__all__ = ["ShardEnvelope", "entity_shard"]



@dataclass(frozen=True)
class ShardEnvelope(Generic[M_co]):  # noqa: UP046 - see M
    """A message for one entity of a sharded type.

    Examples
    --------
    >>> ShardEnvelope("user-42", "ping").entity_id
    'user-42'
    """

    entity_id: str
    message: M_co


@lru_cache(maxsize=16_384)
def entity_shard(entity_id: str, num_shards: int) -> int:
    """The shard of an entity: the first four bytes of the MD5 of its id, modulo the number of shards (PROTOCOL section 4.2).

    Examples
    --------
    >>> [entity_shard(name, 100) for name in ("user-42", "user-99", "alice", "", "é")]
    [87, 48, 70, 93, 19]
    """
    digest = hashlib.md5(entity_id.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % num_shards
