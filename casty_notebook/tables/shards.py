"""The table of shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from casty_notebook.address import NodeAddress
from casty_notebook.tables.columns import attrs_of, categorical, codes_of, frame, reachable
from casty_notebook.tables.placements import Placements
from casty_notebook.topology.kinds import SHARDED
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import name_of, natural
from casty_notebook.topology.snapshot import Member, ShardAllocation

__all__ = ["shards"]


def shards(moment: Moment | None, *, shard_type: str | None = None, cluster: str) -> pd.DataFrame:
    """One row per allocated shard, of one type or of all, by type and number.

    A shard that is not listed may be allocated all the same (PROTOCOL section 6.4).

    Columns
    -------
    type, shard
        Sharded type and the shard's number. Where placements serve the keys of all types, their number alone: on a virtual
        cluster `slice`, one of 1,024 equal parts of the ring.
    node, address
        Its owner; `node` is missing if the owner is no member.
    replicas
        Names of the nodes that keep copies (the address of one that is no member), joined by commas; empty if none.
    reachable
        Whether we reach the owner; missing while we do not know.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.topology.snapshot import TopologySnapshot
    >>> here = NodeAddress("10.0.1.10", 25520)
    >>> snapshot = TopologySnapshot(frozenset(), here, {"cart": {7: ShardAllocation(here)}}, 1)
    >>> moment = Moment(datetime(2026, 1, 2, tzinfo=UTC), snapshot)
    >>> print(shards(moment, cluster="prod").to_string(index=False))
    type  shard node         address replicas  reachable
    cart      7  NaN 10.0.1.10:25520                <NA>
    """
    allocations = moment.snapshot.shard_allocations if moment is not None else {}
    types = sorted((name for name in allocations if shard_type in (None, name)), key=natural)
    parts = [Placements(allocations[name]) for name in types]
    sizes = [len(part.shards) for part in parts]
    distinct: list[ShardAllocation] = []
    starts: dict[int, np.intp] = {}
    for part in parts:  # many types share one list of placements, which is taken over once
        if id(part.distinct) not in starts:
            starts[id(part.distinct)] = np.intp(len(distinct))
            distinct += part.distinct
    # Converted to numpy's own type of indices once: numpy would otherwise convert them for each column.
    placed = _joined([part.codes + starts[id(part.distinct)] for part in parts])
    numbers = _joined([part.shards for part in parts])
    kinds = codes_of(types, {name: code for code, name in enumerate(types)})
    kind = SHARDED if moment is None else moment.kind
    named = {"type": categorical(np.repeat(kinds, sizes), types)} if kind.places_by_type else {}
    return frame(
        {
            **named,
            kind.number: numbers,
            **_placement_columns(distinct, placed, moment),
        },
        attrs_of(cluster, moment),
    )


def _placement_columns(distinct: Sequence[ShardAllocation], placed: np.ndarray, moment: Moment | None) -> dict[str, object]:
    """Work out each distinct placement once; `placed` spreads it over the shards."""
    members: Mapping[NodeAddress, Member] = moment.members if moment is not None else {}
    owners = [allocation.primary for allocation in distinct]
    used = set(owners)
    if used <= members.keys():
        nodes = [node for node in members if node in used]  # members are in the order of their names already
    else:
        nodes = sorted(used, key=lambda node: (natural(name_of(node, members)), node))
    at = codes_of(owners, {node: code for code, node in enumerate(nodes)})
    known = [node for node in nodes if node in members]
    copies = [", ".join(name_of(node, members) for node in allocation.replicas) for allocation in distinct]
    different = {names: code for code, names in enumerate(dict.fromkeys(copies))}
    return {
        "node": categorical(
            codes_of(owners, {node: code for code, node in enumerate(known)})[placed],
            [members[node].id for node in known],
        ),
        "address": categorical(at[placed], [str(node) for node in nodes]),
        "replicas": categorical(codes_of(copies, different)[placed], list(different)),
        "reachable": reachable(owners, moment, placed),
    }


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
