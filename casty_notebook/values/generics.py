"""Type variables of refs, keys, envelopes and asks. Type checkers read them, nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # The syntax of PEP 695 knows no defaults before Python 3.13. Without one every bare `ActorRef` in an annotation, and every
    # `ServiceKey("payment")` in a call, is an error for `mypy --strict`. Type checkers read this, nothing else does.
    M = TypeVar("M", default=Any)
    M_co = TypeVar("M_co", default=Any, covariant=True)
    M_contra = TypeVar("M_contra", default=Any, contravariant=True)
    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    M, M_co, M_contra, R = TypeVar("M"), TypeVar("M_co"), TypeVar("M_contra"), TypeVar("R")

__all__ = ["M", "M_co", "M_contra", "R"]
