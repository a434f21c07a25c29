"""What every client of a cluster promises to the rooms above: `Backend`, and the values that it speaks in.

Nothing above this folder names a backend; `client.choice` opens the one that a contact point's answers ask for. A backend
lives on one event loop, and all of it is called there. What it says of a cluster is a picture (`topology`), newest only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.errors import ContactAttempt
from casty_notebook.printable import printable
from casty_notebook.settings import Settings
from casty_notebook.topology.check_result import Finding
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.kinds import SHARDED, Kind
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.topology.traffic import TrafficHistory
from casty_notebook.values.refs import ActorRef, EntityRef

__all__ = ["AnyTarget", "Arrival", "Backend", "Heard", "Location", "Route", "label"]

type AnyTarget = str | ActorRef | EntityRef
"""Whom a message is for: what a person writes, or a ref of this connection."""


def label(target: AnyTarget) -> str:
    """What a target is called in tables and errors."""
    return target if isinstance(target, str) else target.uri if isinstance(target, ActorRef) else repr(target)


class Route(Protocol):
    """The way that was chosen for one message to one target. Each backend has its own; `target` is what the user wrote."""

    @property
    def target(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Location:
    """Where a target lives, as known now.

    Attributes
    ----------
    shard
        Its shard; on a virtual cluster its slice of the ring, of 1,024.
    replicas
        The other nodes that keep it, in order; of a service, those of its other instances.
    heir
        Where it goes when its node is removed; None where that cannot be computed.

    Examples
    --------
    >>> Location("counter/a", "counter", "a", 70, "node-2", NodeAddress("10.0.1.11", 25520), (), reachable=True, status="up")
    <Location of counter/a: shard 70 on node-2 at 10.0.1.11:25520, up, reachable>
    >>> Location("counter/a", "counter", "a", 70, None, None, (), reachable=None, status=None)
    <Location of counter/a: shard 70, which no node owns: not in use yet, or about to be placed>
    """

    target: str
    shard_type: str | None
    entity_id: str | None
    shard: int | None
    node: str | None
    address: NodeAddress | None
    replicas: tuple[NodeAddress, ...]
    reachable: bool | None
    status: str | None
    heir: NodeAddress | None = None
    kind: Kind = SHARDED

    def __repr__(self) -> str:
        if self.address is None and self.shard is not None:
            unplaced = "not in use yet, or about to be placed"
            return printable(f"<Location of {self.target}: {self.kind.placement} {self.shard}, which no node owns: {unplaced}>")
        shard = f"{self.kind.placement} {self.shard} " if self.shard is not None else ""
        node = f"on {self.node} at {self.address}" if self.node else f"at {self.address}" if self.address else "nowhere known"
        what = "replicas" if self.shard_type is not None else "and"
        copies = f", {what} at {', '.join(map(str, self.replicas))}" if self.replicas else ""
        heir = f", then at {self.heir}" if self.heir is not None else ""
        reach = {True: "reachable", False: "not reachable", None: "reachability unknown"}[self.reachable]
        return printable(f"<Location of {self.target}: {shard}{node}{copies}{heir}, {self.status or 'no member'}, {reach}>")


@dataclass(slots=True)
class Arrival:
    """One message that came to a listener: when (on the monotonic clock), from which node, and how many bytes it was."""

    at: float
    node: NodeAddress | None
    message: Any
    size: int


class Heard(Protocol):
    """A listener: what an actor tells a ref of ours, until it is closed."""

    @property
    def ref(self) -> Any: ...
    @property
    def received(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    async def batch(self, timeout: float | None = None) -> list[Arrival]:
        """Wait for one message at least, and take all that came; none if the listener is closed."""
        ...

    def close(self) -> None: ...
    def __aiter__(self) -> AsyncIterator[Any]: ...


class Backend(Protocol):
    """One connection to one cluster.

    Errors are those of `casty_notebook.errors`. A message that may have left for a node is not sent again unless the caller
    allows it; one that has not left is held until its timeout. Nothing here blocks.

    Attributes
    ----------
    kind
        What the cluster can say, and the words for its things.
    client
        The asyncio client behind it, as its own users know it.
    notices
        Choices made for the user that he should be told of, each once: whoever shows them removes them from the list.
    """

    kind: Kind
    settings: Settings
    notices: list[str]

    @property
    def client(self) -> Any: ...

    # --- opening and closing ---

    async def open(self, timeout: float) -> None:
        """Connect, and wait for the first picture; `NoContactPoint` lists every contact point with what happened there."""
        ...

    async def close(self) -> None:
        """Leave nothing behind: unsubscribe, flush within `Settings.close_timeout`, close."""
        ...

    # --- what is known; never asks anybody ---

    @property
    def system_name(self) -> str:
        """The cluster's name, corrected if a node said another."""
        ...

    @property
    def topology(self) -> TopologySnapshot | None:
        """The newest picture; None before the first. The same object until something changes."""
        ...

    @property
    def snapshot_age(self) -> float | None:
        """Seconds since a node last said what the picture is made of, changed or not."""
        ...

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        """Our own view of each node, from our own connections."""
        ...

    @property
    def shard_counts(self) -> Mapping[str, int]:
        """Sharded types whose number of shards is known; empty where there are none."""
        ...

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened so far, by name."""
        ...

    @property
    def contact(self) -> NodeAddress | None:
        """The node whose pictures are followed now; None where those of all nodes are."""
        ...

    @property
    def contact_attempts(self) -> tuple[ContactAttempt, ...]:
        """What happened at each contact point so far."""
        ...

    @property
    def found(self) -> str:
        """What was found out about the cluster by asking and is worth a line; empty if nothing."""
        ...

    @property
    def traffic(self) -> TrafficHistory:
        """What became of our own asks in the last hour, by node, type and cause; a value, to be read on any thread."""
        ...

    def on_snapshot(self, listener: Callable[[TopologySnapshot], None]) -> Callable[[], None]:
        """Call `listener` with each changed picture, in order; returns the way to stop that."""
        ...

    def node_name(self, address: NodeAddress | None) -> str | None:
        """The member's name at an address; None if there is no member."""
        ...

    async def examine(self, shards: Mapping[str, int] | None) -> list[Finding]:
        """Look at the whole way to the cluster; never raises for what is found. Takes less than five seconds."""
        ...

    @property
    def last_reports(self) -> Mapping[NodeAddress, NodeReport]:
        """What the nodes said of themselves when they were asked a moment ago; empty if they were not."""
        ...

    async def node_reports(self, *, glance: bool = False) -> Mapping[NodeAddress, NodeReport]:
        """What the nodes say of themselves; they are asked once a second at most.

        A `glance` is for a picture that follows them: all counts, but a few keys of each node only, and no node is made to
        import anything for it.

        Raises
        ------
        MisuseError
            If they cannot be asked; says how they could.
        """
        ...

    # --- targets ---

    def route(self, target: AnyTarget, *, force: bool = False) -> Any:
        """Choose the way to a target, once. The result is for `ask`, `tell`, `listen` and `spot`.

        Raises
        ------
        MisuseError, InvalidAddress, NoSuchService, NoSuchType
            If there is none; says what is near.
        """
        ...

    def where(self, target: AnyTarget) -> Location:
        """Where a target lives, as known now."""
        ...

    def spot(self, route: Any) -> tuple[NodeAddress | None, int | None, tuple[NodeAddress, ...]]:
        """Node, placement and replicas of what a route leads to; unknown ones are None."""
        ...

    def instances(self, name: str) -> list[Any]:
        """Targets of all instances of a service, or of a pinned type on every member; `NoSuchService` if there is none."""
        ...

    def structures(self, wait: Callable[[Any], Any], name: str) -> Any:
        """Distributed counters, maps, sets and queues, by name; their methods call `wait` with the coroutine of each call."""
        ...

    # --- messages ---

    def question(self, message: Any, reply_field: str) -> Any:
        """What a person wrote, made ready to be asked once or many times; `MisuseError` before anything is sent."""
        ...

    def statement(self, message: Any) -> Any:
        """What a person wrote, made ready to be told."""
        ...

    def ask(
        self, route: Any, asked: Any, *, timeout: float | None, retry: bool, fail_fast: bool | None, force: bool = False
    ) -> Awaitable[Any]:
        """Ask, and wait for the reply."""
        ...

    def tell(self, route: Any, told: Any, *, force: bool = False) -> None:
        """Send without waiting; what can be known at once is raised at once."""
        ...

    def prepare_tell(self, target: AnyTarget, told: Any) -> Any:
        """On any thread, write a tell that `tell_prepared` then sends; None if it has to be told on the loop, by `tell`.

        Raises what can be known at once, as `tell`.
        """
        ...

    def tell_prepared(self, told: Any) -> None:
        """Send what `prepare_tell` gave. Never raises: nobody waits."""
        ...

    async def drain(self) -> None:
        """Wait until all that was told has left."""
        ...

    def listen(self, route: Any, asked: Any, *, timeout: float | None, retry: bool, limit: int) -> Heard:
        """Send a message with a ref of ours, and receive whatever is told to that ref."""
        ...

    def register(self, *classes: Any) -> None:
        """Name classes that replies may become."""
        ...
