"""Exceptions that arrive as values: inert, since making the real one would run its class."""

from __future__ import annotations

import builtins
from typing import Any, final

from casty_notebook.printable import printable
from casty_notebook.values.standin import StandInClass

__all__ = ["RemoteError", "names_an_exception"]

_BUILT_IN = frozenset(
    f"builtins.{name}" for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
)
_SUFFIXES = ("Error", "Exception", "ExceptionGroup")


def names_an_exception(dotted: str) -> bool:
    """Whether a class that is called with its arguments is one, by its name: that is all we have of it.

    Examples
    --------
    >>> [names_an_exception(name) for name in ("builtins.KeyboardInterrupt", "shop.OutOfStockError", "shop.Order")]
    [True, True, False]
    """
    return dotted in _BUILT_IN or dotted.endswith(_SUFFIXES)


@final
class RemoteError:
    """An exception that an actor sent as a value. It is data: nothing raises it, and it can be sent on as what it was.

    Attributes
    ----------
    cls
        The class's name, as a stand-in class.
    args
        What it was made with.
    attributes
        What else was set on it (``__notes__``, fields of its own).

    Examples
    --------
    >>> RemoteError(StandInClass("shop.errors", "OutOfStockError"), ("sku-1", 3))
    RemoteError(shop.errors.OutOfStockError, 'sku-1', 3)
    """

    __slots__ = ("args", "attributes", "cls")

    def __init__(self, cls: StandInClass, args: tuple[Any, ...], attributes: dict[str, Any] | None = None) -> None:
        self.cls = cls
        self.args = args
        self.attributes = attributes or {}

    def __eq__(self, other: object) -> bool:
        if type(other) is not RemoteError:
            return NotImplemented
        return (self.cls, self.args, self.attributes) == (other.cls, other.args, other.attributes)

    def __hash__(self) -> int:
        return hash((self.cls, self.args))

    def __repr__(self) -> str:
        held = [self.cls.dotted.removeprefix("builtins."), *map(repr, self.args)]
        held += [f"{name}={value!r}" for name, value in self.attributes.items()]
        return printable(f"RemoteError({', '.join(held)})")

    def __copy__(self) -> RemoteError:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> RemoteError:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """As the exception itself would be written, so that a node gets one."""
        return (self.cls, self.args, dict(self.attributes)) if self.attributes else (self.cls, self.args)
