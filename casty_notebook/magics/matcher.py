"""Tab completion in IPython: what the current connection knows, handed to `completion.complete`.

Reads only what is in memory already (the last snapshot, the registry of connections, the namespace), and the small file of
profiles, because a completer runs at every key stroke and shares its time with the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from casty_notebook.client.profiles import SIGN, profile_names
from casty_notebook.magics.completion import KnownNames, complete, named_connection
from casty_notebook.magics.connecting import current_connection, open_connections
from casty_notebook.magics.recent import RecentEntities
from casty_notebook.topology.names import entity_types, natural, service_names
from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["IDENTIFIER", "known_names", "make_matcher"]

IDENTIFIER = "casty_notebook"
_MARK = "casty_"


Match = Callable[[CompletionContext], SimpleMatcherResult]


def make_matcher(namespace: Mapping[str, Any], recent: RecentEntities) -> Match:
    """Return a matcher (API version 2) for the magics in a shell with that namespace."""

    def match(context: CompletionContext) -> SimpleMatcherResult:
        line = context.line_with_cursor
        if _MARK not in line:
            return SimpleMatcherResult(completions=[])
        cursor = context.cursor_position
        found = complete(line, cursor, known_names(namespace, recent, named_connection(line, cursor)))
        if found is None:
            return SimpleMatcherResult(completions=[])
        return SimpleMatcherResult(
            completions=[SimpleCompletion(item.text, type=item.kind) for item in found.items],
            matched_fragment=found.fragment,
            suppress=found.exclusive,
            ordered=True,
        )

    return cast(Match, context_matcher(identifier=IDENTIFIER)(match))


def known_names(namespace: Mapping[str, Any], recent: RecentEntities, connection: str | None = None) -> KnownNames:
    """Collect the names that exist now, on the named connection or the current one."""
    classes = (name for name, value in list(namespace.items()) if name.isidentifier() and _is_message(value))
    opened = open_connections()
    profiles = tuple(f"{SIGN}{name}" for name in profile_names())
    messages = tuple(name for name in classes if not name.startswith("_"))
    known = KnownNames(connections=tuple(opened), profiles=profiles, messages=messages)
    cluster = current_connection() if connection is None else opened.get(connection)
    if cluster is None:
        return known
    known = dataclasses.replace(known, entities=recent.targets(cluster.name))
    if (topology := cluster.topology) is None:
        return known
    return dataclasses.replace(
        known,
        shard_types=tuple(sorted(entity_types(topology, cluster.shard_counts))),
        services=tuple(sorted(service_names(topology))),
        instances=tuple(_instances(topology)),
        system=cluster.system_name,
        nodes=tuple(str(address) for address in sorted(member.address for member in topology.members)),
    )


def _instances(topology: TopologySnapshot) -> list[str]:
    names = {member.address: member.id for member in topology.members if "@" not in member.id}
    services = service_names(topology)
    found = {f"{entry.key}@{names[entry.node]}" for entry in topology.registry if entry.node in names}
    return sorted(found - services, key=natural)


def _is_message(value: object) -> bool:
    """Messages are dataclasses by custom; a class of another kind is still completed by IPython itself."""
    return isinstance(value, type) and dataclasses.is_dataclass(value)
