"""Where a target's messages go and where it lives, as known now. Asks nobody."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.contract import AnyTarget, Location, label
from casty_notebook.backends.sharded.aio.face import ClientFace
from casty_notebook.errors import FailureReport, MisuseError, NoSuchService
from casty_notebook.topology.names import natural
from casty_notebook.topology.snapshot import Member, TopologySnapshot
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.refs import ActorRef, EntityRef
from casty_notebook.values.services import ServiceInstance
from casty_notebook.values.targets import EntityName, ServiceName, only_target, parse_target

__all__ = ["Route", "TargetResolver"]

@dataclass(frozen=True, slots=True)
class Route:
    """The way that was chosen for one message to one target.

    Attributes
    ----------
    to
        Whom the client sends it to: an entity by its name, or a ref.
    behind
        The entity that the message is forwarded to, where `to` is a node's proxy: so it is while we do not know the number of
        shards.
    """

    target: str
    to: EntityName | ActorRef | EntityRef
    behind: EntityName | None = None

    @property
    def entity(self) -> EntityName | None:
        """The entity that it leads to; None for an actor, and where only the message names one."""
        return self.to if isinstance(self.to, EntityName) else self.behind

    def wrap(self, message: Any) -> Any:
        """The message as `to` takes it: a proxy needs to know the entity it is for."""
        return message if self.behind is None else ShardEnvelope(self.behind.entity_id, message)

    def asks(self, asked: Callable[[ActorRef], Any]) -> Callable[[ActorRef], Any]:
        """The same for an ask: a function that makes the message, as `to` takes it, of the reply ref."""
        return asked if self.behind is None else lambda reply_to: self.wrap(asked(reply_to))


class TargetResolver:
    """Finds the way to targets by what a client knows. Lives on the client's loop.

    `notices` collects what a person should be told of the ways that were chosen, each once.
    """

    def __init__(self, client: ClientFace) -> None:
        self._client = client
        self._noticed: set[str] = set()
        self.notices: list[str] = []
        self._snapshot: TopologySnapshot | None = None
        self._members: dict[NodeAddress, Member] = {}

    # --- the way there -----------------------------------------------------------------------------------------------

    def route(self, target: AnyTarget, *, force: bool = False) -> Route:  # noqa: ARG002 - see `Backend.route`
        """Choose the way to a target, once: of a service, one instance.

        Raises
        ------
        MisuseError, InvalidAddress
            If the target is none, or nothing is known of its type.
        NoSuchService
            If no instance of that service is in the last snapshot.
        """
        if not isinstance(target, str):
            return Route(label(target), target)
        name = only_target(target)
        parsed = self._read(name)
        if isinstance(parsed, EntityName):
            return self._entity_route(name, parsed)
        if isinstance(parsed, ServiceName):
            return Route(name, self._pick(self._service(parsed.name)).ref)
        return Route(name, self._client.actor_ref(parsed.uri))

    def _read(self, name: str) -> EntityName | ServiceName | ActorAddress:
        """What a target means. ``eu/payment`` is an entity, unless ``eu`` is no sharded type and a service has that name."""
        parsed = parse_target(name)
        if not isinstance(parsed, EntityName) or self._client.num_shards(parsed.shard_type) is not None:
            return parsed
        snapshot = self._client.topology
        if snapshot is None or parsed.shard_type in snapshot.shard_allocations or not self._client.lookup(name).instances:
            return parsed
        return ServiceName(name)

    def _entity_route(self, name: str, entity: EntityName) -> Route:
        """Straight to the owner if the number of shards is known, else through a node's own proxy (PROTOCOL section 5)."""
        if self._client.num_shards(entity.shard_type) is not None:
            return Route(name, entity)
        host = self.host_of(entity.shard_type)
        if host is None:
            known = self.shard_types()
            raise MisuseError(
                f"nothing is known of the sharded type {entity.shard_type!r}{_did_you_mean(entity.shard_type, known)}; "
                f"a type without entities yet needs its number of shards: shards={{{entity.shard_type!r}: N}}"
            )
        return self.proxy_route(name, entity, host)

    def proxy_route(self, name: str, entity: EntityName, host: NodeAddress, *, said: bool = True) -> Route:
        """The way through the proxy of a node that hosts the type; it knows the number of shards. `said`: leave a notice."""
        kind = entity.shard_type
        if said:
            self._notice_proxy(kind, host)
        return Route(name, ActorRef(ActorAddress(self._client.system_name, f"/{kind}", host), self._client), entity)

    def _notice_proxy(self, kind: str, host: NodeAddress) -> None:
        self._notice(
            kind,
            f"the number of shards of {kind!r} is not known here: its messages go through the proxy of {self._name(host)}, "
            f"which knows it. shards={{{kind!r}: N}} makes them go straight to their owners.",
        )

    def _notice(self, key: str, text: str) -> None:
        if key not in self._noticed and len(self._noticed) < self._client.settings.max_shard_types:
            self._noticed.add(key)
            self.notices.append(text)

    def host_of(self, shard_type: str) -> NodeAddress | None:
        """A node that hosts the type, by the snapshot: one that we reach if there is one."""
        snapshot = self._client.topology
        allocations = snapshot.shard_allocations.get(shard_type, {}) if snapshot is not None else {}
        hosts = sorted({allocation.primary for allocation in allocations.values()})
        return next((host for host in hosts if self._reached(host)), hosts[0] if hosts else None)

    def shard_types(self) -> list[str]:
        """The sharded types that are known."""
        snapshot = self._client.topology
        return sorted({*self._client.shard_counts, *(snapshot.shard_allocations if snapshot is not None else ())})

    # --- services ----------------------------------------------------------------------------------------------------

    def instances(self, service: str) -> list[ServiceInstance]:
        """The instances of a service, or of a service on one member: ``payment``, ``payment@node-2``.

        Raises
        ------
        NoSuchService
            If there is none.
        """
        return self._service(service)

    def _service(self, service: str) -> list[ServiceInstance]:
        found = list(self._client.lookup(service))
        name, at, member = service.rpartition("@")
        if not found and at:
            found = [each for each in self._client.lookup(name) if self._name(each.node) == member]
        if found:
            return found
        raise NoSuchService(self._no_service(service, name, member) if at else self._no_service(service, service, ""))

    def _no_service(self, target: str, name: str, member: str) -> FailureReport:
        snapshot = self._client.topology
        known = sorted({entry.key for entry in snapshot.registry}) if snapshot is not None else []
        members = sorted((each.id for each in snapshot.members), key=natural) if snapshot is not None else []
        if member and name in known:
            if member in members:
                at = sorted({self._name(each.node) for each in self._client.lookup(name)}, key=natural)
                cause = f"{member} has no instance of {name}; it is on {', '.join(at[:10])}."
            else:
                cause = f"no member is called {member!r}{_did_you_mean(member, members)}."
            return FailureReport(target, cause, snapshot_age=self._client.snapshot_age)
        hint = f" It is a sharded type: write {name}/ENTITY-ID." if name in self.shard_types() else ""
        cause = f"no instance of that service is in the last snapshot{_did_you_mean(name, known)}.{hint}"
        return FailureReport(
            target, cause, "See the services table for what is there.", snapshot_age=self._client.snapshot_age
        )

    def _pick(self, instances: list[ServiceInstance]) -> ServiceInstance:
        """Choose an instance at random, on a node that we reach if there is one."""
        live = [each for each in instances if self._reached(each.node)]
        return random.choice(live or instances)  # noqa: S311 - spreads load, guards nothing

    # --- where it is -------------------------------------------------------------------------------------------------

    def spot(self, route: Route) -> tuple[NodeAddress | None, int | None, tuple[NodeAddress, ...]]:
        """Node, shard and replicas of what a route leads to; unknown ones are None."""
        entity = route.entity
        if entity is None:
            return (route.to.address.node if isinstance(route.to, ActorRef) else None), None, ()
        if self._client.num_shards(entity.shard_type) is None:
            return None, None, ()
        shard, owner, replicas = self._client.locate(entity.shard_type, entity.entity_id)
        return owner, shard, replicas

    def location(self, route: Route) -> Location:
        """Shard, owner, replicas and reachability of what a route leads to."""
        address, shard, replicas = self.spot(route)
        member = self._member(address)
        health = self._client.health.get(address) if address is not None else None
        entity = route.entity
        return Location(
            route.target, entity.shard_type if entity else None, entity.entity_id if entity else None, shard,
            member.id if member else None, address, replicas, health.reachable if health else None,
            member.status.name if member else None,
        )  # fmt: skip

    def where(self, target: AnyTarget) -> Location:
        """The location of a target. Where the number of shards of an entity's type is not known, only its name is."""
        parsed = self._read(only_target(target)) if isinstance(target, str) else None
        if isinstance(parsed, ServiceName):
            return self._everywhere(label(target), self._service(parsed.name))
        if isinstance(parsed, EntityName) and self._client.num_shards(parsed.shard_type) is None:
            self._refuse_if_mistyped(parsed.shard_type)
            return Location(label(target), parsed.shard_type, parsed.entity_id, None, None, None, (), None, None)
        return self.location(self.route(target))

    def _everywhere(self, target: str, instances: list[ServiceInstance]) -> Location:
        """The location of a service: a node that we reach, if there is one, and the other nodes as its replicas."""
        nodes = sorted({each.node for each in instances}, key=lambda node: (not self._reached(node), node))
        first = self.location(Route(target, next(each.ref for each in instances if each.node == nodes[0])))
        return replace(first, replicas=tuple(nodes[1:]))

    def _refuse_if_mistyped(self, shard_type: str) -> None:
        known = self.shard_types()
        if shard_type not in known and (close := difflib.get_close_matches(shard_type, known, n=1)):
            raise MisuseError(f"nothing is known of the sharded type {shard_type!r}; did you mean {close[0]!r}")

    def _reached(self, node: NodeAddress) -> bool:
        health = self._client.health.get(node)
        return health is not None and bool(health.reachable)

    def _member(self, address: NodeAddress | None) -> Member | None:
        if (snapshot := self._client.topology) is not self._snapshot:
            self._snapshot = snapshot
            self._members = {member.address: member for member in snapshot.members} if snapshot is not None else {}
        return self._members.get(address) if address is not None else None

    def node_name(self, address: NodeAddress | None) -> str | None:
        """The member's name at an address; None if there is no member."""
        member = self._member(address)
        return member.id if member is not None else None

    def _name(self, address: NodeAddress) -> str:
        return self.node_name(address) or str(address)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}"
    return f" (there are: {', '.join(names[:10])})" if names else " (there are none)"
