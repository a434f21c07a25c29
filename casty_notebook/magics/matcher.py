"""Tab completion in IPython: what the current connection knows, handed to `completion.complete`.

Reads only what is in memory already (the last snapshot, the registry of connections, the namespace), and the small file of
profiles, because a completer runs at every key stroke and shares its time with the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from casty_notebook.client.profiles import SIGN, profile_names
from casty_notebook.magics.completion import KnownNames, complete, named_connection
from casty_notebook.magics.connecting import current_connection, open_connections
from casty_notebook.magics.recent import RecentEntities
from casty_notebook.topology.names import entity_types, natural, service_names, short
from casty_notebook.topology.node_report import type_kind
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
        shard_types=_own_first(entity_types(topology, cluster.shard_counts), topology),
        services=_own_first(service_names(topology), topology),
        instances=tuple(_instances(topology)),
        system=cluster.system_name,
        nodes=tuple(str(address) for address in sorted(member.address for member in topology.members)),
    )


def _own_first(names: Iterable[str], topology: TopologySnapshot) -> tuple[str, ...]:
    """Those of the application, short ones before those in full, then casty's own, which only hide the others."""
    keys = {entry.key for entry in topology.registry} if topology.kind.finds_types else set[str]()
    own = {key for key in keys if type_kind(key) == "application"}
    castys = {each for key in keys - own for each in (key, short(key))} - {short(key) for key in own}
    return tuple(sorted(names, key=lambda name: (name in castys, name in keys, name)))


def _instances(topology: TopologySnapshot) -> list[str]:
    names = {member.address: member.id for member in topology.members if "@" not in member.id}
    services = service_names(topology)
    named = ((key, entry.node) for entry in topology.registry for key in _called(entry.key, topology))
    found = {f"{key}@{names[node]}" for key, node in named if node in names}
    return sorted(found - services, key=natural)


def _called(key: str, topology: TopologySnapshot) -> set[str]:
    return {key, short(key)} if topology.kind.finds_types else {key}


def _is_message(value: object) -> bool:
    """Messages are dataclasses by custom; a class of another kind is still completed by IPython itself."""
    return isinstance(value, type) and dataclasses.is_dataclass(value)
