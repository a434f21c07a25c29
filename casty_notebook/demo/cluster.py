"""A real Casty cluster on this machine: node processes on loopback, started, broken and mended by plain calls."""

from __future__ import annotations

import html
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Literal, Self

from casty_notebook.address import ClusterURI, NodeAddress
from casty_notebook.demo import messages
from casty_notebook.demo.ports import free_ports
from casty_notebook.demo.process import DemoNode, end_together
from casty_notebook.demo.side_folder import RELEASE, prepare
from casty_notebook.errors import ClusterError, MisuseError, NodeDidNotStart
from casty_notebook.settings import checked_count

__all__ = ["DemoCluster"]

START_TIMEOUT = 30.0
"""Seconds for nodes to load casty, listen and see each other; about 1.5 are needed where nothing else runs."""

NEEDS_SHARDED = "casty>=0.20.1,<0.22"
NEEDS_VIRTUAL = "casty>=0.30.1,<0.31"


class DemoCluster:
    """new --start--> running --stop--> stopped. Blocking, thread-safe, and gone when this process is, however it ends.

    Every node hosts the sharded types ``counter`` and ``account``, the first two the service ``payment``; what they
    understand is in `casty_notebook.demo.messages`. Nodes of casty 0.30 have the types ``counter``, ``account``, ``sleeper``
    (slow) and ``faulty``, the pinned type ``payment``, and the collections ``visits``, ``prices``, ``cities`` and ``jobs``.

    Parameters
    ----------
    nodes
        How many, named ``node-1``, ``node-2`` and so on.
    system
        The cluster's name.
    casty
        Which casty the nodes run: that of ``python`` with shards and services, or ``"0.30"`` for virtual actors. Where this
        environment has another casty, 0.30 is put into a folder of the user's cache on first use.
    shards
        Shards of each sharded type.
    host
        Where all nodes listen. They do not authenticate anybody: leave it on loopback.
    python
        The interpreter that runs the nodes; it needs nothing else than casty 0.15 to 0.21, or 0.30 with ``casty="0.30"``.
    app
        A Python file for every node to run once it is up, with the names ``system`` (casty's own) and ``node`` (its name),
        to spawn actors of your own.
    tls
        A folder with ``node.pem``, ``node.key`` and ``ca.pem``; the certificate must name `host`.
    serializer, compression
        As in the cluster's configuration; others than plain pickle need casty 0.19.
    log_level
        How much of casty's log reaches `DemoNode.log_tail`.

    Raises
    ------
    MisuseError
        When casty is missing, or the options cannot work. Raised by `start`.
    ClusterError
        When the nodes did not come up; quotes their log. Raised by `start`, `restart` and `add`.

    Examples
    --------
    >>> with DemoCluster(nodes=1) as demo:  # doctest: +SKIP
    ...     print(demo.uri)
    casty://demo@127.0.0.1:25012
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        system: str = "demo",
        casty: str | None = None,
        shards: int = 100,
        host: str = "127.0.0.1",
        python: str | os.PathLike[str] | None = None,
        app: str | os.PathLike[str] | None = None,
        tls: str | os.PathLike[str] | None = None,
        serializer: Literal["pickle", "json", "msgpack", "cloudpickle"] = "pickle",
        compression: Literal["zlib", "gzip", "bz2", "lzma", "lz4"] | None = None,
        log_level: Literal["debug", "info", "warning", "error"] = "warning",
    ) -> None:
        nodes, shards = checked_count("nodes", nodes), checked_count("shards", shards)
        self.system = system
        self.host = host
        self._size = nodes
        self._shards = shards
        self._given_python = os.fspath(python) if python is not None else None
        self._virtual = _is_virtual(casty)
        self._folder: Path | None = None
        self._options = ["--system", system, "--log-level", log_level]
        if not self._virtual:
            self._options += ["--shards", str(shards), "--serializer", serializer]
            self._options += ["--compression", compression] if compression else []
        elif serializer != "pickle" or compression:
            raise MisuseError("nodes of casty 0.30 have one encoding: leave out serializer and compression")
        self._options += ["--app", str(Path(app).resolve())] if app else []
        self._options += ["--tls-dir", str(Path(tls).resolve())] if tls else []
        self._lock = threading.RLock()
        self._bell = threading.Condition()
        self._nodes: list[DemoNode] = []
        self._finalizer: weakref.finalize[..., DemoCluster] | None = None

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[DemoNode, ...]:
        """Every node that was ever started and not forgotten by `stop`, in order of its name's number."""
        return tuple(self._nodes)

    def node(self, name: str) -> DemoNode:
        """The node of that name.

        Raises
        ------
        MisuseError
            If there is none; names those that exist.
        """
        for node in self._nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self._nodes) or "none: call start()"
        raise MisuseError(f"there is no node {name!r}; there are {known}")

    @property
    def running(self) -> bool:
        """Between `start` and `stop`."""
        return bool(self._nodes)

    @property
    def contact_points(self) -> tuple[NodeAddress, ...]:
        """The addresses of the nodes whose process lives, or of all if none does."""
        return tuple(node.address for node in self._living() or self._nodes)

    @property
    def uri(self) -> str:
        """What `casty_notebook.connect` takes."""
        if not self._nodes:
            raise MisuseError("this demo cluster has no address before start()")
        return str(ClusterURI(self.system, self.contact_points))

    @property
    def shards(self) -> dict[str, int]:
        """The sharded types with their number of shards, as `casty_notebook.connect` takes them; none on casty 0.30."""
        return {} if self._virtual else {"counter": self._shards, "account": self._shards}

    @property
    def messages(self) -> tuple[ModuleType, ...]:
        """What its actors answer with, as `casty_notebook.connect` takes it; else the answers arrive as stand-ins."""
        return (messages,)

    def __repr__(self) -> str:
        if not self._nodes:
            return f"<DemoCluster {self.system!r}: {self._size} nodes, not started>"
        nodes = ", ".join(f"{node.name} {node.address} {node.state}" for node in self._nodes)
        return f"<DemoCluster {self.system!r}: {nodes}>"

    def _repr_html_(self) -> str:
        head = f"<b>Demo cluster</b> <code>{html.escape(self.system)}</code>"
        if not self._nodes:
            return f"{head}: {self._size} nodes, not started"
        rows = "".join(
            f"<tr><td>{html.escape(node.name)}</td><td>{node.address}</td><td>{node.pid}</td><td>{node.state}</td></tr>"
            for node in self._nodes
        )
        heads = "".join(f"<th scope='col'>{title}</th>" for title in ("node", "address", "process", "state"))
        return f"{head}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"

    # --- its life ---------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start all nodes and wait until each sees all. Does nothing if it runs already; returns itself."""
        with self._lock:
            if self._nodes:
                return self
            if self._virtual and self._given_python is None:
                self._folder = prepare()
            # The nodes end with this object or this interpreter. Should this not run, they end because their stdin does.
            self._finalizer = weakref.finalize(self, _end_all, self._nodes, os.getpid())
            try:
                self._launch(self._new_nodes(self._size))
            except BaseException:
                self.stop()
                raise
            return self

    def stop(self) -> None:
        """End all nodes and wait until they are gone. Does nothing if it does not run."""
        with self._lock:
            if self._finalizer is not None:
                self._finalizer()
                self._finalizer = None
            self._nodes.clear()

    close = stop

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- breaking and mending it ------------------------------------------------------------------------------------

    def kill(self, name: str) -> DemoNode:
        """SIGKILL a node: it leaves without a word, its sockets are reset. Returns it when it is gone."""
        with self._lock:
            node = self.node(name)
            node.kill()
            return node

    def terminate(self, name: str) -> DemoNode:
        """SIGTERM a node and wait until it is gone. Casty has no farewell: the others notice as they do for `kill`."""
        with self._lock:
            node = self.node(name)
            end_together([node])
            return node

    def freeze(self, name: str) -> DemoNode:
        """SIGSTOP a node: its connections stay open, and silent."""
        with self._lock:
            node = self.node(name)
            node.freeze()
            return node

    def thaw(self, name: str) -> DemoNode:
        """SIGCONT a frozen node."""
        with self._lock:
            node = self.node(name)
            node.thaw()
            return node

    def restart(self, name: str) -> DemoNode:
        """Start a node anew on its address, ending it first if need be; waits until it has joined the living ones."""
        with self._lock:
            node = self.node(name)
            end_together([node])
            self._launch([node])
            return node

    def add(self) -> DemoNode:
        """Start one more node and wait until it has joined the living ones."""
        with self._lock:
            if not self._nodes:
                raise MisuseError("start() the cluster before adding to it")
            (node,) = self._new_nodes(1)
            try:
                self._launch([node])
            except BaseException:
                node.kill()
                self._nodes.remove(node)
                raise
            return node

    # --- inside -----------------------------------------------------------------------------------------------------

    def _new_nodes(self, count: int) -> list[DemoNode]:
        # Ports ascend, since the lowest address leads (PROTOCOL section 6.6): node-1, unless no higher ports were left.
        highest = max((node.address.port for node in self._nodes), default=0)
        number = len(self._nodes) + 1
        nodes = [
            DemoNode(f"node-{number + place}", NodeAddress(self.host, port), bell=self._bell)
            for place, port in enumerate(free_ports(count, self.host, above=highest))
        ]
        self._nodes.extend(nodes)
        return nodes

    def _living(self) -> list[DemoNode]:
        return [node for node in self._nodes if node.alive]

    def _listening(self) -> list[DemoNode]:
        return [node for node in self._nodes if node.alive and node.ready and not node.frozen]

    def _launch(self, nodes: Sequence[DemoNode]) -> None:
        """Start all processes at once, but let one listen first: a node that finds its seed deaf tries again only after 5 s."""
        seeds = [node.address for node in self._listening()] or [nodes[0].address]
        module = "virtual_node" if self._virtual else "node"
        for node in nodes:
            arguments = [*self._options, *self._arguments(node, seeds)]
            node.start(self._given_python or sys.executable, module, self._folder, arguments)
        first, rest = (None, nodes) if self._listening() else (nodes[0], nodes[1:])
        if first is not None:
            first.go()
            self._wait_for(lambda: first.ready, nodes, "listen")
        for node in rest:
            node.go()
        self._wait_for(lambda: all(node.ready and self._has_joined(node) for node in nodes), nodes, "join")

    def _arguments(self, node: DemoNode, seeds: Iterable[NodeAddress]) -> list[str]:
        arguments = [f"--seed={seed}" for seed in seeds if seed != node.address]
        if self._virtual:
            return arguments
        if self._hosts_payment(node):
            return [*arguments, "--payment", "--role=payments"]
        return [*arguments, "--role=entities"]

    def _hosts_payment(self, node: DemoNode) -> bool:
        return not self._virtual and node in self._nodes[:2]

    def _has_joined(self, node: DemoNode) -> bool:
        """It sees the living nodes and their services, and they see it."""
        peers = self._listening()
        living = {peer.address for peer in peers}
        offering = {peer.address for peer in peers if self._hosts_payment(peer)}
        return all(
            (living if peer is node else {node.address}) <= peer.view.up - peer.view.unreachable
            and offering & ({node.address} if peer is not node else living) <= peer.view.services
            for peer in peers
        )

    def _wait_for(self, condition: Callable[[], bool], nodes: Sequence[DemoNode], purpose: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            with self._bell:
                if condition():
                    return
                # With a timeout, to notice a process that has ended while its reader thread has not yet rung the bell.
                self._bell.wait(0.1)
            for node in nodes:
                if not node.alive:
                    raise _failure(node, NEEDS_VIRTUAL if self._virtual else NEEDS_SHARDED)
            if time.monotonic() > deadline:
                log = nodes[0].log_tail(20)
                raise NodeDidNotStart(f"the nodes did not {purpose} within {START_TIMEOUT:g} s: {self!r}\n{log}")


def _is_virtual(casty: str | None) -> bool:
    """Whether the nodes are to run casty 0.30.

    Raises
    ------
    MisuseError
        For a version that is neither 0.30 nor left to the interpreter.
    """
    if casty is None:
        return False
    if casty in ("0.30", RELEASE):
        return True
    raise MisuseError(
        f"casty={casty!r}: nodes run the casty of their interpreter (0.15 to 0.21; leave it out, or give python=), or '0.30'"
    )


def _failure(node: DemoNode, needs: str) -> MisuseError | ClusterError:
    node.wait(None)
    kind, reason = node.failure or ("crash", f"its process ended before it was up\n{node.log_tail(20)}")
    if kind == "casty":
        return MisuseError(f"{reason}; the demo cluster needs it: pip install '{needs}'")
    if kind == "serializer":
        return MisuseError(reason)
    return NodeDidNotStart(f"{node.name} did not start: {reason.rstrip()}")


def _end_all(nodes: list[DemoNode], owner: int) -> None:
    if os.getpid() == owner:  # a forked child runs our exit handlers, too, but the nodes are not its own
        end_together(nodes)
