"""How targets, events and effects are made: plain values that cost little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import dataclass_transform

__all__ = ["value"]



@dataclass_transform(frozen_default=True)
def value[T](cls: type[T]) -> type[T]:
    """Make a plain value: frozen for the type checker, which holds that nobody changes one, and not at run time.

    Several are made for each ask, and a dataclass that is frozen at run time takes three times as long to make (attrs
    documents the same way out).
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
