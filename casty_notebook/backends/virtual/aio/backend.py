"""The `Backend` of clusters of casty 0.30: a `VirtualClient`, and the picture of what its members say."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.contract import AnyTarget, Heard, Location
from casty_notebook.backends.read_only import ReadOnlyRail
from casty_notebook.backends.virtual.aio.client import VirtualClient
from casty_notebook.backends.virtual.aio.collections import Structures
from casty_notebook.backends.virtual.aio.node_reports import ROWS
from casty_notebook.backends.virtual.aio.targets import PINNED_KEY
from casty_notebook.backends.virtual.codec.values import EntityKey
from casty_notebook.backends.virtual.session.events import TellMade
from casty_notebook.backends.virtual.session.members import OWNING, Members, pinned_to
from casty_notebook.backends.virtual.session.picture import Painter, slice_of
from casty_notebook.backends.virtual.session.ring import NodeId, token
from casty_notebook.errors import ContactAttempt, FailureReport, MisuseError, NoSuchService
from casty_notebook.logs import room_logger
from casty_notebook.printable import printable
from casty_notebook.topology.check_result import Finding
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.names import natural
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.topology.traffic import TrafficHistory
from casty_notebook.values.message_text import written_message
from casty_notebook.values.standin import StandIn, StandInClass
from casty_notebook.values.targets import Exact, only_target

__all__ = ["VirtualBackend", "VirtualRoute"]

log = room_logger(__name__)


GLANCE = 20
"""Keys that each node names for a live picture: those with the deepest mailboxes. From 50 nodes they are 60 KB a second, where
all keys would be 15 MB."""


@dataclass(frozen=True, slots=True)
class VirtualRoute:
    """The way to a key. It names no node: a message goes to whichever owns the key when it leaves."""

    target: str
    entity: EntityKey
    force: bool = False


class VirtualBackend:
    """See `Backend`.

    Parameters
    ----------
    rail
        What a read-only connection lets pass; None for any other.
    """

    kind = VIRTUAL
    shard_counts: Mapping[str, int] = {}
    contact: NodeAddress | None = None
    """None is preferred: every member is asked for its table."""

    def __init__(self, client: VirtualClient, rail: ReadOnlyRail | None = None) -> None:
        self.client = client
        self.settings = client.settings
        self.notices: list[str] = []
        self._rail = rail
        self._painter = Painter()
        self._named: tuple[TopologySnapshot | None, dict[NodeAddress, str]] = (None, {})
        self._keyless: set[str] = set()
        """Types that were asked without a key, each warned of once. Only pinned types may be, but nothing on the wire says which
        those are, and a node creates such a key of any type."""

    async def open(self, timeout: float) -> None:
        await self.client.__aenter__()
        try:
            await self.client.wait_for_members(timeout)
        except BaseException:
            await self.client.__aexit__()
            raise

    async def close(self) -> None:
        await self.client.__aexit__()

    # --- what is known -----------------------------------------------------------------------------------------------

    @property
    def system_name(self) -> str:
        return self.client.cluster_name

    @property
    def topology(self) -> TopologySnapshot | None:
        return self._painter.paint(self.client.members)

    @property
    def snapshot_age(self) -> float | None:
        return self.client.table_age

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        return self.client.health

    @property
    def traffic(self) -> TrafficHistory:
        return self.client.traffic

    @property
    def counters(self) -> Mapping[str, int]:
        return self.client.counters

    @property
    def contact_attempts(self) -> tuple[ContactAttempt, ...]:
        return self.client.contact_attempts

    @property
    def found(self) -> str:
        return "an ask creates its key where there is none" if self._rail is None else ""

    def on_snapshot(self, listener: Callable[[TopologySnapshot], None]) -> Callable[[], None]:
        def changed(members: Members) -> None:
            picture = self._painter.paint(members)
            if picture is not None:
                listener(picture)

        return self.client.on_change(changed)

    def node_name(self, address: NodeAddress | None) -> str | None:
        picture = self.topology
        if self._named[0] is not picture:
            members = picture.members if picture is not None else ()
            self._named = picture, {member.address: member.id for member in members}
        return self._named[1].get(address) if address is not None else None

    async def examine(self, shards: Mapping[str, int] | None) -> list[Finding]:  # noqa: ARG002 - there are none
        from casty_notebook.backends.virtual.aio.doctor import examine

        return await examine(self.client, entered=True)

    @property
    def last_reports(self) -> Mapping[NodeAddress, NodeReport]:
        return self.client.last_reports

    async def node_reports(self, *, glance: bool = False) -> Mapping[NodeAddress, NodeReport]:
        keys = GLANCE if glance else ROWS
        return await self.client.node_reports(keys=keys, met_only=glance or self._rail is not None)

    # --- targets -----------------------------------------------------------------------------------------------------

    def route(self, target: AnyTarget, *, force: bool = False) -> VirtualRoute:
        if isinstance(target, VirtualRoute):
            return target
        entity, name = self._parsed(target)
        if self._rail is not None and force:
            raise MisuseError("a read-only connection insists on nothing: it makes a node import a module, or restart an actor")
        key = self.client.resolve(entity, force=force)
        if not {"/", "@"} & set(name) and name not in self._keyless:
            self._keyless.add(name)  # bounded by the number of types, as only names that were resolved get here
            log.warning(
                "%s names no key: asked is the one called %r, pinned to %s. A type that is not pinned wants %s/KEY; it has such "
                "a key now", printable(name), PINNED_KEY, self.node_name(pinned_to(key.key)) or key.key, printable(name),
            )  # fmt: skip
        return VirtualRoute(name, key, force)

    def _parsed(self, target: Any) -> tuple[EntityKey | str, str]:
        if isinstance(target, EntityKey):
            return target, str(target)
        if not isinstance(target, str):
            raise MisuseError(
                f"on a cluster of casty 0.30 a target is a text like counter/user-42, not {type(target).__name__}: "
                "its actors have no addresses"
            )
        name = only_target(target)
        if name.startswith("casty://"):
            raise MisuseError(f"{name} names an actor by its address, which casty 0.30 does not have; write TYPE/KEY")
        kind, at, rest = name.partition("@")
        if at and "/" not in kind:
            place, slash, key = rest.partition("/")
            if (address := self._address_of(place)) is not None:
                return f"{kind}@{address}{slash}{key}", name
            if ":" not in place:
                raise MisuseError(f"no member is called {place!r}{self._near(place)}")
        if "/" not in name and not at:
            return self._any_instance(name), name
        return name, name

    def _address_of(self, name: str) -> NodeAddress | None:
        picture = self.topology
        return next((each.address for each in picture.members if each.id == name), None) if picture is not None else None

    def _near(self, name: str) -> str:
        picture = self.topology
        names = sorted((each.id for each in picture.members), key=natural) if picture is not None else []
        close = difflib.get_close_matches(name, names, n=1)
        return f"; did you mean {close[0]!r}" if close else f" (there are: {', '.join(names[:10])})" if names else ""

    def _any_instance(self, name: str) -> str:
        """The instance of a pinned type on a member that we reach; on any member if we reach none."""
        found, health = self.instances(name), self.health
        views = {each: health.get(NodeAddress.parse(each.rpartition("@")[2])) for each in found}
        return next((each for each, view in views.items() if view is not None and view.reachable), found[0])

    def instances(self, name: str) -> list[str]:
        kind, at, place = name.partition("@")
        members = self.client.members
        if members is None:
            return []
        full = self.client.resolve(EntityKey(kind, "-")).actor
        at_address = self._address_of(place) if at else None
        if at and at_address is None:
            raise MisuseError(f"no member is called {place!r}{self._near(place)}")
        found: list[str] = [
            Exact(f"{full}@{member.address}")
            for member in members.members
            if full in member.types and at_address in (None, member.address)
        ]
        if not found:
            raise NoSuchService(FailureReport(name, f"no member{f' at {place}' if at else ''} has met the type {full}."))
        return found

    def where(self, target: AnyTarget) -> Location:
        entity, name = self._parsed(target)
        placed = self.client.place(entity)
        members = self.client.members
        owner = placed.owner
        heir = _heir(members, placed.actor, placed.key, owner) if members is not None and owner is not None else None
        member = members.get(owner) if members is not None and owner is not None else None
        view = self.health.get(owner) if owner is not None else None
        pinned = pinned_to(placed.key) is not None
        return Location(
            name, placed.actor, placed.key, None if pinned else slice_of(token(f"{placed.actor}/{placed.key}")),
            self.node_name(owner), owner, tuple(each for each in placed.replicas if each != owner),
            view.reachable if view is not None else None, member.status if member is not None else None, heir, VIRTUAL,
        )  # fmt: skip

    def spot(self, route: VirtualRoute) -> tuple[NodeAddress | None, int | None, tuple[NodeAddress, ...]]:
        entity = route.entity
        placed = self.client.place(entity)
        shard = None if pinned_to(entity.key) is not None else slice_of(token(f"{entity.actor}/{entity.key}"))
        return placed.owner, shard, placed.replicas

    def structures(self, wait: Callable[[Any], Any], name: str) -> Structures:
        """The collections, whose calls `wait` waits for."""
        return Structures(self.client, wait, name, self._rail)

    # --- messages ----------------------------------------------------------------------------------------------------

    def question(self, message: Any, reply_field: str) -> Any:  # noqa: ARG002 - a reply's address travels in a field of one name
        return self._checked(_ready(message))

    def statement(self, message: Any) -> Any:
        ready = _ready(message)
        if self._rail is not None:
            raise self._rail.refuse_tell(ready)
        return ready

    def _checked(self, message: Any) -> Any:
        rail = self._rail
        if rail is None:
            return message
        if callable(message) and not isinstance(message, StandIn | StandInClass):
            return lambda reply_to: rail.check(message(reply_to))
        return rail.check(message)

    def ask(
        self, route: VirtualRoute, asked: Any, *, timeout: float | None, retry: bool, fail_fast: bool | None, force: bool = False
    ) -> Awaitable[Any]:
        hasty = self.settings.fail_fast if fail_fast is None else fail_fast
        return self.client.ask(route.entity, asked, timeout=timeout, retry=retry, fail_fast=hasty, force=force or route.force)

    def tell(self, route: VirtualRoute, told: Any, *, force: bool = False) -> None:
        if self._rail is not None:
            raise self._rail.refuse_tell(told)
        self.client.tell(route.entity, told, force=force or route.force)

    def prepare_tell(self, target: AnyTarget, told: Any) -> TellMade | None:
        # Only texts without patterns, which are what is told by the thousand; the loop itself takes care of the others.
        if type(target) is not str or "{" in target or "://" in target or self._rail is not None:
            return None
        return self.client.prepare_tell(target, told)

    def tell_prepared(self, told: TellMade) -> None:
        self.client.tell_prepared(told)

    async def drain(self) -> None:
        await self.client.drain()

    def listen(self, route: VirtualRoute, asked: Any, *, timeout: float | None, retry: bool, limit: int) -> Heard:
        return self.client.listen(route.entity, asked, timeout=timeout, retry=retry, limit=limit, force=route.force)

    def register(self, *classes: Any) -> None:
        self.client.register(*classes)


def _ready(message: Any) -> Any:
    """The message to send: a text is parsed and a class is called, so that mistakes in either show before anything is sent."""
    if isinstance(message, str):
        return written_message(message)
    if isinstance(message, type | StandInClass):
        try:
            return message()
        except TypeError as error:
            if _takes_reply_to_alone(message):
                return lambda reply_to: message(reply_to=reply_to)
            name = message.dotted if isinstance(message, StandInClass) else message.__qualname__
            raise MisuseError(f"{name} cannot be made without arguments: {error}") from None
    return message


def _takes_reply_to_alone(message: Any) -> bool:
    """Whether a class is made from the reply's address and nothing else, as those of a sharded cluster often are."""
    try:
        message(reply_to=None)
    except TypeError:
        return False
    return True


def _heir(members: Members, actor: str, key: str, owner: NodeAddress) -> NodeAddress | None:
    """Where a key goes when its owner is removed: to the next replica in order that takes messages."""
    status: dict[NodeId, str] = {member.id: member.status for member in (*members.members, *members.former)}
    others = [node for node in members.replicas(actor, key) if node.address != owner]
    return next((node.address for node in others if status.get(node) in OWNING), None)
