"""In which encodings a cluster may be asked, the likeliest first. How they look as bytes, only `codec` and `aio` know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["PICKLE", "Encoding", "guesses", "guesses_logged", "known_encodings"]


class Encoding(NamedTuple):
    """How messages are written: module names of casty's own classes, serializer, compression."""

    layout: str
    serializer: str
    compression: str | None = None

    @property
    def configuration(self) -> tuple[str, str | None]:
        """What the cluster's configuration says; the layout comes with casty's version."""
        return self.serializer, self.compression

    @property
    def configured(self) -> str:
        """The configuration in words."""
        return self.serializer + (f" with {self.compression}" if self.compression else "")

    @property
    def options(self) -> str:
        """What to pass to need no guesses."""
        return f"serializer={self.serializer!r}" + (f", compression={self.compression!r}" if self.compression else "")

    def __str__(self) -> str:
        old = " in the class layout of casty 0.15" if self.layout == "flat" else ""
        return self.configured + old


PICKLE = (Encoding("pkg", "pickle"), Encoding("flat", "pickle"))
"""What every version is configured for unless told otherwise, in the newer layout, then the older."""


def known_encodings(serializer: str, compression: str | None) -> tuple[Encoding, ...]:
    """What is possible where the configuration is known: anything but plain pickle means 0.19 or later (PROTOCOL section 4.4).

    Examples
    --------
    >>> [each.layout for each in known_encodings("pickle", None)], [each.layout for each in known_encodings("json", None)]
    (['pkg', 'flat'], ['pkg'])
    """
    if (serializer, compression) == ("pickle", None):
        return PICKLE
    return (Encoding("pkg", serializer, compression),)


def guesses(serializers: Sequence[str], compressions: Iterable[str]) -> tuple[Encoding, ...]:
    """What is possible where nothing is known but the serializers that payloads show (PROTOCOL section 4.5).

    Examples
    --------
    >>> [str(each) for each in guesses(["pickle", "json", "msgpack"], ["zlib"])][2:]
    ['json', 'msgpack', 'pickle with zlib', 'json with zlib', 'msgpack with zlib']
    """
    plain = (*PICKLE, *(Encoding("pkg", name) for name in serializers if name != "pickle"))
    packed = (Encoding("pkg", name, each) for each in compressions for name in serializers)
    return (*plain, *packed)


def guesses_logged(wrong: int) -> str:
    """What wrong guesses leave behind.

    Examples
    --------
    >>> guesses_logged(1)
    "1 wrong guess is in its nodes' logs"
    """
    return f"{wrong} wrong {'guess is' if wrong == 1 else 'guesses are'} in its nodes' logs"
