"""Inputs for the parsers of clusters of 0.30, grown from what nodes say: ``python -m tests.fuzz.virtual FOLDER INPUTS SEED``.

Trees are those of real nodes and of every message class, in which one thing or the other is another on purpose; bytes are
damaged here and there, cut into frames of any length and mixed with frames that carry nothing. Some are long.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import msgpack

from casty_notebook.backends.virtual.wire.frames import HEADER, encode_data
from tests.backends.virtual.record import VECTORS
from tests.fuzz import virtual_targets
from tests.fuzz.virtual_targets import CLUSTER, CONTACT, KEYS, LIMITS, NUMBERS, TARGETS, TYPE
from tests.fuzz.watch import Watch
from tests.hostile.virtual.work import VALUES

__all__ = ["grown"]

WRONG = 0.05
LEAVES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 255, 2**31, 2**63 - 1, 2**64 - 1, -(2**63), 0.0, 1.5, float("nan"), "", "a", "é", "h:1",
    "a..b:1", "127.0.0.1:1", "h:99999", TYPE, "alive", "dead", "left", "immortal", "1.5", "9" * 40, "RED", b"", b"\0" * 16,
    b"\1" * 16, b"\xff" * 40, [], {}, [[]], [1, 2], ["r", None, b"\0" * 16, 1], ["e", "a:b", "k"], {"a": 1}, ["Get", {}],
    ["Value", {"data": b"\7"}],
)  # fmt: skip
FIELDS = {
    "Zoo": (
        "number", "ratio", "text", "octets", "maybe", "row", "pair", "names", "counts", "moment", "day", "span", "price", "id",
        "colour", "one", "several", "perhaps",
    ),
    "Inner": ("x",), "EchoZoo": ("zoo",), "Add": ("amount",), "Size": ("size", "data"), "Numbers": ("known", "counts", "pairs"),
    "Node": ("inner",), "Prices": ("all", "times"), "Unknown": ("a", "b"),
}  # fmt: skip
OURS = f"[{LIMITS.frame}, {LIMITS.message}, {LIMITS.window}]"
REASONS = (
    f'cluster "{CLUSTER}" is not "bank"', 'cluster "a" is not "b" is not "c"', "no", 'cluster "' + '" is not "' * 300,
    f"limits (frame, message, window) [1, 2, 3] are not {OURS}",
    f"limits (frame, message, window) {OURS} are not [1024, 2048, 4096]",
)  # fmt: skip
OUTCOMES: tuple[Any, ...] = (
    ["Value", {"data": b"\x07"}], ["Failed", {"actor": TYPE, "key": "a", "error": "SchemaError", "message": "no"}],
    ["Missing", {"actor": TYPE, "key": "a"}], ["Full", {}], ["Cycle", {}],
)  # fmt: skip


class Grower:
    """Grows one input after the other."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._said = [bytes.fromhex(data) for path in sorted(VECTORS.glob("frames-*.json"))
                      for said in json.loads(path.read_text()).values() for who, data in said if who == "node"]  # fmt: skip

    def __call__(self) -> bytes:
        rng = self._rng
        number = rng.randrange(len(TARGETS))
        match TARGETS[number].parse.__name__:
            case "stream" | "client":
                data = self._stream()
            case "answer":
                data = self._damaged(msgpack.packb(self._wrong(self._answer()[1])))
            case "message":
                data = self._damaged(msgpack.packb(self._wrong(self._message()[1])))
            case _:
                data = self._value()
        return bytes((number, rng.randrange(256))) + data

    # --- trees -----------------------------------------------------------------------------------------------------

    def _leaf(self) -> Any:
        return self._rng.choice(LEAVES)

    def _wrong(self, tree: Any) -> Any:
        """The tree, in which now and then something is another."""
        if self._rng.random() < WRONG:
            return self._leaf()
        if isinstance(tree, list):
            items = [self._wrong(item) for item in tree]
            return items * self._rng.randrange(4) if items and self._rng.random() < WRONG else items
        if isinstance(tree, dict):
            return {key: self._wrong(value) for key, value in tree.items() if self._rng.random() > WRONG / 2}
        return tree

    def _object(self, depth: int = 0) -> Any:
        rng = self._rng
        if depth > 5 or rng.random() < 0.4:
            return self._leaf()
        if rng.random() < 0.3:
            return [self._object(depth + 1) for _ in range(rng.randrange(5))]
        name = rng.choice(list(FIELDS))
        fields = {field: self._object(depth + 1) for field in FIELDS[name]}
        return fields if rng.random() < 0.3 else [name, fields]

    def _value(self) -> bytes:
        if not self._rng.randrange(2_000):
            return self._rng.choice(list(VALUES.values()))(self._rng.randrange(1 << 10, 1 << 19))
        return self._damaged(msgpack.packb(self._object()))

    def _answer(self) -> tuple[bytes, Any]:
        rng = self._rng
        if rng.random() < 0.8:
            return b"hello-ack", [str(CONTACT) if rng.random() < 0.8 else self._leaf(), b"\1" * 16, None]
        return b"hello-reject", [rng.choice(REASONS)]

    def _record(self) -> dict[str, Any]:
        rng = self._rng
        address = rng.choice((str(CONTACT), f"127.0.{rng.randrange(9)}.{rng.randrange(250)}:1"))
        status = rng.choice(("alive", "alive", "suspect", "dead", "leaving", "left"))
        node = {"address": address, "incarnation": bytes([rng.randrange(3)]) * 16}
        return {"node": node, "status": status, "types": rng.choices((TYPE, "a:b", "x"), k=rng.randrange(3)), "incarnation": 0}

    def _message(self) -> tuple[bytes, Any]:
        rng = self._rng
        match rng.randrange(4):
            case 0:
                records = [self._record() for _ in range(rng.choice((0, 1, 3, 40)))]
                sender = ["NodeId", {"address": str(CONTACT), "incarnation": b"\1" * 16}]
                return b"membership", ["Message", {"sender": sender, "body": ["SyncReply", {"records": records}]}]
            case 1:
                tell = rng.random() < 0.3
                reply = None if tell else ["ReplyTarget", {"node": {}, "id": rng.choice(NUMBERS)}]
                content = b"\x91\x01" if tell else b"\x90"
                deliver = {"actor": TYPE, "key": rng.choice(KEYS), "message": content, "reply": reply}
                return b"actors", ["WrongOwner", {"routed": {"command": ["Deliver", deliver], "origin": {}, "attempt": 1}}]
            case _:
                outcome = rng.choice(OUTCOMES)
                return b"replies", ["Reply", {"id": rng.choice(NUMBERS), "outcome": outcome}]

    # --- bytes -----------------------------------------------------------------------------------------------------

    def _damaged(self, data: bytes) -> bytes:
        rng = self._rng
        if rng.random() < 0.7:
            return data
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(changed) + 1)
            match rng.randrange(3):
                case 0:
                    changed[at : at + 1] = bytes([rng.randrange(256)])
                case 1:
                    changed[at:at] = rng.randbytes(rng.randrange(5))
                case _:
                    del changed[at : at + rng.randrange(9)]
        return bytes(changed)

    def _stream(self) -> bytes:
        rng = self._rng
        if rng.random() < 0.1:
            return self._damaged(b"".join(rng.choices(self._said, k=rng.randrange(1, 6))))
        frames = self._frames(1, *self._answer())
        for _ in range(rng.randrange(12)):
            if rng.random() < 0.2:
                size = rng.choice((0, 1, 9_999, 2**32 - 1))
                frames.append(HEADER.pack(2, rng.randrange(1, 5), 0, rng.choice((0, 1, 3, 5)), size))
            else:
                frames += self._frames(rng.choice((3, 3, 3, 3, 5, 1)), *self._message())
        return self._damaged(b"".join(frames) * (1 if rng.randrange(500) else 60))

    def _frames(self, stream: int, service: bytes, tree: Any) -> list[bytes]:
        rng = self._rng
        body = msgpack.packb(self._wrong(tree))
        data = (1 + len(service) + len(body)).to_bytes(4) + bytes((len(service),)) + service + body
        size = len(data) if rng.random() < 0.7 else rng.randrange(1, len(data) + 1)
        return [encode_data(stream, data[at : at + size]) for at in range(0, len(data), size)]


def grown(seed: int, count: int) -> list[bytes]:
    """Inputs for `virtual_targets.run`."""
    grower = Grower(seed)
    return [grower() for _ in range(count)]


def main() -> int:
    folder, inputs, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.nice(19)
    watch, grower = Watch(folder, virtual_targets), Grower(seed)
    for _ in range(inputs):
        watch(grower())
    watch.save()
    print(f"{watch.count:,} inputs; findings: {len(list((folder / 'found').iterdir()))}")
    return 1 if list((folder / "found").iterdir()) else 0


if __name__ == "__main__":
    sys.exit(main())
