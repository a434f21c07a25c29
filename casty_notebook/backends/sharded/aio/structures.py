"""casty's distributed structures, read and written through their documented messages (PROTOCOL section 5, appendix C).

Each structure is a sharded type of its own, ``d-counter-hits``, with one entity named like it (a map: one per key,
``users:alice``). It exists once a node has created it; nothing here can create one.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from time import monotonic
from typing import Any, ClassVar

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.face import ClientFace
from casty_notebook.backends.sharded.aio.resolver import Route, TargetResolver
from casty_notebook.backends.sharded.session.messages import GetShardLocation, ShardLocation
from casty_notebook.errors import AskTimeout, MisuseError
from casty_notebook.settings import checked_count, checked_seconds
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.request import question
from casty_notebook.values.standin import StandInModule, module_proxy
from casty_notebook.values.targets import EntityName

__all__ = ["Counter", "Dict", "Distributed", "Queue", "Set", "Structures"]


class Structures:
    """The structures of one connection, by name.

    Parameters
    ----------
    wait
        What their methods do with the coroutine of a call: wait for it, or give it back to be awaited.
    name
        What the connection is called.
    """

    def __init__(self, client: ClientFace, placing: TargetResolver, wait: Callable[[Any], Any], name: str) -> None:
        self.client = client
        self.placing = placing
        self.wait = wait
        self.name = name

    def counter(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Counter:
        """The counter that the nodes call `name`.

        Parameters
        ----------
        shards
            Its number of shards, as the nodes created it. None: its messages go through a hosting node's own proxy, which
            knows it, since a wrong number would start a second counter of that name.
        timeout
            Seconds for each call; `Settings.ask_timeout` if None.
        """
        return Counter(self, name, shards, timeout)

    def dict(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Dict:
        """The map that the nodes call `name`; parameters as for `counter`."""
        return Dict(self, name, shards, timeout)

    def set(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Set:
        """The set that the nodes call `name`; parameters as for `counter`."""
        return Set(self, name, shards, timeout)

    def queue(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Queue:
        """The queue that the nodes call `name`; parameters as for `counter`."""
        return Queue(self, name, shards, timeout)


class _Generic:
    """Makes structures of one kind, with the types of its items or without: ``map[str, int]("users")``, ``map("users")``."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __getitem__(self, types: Any) -> Callable[..., Any]:
        return self._make

    def __call__(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Any:
        return self._make(name, shards=shards, timeout=timeout)


class Distributed:
    """The structures by casty's own names; every method of one is to be awaited.

    Parameters as for `Structures.counter`. An observer holds no locks, semaphores or barriers: one that goes away would
    leave them held.

    Examples
    --------
    >>> async def main(client):
    ...     hits = client.distributed().counter("hits")
    ...     users = client.distributed().map[str, int]("users")
    ...     return await hits.increment(), await users.get("alice")
    """

    def __init__(self, client: ClientFace) -> None:
        self._made = made = Structures(client, TargetResolver(client), lambda coroutine: coroutine, client.system_name)
        self.map = _Generic(made.dict)
        self.set = _Generic(made.set)
        self.queue = _Generic(made.queue)

    def counter(self, name: str, *, shards: int | None = None, timeout: float | None = None) -> Any:
        """The counter that the nodes call `name`."""
        return self._made.counter(name, shards=shards, timeout=timeout)


class _Structure:
    """One structure, as seen through one connection. Makes no traffic until it is asked something.

    Raises
    ------
    AskTimeout, NodeUnreachable, Overloaded, ClientClosed
        By every method, each with a report of all that is known.
    ReadOnly
        By the methods that write, on a read-only connection; nothing was sent.
    ShardCountMismatch
        If `shards` contradicts what the cluster shows.
    """

    kind: ClassVar[str]
    infix: ClassVar[str]

    def __init__(self, connection: Structures, name: str, shards: int | None, timeout: float | None) -> None:
        if not name:
            raise MisuseError(f"a {self.kind} has a name; write for example cluster.{self.kind}('hits')")
        self.name = name
        self.shard_type = f"d-{self.infix}-{name}"
        self._connection = connection
        self._shards = None if shards is None else checked_count("shards", shards)
        self._timeout = None if timeout is None else checked_seconds("timeout", timeout)
        self._messages: StandInModule = module_proxy(f"casty.distributed.{self.kind}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {self._connection.name}>"

    def _read(self, message: str, entity: str | None = None, **fields: Any) -> Any:
        # It does no harm when it arrives twice, so it survives the loss of its node.
        return self._connection.wait(self._ask(message, entity, fields, retry=True))

    def _write(self, message: str, entity: str | None = None, **fields: Any) -> Any:
        return self._connection.wait(self._ask(message, entity, fields, retry=False))

    async def _ask(self, message: str, entity: str | None, fields: Any, *, retry: bool) -> Any:
        client = self._connection.client
        timeout = client.settings.ask_timeout if self._timeout is None else self._timeout
        ends = monotonic() + timeout
        route = await self._route(EntityName(self.shard_type, self.name if entity is None else entity), timeout)
        asked = question(self._messages[message](**fields))
        return await client.ask(
            route.to, route.asks(asked), timeout=max(0.001, ends - monotonic()), retry=retry, label=route.target
        )

    async def _route(self, entity: EntityName, timeout: float) -> Route:
        placing, client = self._connection.placing, self._connection.client
        name = f"{self.kind} {entity.entity_id!r}"
        count = self._shards or client.num_shards(self.shard_type)
        if count is not None:
            client.entity_ref(self.shard_type, count)
            return Route(name, entity)
        host = placing.host_of(self.shard_type) or await self._host_by_leader(name, timeout)
        return placing.proxy_route(name, entity, host, said=False)

    async def _host_by_leader(self, name: str, timeout: float) -> NodeAddress:
        """A node that hosts the type although it has no shards yet: the leader gives shard 0, which every count has, to one."""
        client = self._connection.client
        snapshot = await client.wait_for_topology(timeout)
        if snapshot.leader is None:
            raise MisuseError(f"{name}: the cluster has no leader that could say who hosts {self.shard_type!r}; ask again later")
        coordinator = ActorRef(ActorAddress(client.system_name, f"/_coord-{self.shard_type}", snapshot.leader), client)
        try:
            found = await client.ask(coordinator, lambda ref: GetShardLocation(0, ref), timeout=timeout, retry=True, label=name)
        except AskTimeout as silence:
            raise AskTimeout(
                dataclasses.replace(
                    silence.report, cause=f"no node hosts it: the leader named none for {self.shard_type!r}.",
                    advice=f"A {self.kind} exists once a node has created it.{self._did_you_mean()}", may_have_run=False,
                )
            ) from None  # fmt: skip
        if not isinstance(found, ShardLocation):
            raise MisuseError(f"{name}: the leader answered {type(found).__name__} instead of a node")
        return found.node

    def _did_you_mean(self) -> str:
        prefix = f"d-{self.infix}-"
        names = [kind.removeprefix(prefix) for kind in self._connection.placing.shard_types() if kind.startswith(prefix)]
        close = difflib.get_close_matches(self.name, [name for name in names if name != self.name], n=1)
        return f" Did you mean {close[0]!r}?" if close else ""


class Counter(_Structure):
    """A distributed counter."""

    kind = infix = "counter"

    def get(self) -> int:
        """Its value; 0 if nobody counted yet."""
        return self._read("GetValue")  # type: ignore[no-any-return]

    def increment(self, amount: int = 1) -> int:
        """Add, and return the new value."""
        return self._write("Increment", amount=checked_count("amount", amount, None))  # type: ignore[no-any-return]

    def decrement(self, amount: int = 1) -> int:
        """Subtract, and return the new value."""
        return self._write("Decrement", amount=checked_count("amount", amount, None))  # type: ignore[no-any-return]

    def destroy(self) -> bool:
        """End it; the next use starts from 0."""
        return self._write("DestroyCounter")  # type: ignore[no-any-return]


class Dict(_Structure):
    """A distributed map. Each key is an entity of its own, so there is no size and no list of keys."""

    kind = "dict"
    infix = "map"

    def get(self, key: Any) -> Any:
        """The value of a key; None if there is none (casty does not tell a value of None from that)."""
        return self._read("Get", self._key(key))

    def contains(self, key: Any) -> bool:
        """Whether a key has a value other than None."""
        return self._read("Contains", self._key(key))  # type: ignore[no-any-return]

    def put(self, key: Any, value: Any) -> Any:
        """Set the value of a key, and return the one before."""
        return self._write("Put", self._key(key), value=value)

    def delete(self, key: Any) -> bool:
        """Take a key out; whether it was there."""
        return self._write("Delete", self._key(key))  # type: ignore[no-any-return]

    def _key(self, key: Any) -> str:
        return f"{self.name}:{key}"


class Set(_Structure):
    """A distributed set."""

    kind = infix = "set"

    def contains(self, value: Any) -> bool:
        """Whether a value is in it."""
        return self._read("SetContains", value=value)  # type: ignore[no-any-return]

    def size(self) -> int:
        """How many values are in it."""
        return self._read("SetSize")  # type: ignore[no-any-return]

    def add(self, value: Any) -> bool:
        """Put a value in; whether it is new."""
        return self._write("Add", value=value)  # type: ignore[no-any-return]

    def remove(self, value: Any) -> bool:
        """Take a value out; whether it was there."""
        return self._write("Remove", value=value)  # type: ignore[no-any-return]

    def destroy(self) -> bool:
        """End it; the next use starts empty."""
        return self._write("DestroySet")  # type: ignore[no-any-return]


class Queue(_Structure):
    """A distributed first-in, first-out queue."""

    kind = infix = "queue"

    def peek(self) -> Any:
        """The next item, which stays; None if there is none."""
        return self._read("Peek")

    def size(self) -> int:
        """How many items wait."""
        return self._read("QueueSize")  # type: ignore[no-any-return]

    def enqueue(self, value: Any) -> None:
        """Put an item at the end."""
        return self._write("Enqueue", value=value)  # type: ignore[no-any-return]

    def dequeue(self) -> Any:
        """Take the next item; None if there is none."""
        return self._write("Dequeue")

    def destroy(self) -> bool:
        """End it; the next use starts empty."""
        return self._write("DestroyQueue")  # type: ignore[no-any-return]
