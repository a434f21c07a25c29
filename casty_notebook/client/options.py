"""What `connect` may be told beside an address: one value from the line of a magic to the dialler."""

from __future__ import annotations

import difflib
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from casty_notebook.backends.arguments import checked_settings, checked_shards
from casty_notebook.backends.trace import TraceFunction
from casty_notebook.errors import MisuseError
from casty_notebook.net.dialler import AddressMap
from casty_notebook.net.ssh import SSH
from casty_notebook.net.tls import TLS
from casty_notebook.settings import Settings, checked_seconds

__all__ = ["ConnectOptions"]

_COLOUR = re.compile(r"[a-z]{3,20}|#[0-9a-f]{3}|#[0-9a-f]{6}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ConnectOptions:
    """The options of `connect`, checked. Where they are written is one place: here.

    Raises
    ------
    MisuseError
        If one cannot be, or two contradict each other.
    """

    shards: Mapping[str, int] | None = None
    name: str | None = None
    address_map: AddressMap = None
    timeout: float = 10.0
    serializer: str = "auto"
    compression: str | None = None
    tls: TLS | ssl.SSLContext | None = None
    messages: Iterable[Any] = ()
    settings: Settings = field(default_factory=Settings)
    ssh: SSH | str | None = None
    read_only: bool = False
    questions: Iterable[Any] = ()
    send_main: bool = False
    colour: str | None = None
    trace: TraceFunction | None = None

    def __post_init__(self) -> None:
        if self.shards is not None and not isinstance(self.shards, Mapping):
            raise MisuseError(f"shards says how many each type has, as {{'counter': 100}}; {self.shards!r:.60} names no type")
        if self.questions and not self.read_only:
            raise MisuseError("questions are what a read-only connection may ask; add read_only=True, or leave them out")
        if self.colour is not None and not _COLOUR.fullmatch(self.colour):
            raise MisuseError(f"{self.colour!r} is no colour; write a CSS name (crimson) or #rgb or #rrggbb")
        # A frozen value that holds what was checked, and not what was given.
        object.__setattr__(self, "settings", checked_settings(self.settings))
        object.__setattr__(self, "shards", checked_shards(self.shards))
        object.__setattr__(self, "timeout", checked_seconds("timeout", self.timeout))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ConnectOptions:
        """Options as keywords; Python itself would answer a mistyped one with a page of internals."""
        takes = {each.name for each in fields(cls)}
        for name in options:
            if name not in takes:
                close = difflib.get_close_matches(name, takes, n=1)
                hint = f"did you mean {close[0]}" if close else f"it takes {', '.join(sorted(takes))}"
                raise MisuseError(f"connect has no option {name!r}; {hint}")
        return cls(**options)
