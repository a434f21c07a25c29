"""Snapshots as our client has them: written by casty, read by our codec. Needs casty where no payload is given."""

from __future__ import annotations

from functools import cache

from casty_notebook.address import ActorAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.refs import ActorRef
from tests.benchmarks.synthetic import addresses, pickled_by_casty

__all__ = ["codec", "decoded"]


@cache
def codec() -> Codec:
    """That of a client."""
    return Codec(build_registry(lambda uri: ActorRef(ActorAddress.parse(uri))))


def decoded(nodes: int, types: int, shards: int, version: int = 0) -> TopologySnapshot:
    """The objects are shared as the reader shares them, which is what everything after the reader is handed."""
    snapshot = codec().decode(pickled_by_casty(addresses(nodes), types, shards, version))
    assert isinstance(snapshot, TopologySnapshot)
    assert sum(map(len, snapshot.shard_allocations.values())) == types * shards
    return snapshot
