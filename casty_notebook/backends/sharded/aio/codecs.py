"""One codec for each encoding that a cluster may have, and which of them wrote a payload."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.codec.codec import Codec, recognise
from casty_notebook.backends.sharded.codec.serializers import SERIALIZERS, TOLD_APART
from casty_notebook.backends.sharded.session.encodings import Encoding, guesses, known_encodings
from casty_notebook.errors import MisuseError, UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.castys_refs import is_castys
from casty_notebook.values.registry import Layout, Registry

__all__ = ["AUTO", "Codecs", "named", "remember"]

AUTO = "auto"
"""In place of a serializer's name: find it out by asking."""

LIKELIEST = ("zlib", "gzip", "lz4", "bz2", "lzma")
"""Compressions in the order they are tried: casty's own default first."""

REMEMBERED = 256
_remembered: dict[tuple[str, NodeAddress], Encoding] = {}
"""Encodings that clients of this process have found, by contact point: the next client of the same begins with that one."""


def remember(system: str, contacts: tuple[NodeAddress, ...], encoding: Encoding) -> None:
    """Keep what was found out for the next client of these contact points."""
    for contact in contacts:
        _remembered.pop((system, contact), None)
        _remembered[system, contact] = encoding
    while len(_remembered) > REMEMBERED:
        del _remembered[next(iter(_remembered))]


def named(serializer: Any, compression: str | None, settings: Settings) -> tuple[str, str | None]:
    """The names of serializer and compression, where one of casty's own serializer objects may stand for both.

    Raises
    ------
    MisuseError
        For any other object: what it writes is its secret.
    """
    if serializer is None:
        return "pickle", compression
    if isinstance(serializer, str):
        return serializer, compression
    if not is_castys(type(serializer)) or not callable(getattr(serializer, "serialize", None)):
        raise MisuseError(
            f"serializer= takes a name ({', '.join(SERIALIZERS)}) or one of casty's own serializers, not "
            f"{type(serializer).__name__}"
        )
    # casty's compressing serializers do not say which compression they use, but the first bytes of what they write do.
    written, compressed_by = recognise(bytes(serializer.serialize("")), settings)
    inner = type(getattr(serializer, "_inner", serializer)).__name__
    return "cloudpickle" if inner == "CloudPickleSerializer" else written, compression or compressed_by


class Codecs:
    """Writes in the encoding it is told, reads what the cluster sends.

    Parameters
    ----------
    serializer, compression
        As the cluster is configured; ``"auto"`` for the serializer stands for any, with any compression, or with the
        one that is given.

    Raises
    ------
    MisuseError
        For a serializer or compression that casty does not have.
    """

    def __init__(self, registry: Registry, serializer: str, compression: str | None, settings: Settings) -> None:
        self.auto = serializer == AUTO
        self._registry = registry
        self._settings = settings
        self._fixed = Codec(registry, "pickle" if self.auto else serializer, compression, settings=settings)
        self._codecs: dict[Encoding, Codec] = {}
        self._encodings = _guesses(compression) if self.auto else known_encodings(serializer, compression)

    @property
    def untried(self) -> str:
        """What could not be tried, and what to install for it; empty if nothing is missing."""
        if not self.auto or any(each.compression == "lz4" for each in self._encodings) or find_spec("lz4") is not None:
            return ""
        return "lz4 was not tried, since its package is not here: pip install lz4"

    def encodings(self, system: str, contacts: tuple[NodeAddress, ...]) -> tuple[Encoding, ...]:
        """What to try there, the likeliest first."""
        known = (_remembered.get((system, contact)) for contact in contacts)
        first = [each for each in known if each in self._encodings]
        return tuple(dict.fromkeys((*(each for each in first if each is not None), *self._encodings)))

    def of(self, encoding: Encoding) -> Codec:
        """The codec of an encoding."""
        codec = self._codecs.get(encoding)
        if codec is None:
            layout = Layout(encoding.layout)
            if self.auto:
                codec = Codec(self._registry, encoding.serializer, encoding.compression, layout, self._settings)
            else:
                codec = self._fixed.with_layout(layout)
            self._codecs[encoding] = codec
        return codec

    def read(
        self, data: bytes, known: Encoding | None, start: int = 0, most: int | None = None
    ) -> tuple[Any, tuple[str, str | None] | None]:
        """Read the payload that is all of `data` from `start` on; also the configuration that wrote it, where any is possible.

        It is read in the encoding of the cluster as soon as that is `known`, since first bytes can deceive (a small number in
        msgpack is a digit in JSON). Before that, and if it fails, its first bytes decide.

        Raises
        ------
        UndecodableMessage, TakesLonger
            As `Codec.decode`.
        """
        if not self.auto:
            return self._fixed.decode(data, start, most), None
        if known is not None:
            try:
                return self.of(known).decode(data, start, most), known.configuration
            except UndecodableMessage:
                configuration = recognise(data, self._settings, start, most)
                if configuration == known.configuration:
                    raise
        else:
            configuration = recognise(data, self._settings, start, most)
        return self.of(Encoding(Layout.pkg, *configuration)).decode(data, start, most), configuration


def _guesses(compression: str | None) -> tuple[Encoding, ...]:
    if compression is not None:
        return tuple(each for each in guesses(TOLD_APART, [compression]) if each.compression is not None)
    # Without its package lz4 can be neither written nor read.
    return guesses(TOLD_APART, (name for name in LIKELIEST if name != "lz4" or find_spec("lz4") is not None))
