"""The parts of a client that collections and node reports use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.values import EntityKey, ValueReader
from casty_notebook.backends.virtual.session.members import Members
from casty_notebook.settings import Settings
from casty_notebook.topology.health import NodeHealth

__all__ = ["ClientFace", "SeeingFace"]


class ClientFace(Protocol):
    """What collections use of a client."""

    settings: Settings
    reader: ValueReader

    @property
    def members(self) -> Members | None: ...
    async def wait_for_members(self, timeout: float = 10.0) -> Members: ...
    async def ask(
        self, target: EntityKey | str, message: Any, *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool = False, force: bool = False,
    ) -> Any: ...  # fmt: skip


class SeeingFace(ClientFace, Protocol):
    """What node reports use of a client, who must also know which nodes are reached."""

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]: ...
