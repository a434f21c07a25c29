"""The golden vectors: frames made by real casty 0.15.1, 0.16.2, 0.20.1 and 0.21.0, with their decoded content."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "vectors"


@dataclass(frozen=True)
class Vector:
    """One frame and what its index entry says of it."""

    file: str
    facts: dict[str, Any]

    @property
    def frame(self) -> bytes:
        return (FOLDER / self.file).read_bytes()

    @property
    def serializer(self) -> tuple[str, str | None]:
        """(serializer, compression)."""
        name, _, compression = self.facts["serializer"].partition("+")
        return name, compression or None

    @property
    def payload(self) -> bytes:
        """The payload, cut out by hand so that tests of the codec do not depend on the wire."""
        frame = self.frame
        return frame[9 + int.from_bytes(frame[5:9]) :]


VECTORS = [
    Vector(facts["file"], facts) for facts in json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))["vectors"]
]
HANDSHAKES = [vector for vector in VECTORS if vector.facts["kind"] == "handshake"]
MESSAGES = [vector for vector in VECTORS if vector.facts["kind"] == "message"]


def named(file: str) -> Vector:
    """The vector of that file."""
    return next(vector for vector in VECTORS if vector.file == file)
