"""Values of numpy, pandas and their like in messages: scalars go as the plain values they are, collections are refused.

A node need not have these packages: it would drop the message without a word. One that has them would keep an ``int64``
where its author wrote ``int``, and answer with it. Nothing is imported for this: what is not loaded made no value.
"""

from __future__ import annotations

import datetime
import functools
import numbers
from typing import Any

from casty_notebook.errors import UnsendableMessage

__all__ = ["is_foreign", "plain_value"]

PACKAGES = frozenset({"numpy", "pandas", "polars", "pyarrow"})

REMEDIES = (
    ("tolist", "value.tolist()"), ("to_list", "value.to_list()"), ("to_pylist", "value.to_pylist()"),
    ("to_dicts", "value.to_dicts()"), ("to_dict", 'value.to_dict("records")'),
)  # fmt: skip
"""Methods that collections have, the first that is there counts, and what to write."""


def is_foreign(cls: type) -> bool:
    """Whether the instances of a class are those of such a package.

    Examples
    --------
    >>> is_foreign(int)
    False
    """
    return _any_foreign(cls.__mro__)


@functools.lru_cache(maxsize=4096)
def _any_foreign(classes: tuple[type, ...]) -> bool:
    return any(cls.__module__.partition(".")[0] in PACKAGES for cls in classes)


def plain_value(value: Any) -> Any:
    """The plain Python value that a scalar of such a package stands for.

    Raises
    ------
    UnsendableMessage
        For a collection, with what to write instead; for a missing value; for one that Python has no form for.
    """
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        made = _of_numpy(value)
    elif isinstance(value, datetime.datetime):  # pandas' Timestamp
        made = None if value != value else _exactly(value, value.to_pydatetime(warn=False))  # type: ignore[attr-defined]
    elif isinstance(value, datetime.timedelta):
        made = None if value != value else _exactly(value, value.to_pytimedelta())  # type: ignore[attr-defined]
    elif type(value).__name__ in ("NAType", "NaTType"):
        made = None
    else:
        raise _collection(value)
    if made is None:
        raise UnsendableMessage(f"{value!r} stands for a value that is missing; send None, or leave such rows out")
    if is_foreign(type(made)):
        raise _collection(value)
    return made


def _of_numpy(value: Any) -> Any:
    """Its own way first; what that leaves as it is (``longdouble``, ``str_``) by the kind of number or text it is."""
    kind = type(value).__name__
    if kind in ("datetime64", "timedelta64"):
        return _moment(value, kind)
    if kind == "ndarray":
        raise _collection(value)
    made = value.item()
    if not is_foreign(type(made)):
        return made
    if isinstance(made, numbers.Real):
        return float(made)
    return complex(made) if isinstance(made, numbers.Complex) else made


def _moment(value: Any, kind: str) -> Any:
    made = value.item()
    if isinstance(made, int):  # finer than Python's, or of a unit that it does not have (months)
        try:
            coarser = value.astype(f"{kind}[us]")
            same = bool(coarser == value)
        except TypeError:
            raise _collection(value) from None
        return _exactly(value, coarser.item(), same=same)
    return made


def _exactly(value: Any, made: Any, *, same: bool | None = None) -> Any:
    if not (value == made if same is None else same) or isinstance(made, int):
        raise UnsendableMessage(f"{value!r} is finer than Python's microseconds, or beyond its years; round it before sending")
    return made


def _collection(value: Any) -> UnsendableMessage:
    cls = type(value)
    what = f"a {cls.__module__.partition('.')[0]}.{cls.__qualname__}"
    scalar = getattr(value, "shape", None) == () and not hasattr(value, "__setitem__")
    found = [remedy for method, remedy in REMEDIES if hasattr(value, method) and not scalar]
    instead = f"Send {found[0]}" if found else "Send plain Python values"
    return UnsendableMessage(f"{what} cannot be sent: a node need not have that package, and would drop it in silence. {instead}")
