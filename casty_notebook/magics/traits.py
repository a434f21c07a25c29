"""The numbers of ``%config CastyMagics``. Each is checked like the argument of a call that it is the default of."""

from __future__ import annotations

from typing import Any

from traitlets import Float, Int, TraitError

from casty_notebook.errors import MisuseError
from casty_notebook.settings import checked_count, checked_seconds

__all__ = ["Count", "Seconds", "WrongOption"]


class WrongOption(MisuseError, TraitError):
    """A default that no call would take; traitlets keeps the one before."""


class Seconds(Float[float, float]):
    """A time to wait: more than 0, and finite."""

    def validate(self, _obj: Any, value: Any) -> float:
        """Return the number, or raise `WrongOption`."""
        try:
            return checked_seconds(str(self.name), value)
        except MisuseError as error:
            raise WrongOption(str(error)) from None


class Count(Int[int, int]):
    """How many: 1 or more."""

    def validate(self, _obj: Any, value: Any) -> int:
        """Return the number, or raise `WrongOption`."""
        try:
            return checked_count(str(self.name), value)
        except MisuseError as error:
            raise WrongOption(str(error)) from None
