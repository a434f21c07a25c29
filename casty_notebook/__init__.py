"""Explore a live Casty actor cluster from Jupyter and IPython.

``%load_ext casty_notebook`` for the magics, `connect` for plain calls, `ClusterClient` for asyncio. The public names are
imported on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from casty_notebook.address import ActorAddress, NodeAddress
    from casty_notebook.backends.sharded.aio.client import ClusterClient
    from casty_notebook.backends.virtual.aio.client import VirtualClient
    from casty_notebook.client.connections import connections, current
    from casty_notebook.loops.nested import allow_nested
    from casty_notebook.net.ssh_config import SSH
    from casty_notebook.net.tls import TLS
    from casty_notebook.settings import Settings
    from casty_notebook.topology.moment import Moment
    from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot
    from casty_notebook.values.envelope import ShardEnvelope
    from casty_notebook.values.one_of import OneOf
    from casty_notebook.values.refs import ActorRef, EntityRef
    from casty_notebook.values.remote_error import RemoteError
    from casty_notebook.values.services import Listing, ServiceInstance, ServiceKey
    from casty_notebook.values.standin import StandIn
    from casty_notebook.views.alarms.conditions import answer_is, member_is, no_problems
    from casty_notebook.views.checkup import CheckUp, doctor
    from casty_notebook.views.cluster import Cluster, connect
    from casty_notebook.views.past.recording import Recording

__version__ = "0.1.0"

_HOMES = {
    "ActorAddress": "address",
    "ActorRef": "values.refs",
    "CheckUp": "views.checkup",
    "Cluster": "views.cluster",
    "ClusterClient": "backends.sharded.aio.client",
    "EntityRef": "values.refs",
    "Listing": "values.services",
    "Member": "topology.snapshot",
    "MemberStatus": "topology.snapshot",
    "Moment": "topology.moment",
    "NodeAddress": "address",
    "OneOf": "values.one_of",
    "Recording": "views.past.recording",
    "RemoteError": "values.remote_error",
    "SSH": "net.ssh_config",
    "ServiceEntry": "topology.snapshot",
    "ServiceInstance": "values.services",
    "ServiceKey": "values.services",
    "Settings": "settings",
    "ShardAllocation": "topology.snapshot",
    "ShardEnvelope": "values.envelope",
    "StandIn": "values.standin",
    "TLS": "net.tls",
    "TopologySnapshot": "topology.snapshot",
    "VirtualClient": "backends.virtual.aio.client",
    "allow_nested": "loops.nested",
    "answer_is": "views.alarms.conditions",
    "connect": "views.cluster",
    "connections": "client.connections",
    "current": "client.connections",
    "doctor": "views.checkup",
    "member_is": "views.alarms.conditions",
    "no_problems": "views.alarms.conditions",
}

__all__ = [
    "SSH",
    "TLS",
    "ActorAddress",
    "ActorRef",
    "CheckUp",
    "Cluster",
    "ClusterClient",
    "EntityRef",
    "Listing",
    "Member",
    "MemberStatus",
    "Moment",
    "NodeAddress",
    "OneOf",
    "Recording",
    "RemoteError",
    "ServiceEntry",
    "ServiceInstance",
    "ServiceKey",
    "Settings",
    "ShardAllocation",
    "ShardEnvelope",
    "StandIn",
    "TopologySnapshot",
    "VirtualClient",
    "allow_nested",
    "answer_is",
    "connect",
    "connections",
    "current",
    "doctor",
    "load_ipython_extension",
    "member_is",
    "no_problems",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(ip: Any) -> None:
    """``%load_ext casty_notebook``: the magics, the completer, the reprs. Idempotent."""
    from casty_notebook.magics import extension

    extension.load(ip)


def unload_ipython_extension(ip: Any) -> None:
    """``%unload_ext casty_notebook``: takes everything back and closes the connections."""
    from casty_notebook.magics import extension

    extension.unload(ip)
