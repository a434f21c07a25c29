"""Inputs that are nearly right: pickles, trees and recordings grown from their grammars, and damaged here and there.

A fuzzer that changes bytes hardly ever gets past the first opcode that wants a tuple below it. These know what lies on the
stack and in the memo, which names the tables hold, and in which form their arguments come; one in fifty is another on purpose.
Some are grown to a megabyte, by doing the same again and again, which is how work and memory are asked for.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from struct import pack
from typing import Any

from casty_notebook.backends.sharded.codec.pickle.objects import _FINISHED, _SPECIAL
from casty_notebook.backends.sharded.codec.pickle.standard_types import BUILDERS
from casty_notebook.views.past.recording import MAGIC
from tests.fuzz import targets
from tests.fuzz.targets import input_for
from tests.values.table import USER_CLASSES

__all__ = ["LONGEST", "grown"]

LONGEST = 1 << 20
"""Bytes of the longest inputs."""
_LONG = 2000
"""One input in so many is long."""
_WRONG = 0.02
_CASTYS = (
    "casty.NodeAddress", "casty.ShardAllocation", "casty.TopologySnapshot", "casty.Member", "casty.MemberStatus",
    "casty.ServiceEntry", "casty.cluster.coordinator.ShardLocation", "casty.ShardEnvelope", "casty.ServiceKey", "casty.Listing",
)  # fmt: skip
_STRANGERS = ("a.B", "os.system", "builtins.ValueError", "shop.OutOfStockError", "functools.partial", "operator.getitem")
CALLED = (*BUILDERS, *_FINISHED, *_SPECIAL, "casty.remote.ref.restore_actor_ref", "copyreg._reconstructor", *_STRANGERS)
CLASSES = (*(f"{cls.__module__}.{cls.__qualname__}" for cls in USER_CLASSES), *_CASTYS, *_STRANGERS)
FIELDS = (
    "value", "currency", "owner", "items", "note", "left", "right", "x", "y", "host", "port", "primary", "replicas", "members",
    "leader", "shard_allocations", "allocation_epoch", "address", "status", "roles", "id", "maps", "int", "__orig_class__",
    "__dict__",
)  # fmt: skip
TEXTS = (
    "", "a", "é", "casty://s@h:1/p", "Europe/Berlin", "10.0.0.1", "10.0.0.0/8", "::1", "1.5", "1/3", "latin1", "d", "up", "h",
    "a.b", "[a-z]+(x|y)", "NaN", "\ud800", "9" * 300,
)  # fmt: skip
INTS = (
    0, 1, 2, 16, 32, 255, 256, 65535, 25520, 2**31 - 1, -1, -2, 2**40, 2**61 - 2, 2**61 - 1, 2**61, 2**64, 2**127, 2**2000,
    -(2**63),
)  # fmt: skip
PACKED = (4, 6, 10, 16)


class PickleGrammar:
    """Writes one value after the other, and keeps account of the memo."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._memo = 0
        self._forms: list[Callable[[int], bytes]] = [
            self._list, self._tuple, self._dict, self._set, self._frozenset, self._call, self._call, self._object, self._object,
            self._recalled, self._recalled, self._name,
        ]  # fmt: skip

    def write(self) -> bytes:
        return b"\x80\x05" + self.value(0) + b"."

    def repeated(self, size: int) -> bytes:
        """Something to share, and the same use of it until the input is long enough."""
        shared = b"".join(self._put(self.value(2)) + b"0" for _ in range(self._rng.randint(1, 4)))
        memo = self._memo
        unit = self.value(1)
        times = max(1, (size - len(shared)) // len(unit))
        # The memo's numbers of the first use hold for all, where it adds nothing that it refers to itself.
        self._memo = memo
        opening, closing = self._rng.choice(((b"](", b"e"), (b"(", b"t"), (b"\x8f(", b"\x90"), (b"}(", b"u"), (b"(", b"\x91")))
        return b"\x80\x05" + shared + opening + unit * (times - times % 2) + closing + b"."

    def value(self, depth: int) -> bytes:
        rng = self._rng
        if rng.random() < _WRONG:
            return bytes([rng.randrange(256)])
        if depth > 5 or rng.random() < 0.35:
            return self._scalar()
        made = rng.choice(self._forms)(depth + 1)
        return self._put(made) if rng.random() < 0.4 else made

    def _put(self, made: bytes) -> bytes:
        self._memo += 1
        return made + b"\x94"

    def _scalar(self) -> bytes:
        rng = self._rng
        match rng.randrange(6):
            case 0 | 1:
                return self._int(rng.choice(INTS) if rng.random() < 0.5 else rng.getrandbits(rng.choice((4, 16, 60, 64))))
            case 2 | 3:
                return self._text(rng.choice((*TEXTS, *FIELDS)))
            case 4:
                data = rng.randbytes(rng.choice(PACKED))
                return b"C" + bytes([len(data)]) + data
            case _:
                return rng.choice((b"N", b"\x88", b"\x89", b"G" + pack(">d", rng.uniform(-9, 9)), b")", b"]", b"}", b"\x8f"))

    @staticmethod
    def _int(value: int) -> bytes:
        data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8b" + len(data).to_bytes(4, "little") + data

    @staticmethod
    def _text(value: str) -> bytes:
        data = value.encode("utf-8", "surrogatepass")
        return b"X" + len(data).to_bytes(4, "little") + data

    def _some(self, depth: int, most: int = 4) -> list[bytes]:
        return [self.value(depth) for _ in range(self._rng.randint(0, most))]

    def _list(self, depth: int) -> bytes:
        return b"](" + b"".join(self._some(depth)) + b"e"

    def _tuple(self, depth: int) -> bytes:
        items = self._some(depth)
        return b"(" + b"".join(items) + b"t" if len(items) != 2 else items[0] + items[1] + b"\x86"

    def _dict(self, depth: int) -> bytes:
        pairs = [(self.value(depth) if self._rng.random() < 0.5 else self._scalar()) + item for item in self._some(depth)]
        return b"}(" + b"".join(pairs) + b"u" if self._rng.random() < 0.7 else b"}" + b"".join(pair + b"s" for pair in pairs)

    def _set(self, depth: int) -> bytes:
        return b"\x8f(" + b"".join(self._some(depth)) + b"\x90"

    def _frozenset(self, depth: int) -> bytes:
        return b"(" + b"".join(self._some(depth)) + b"\x91"

    def _recalled(self, depth: int) -> bytes:
        if not self._memo:
            return self._scalar()
        index = self._rng.randrange(self._memo)
        return b"h" + bytes([index]) if index < 256 else b"j" + index.to_bytes(4, "little")

    def _name(self, _depth: int, names: tuple[str, ...] = CALLED + CLASSES) -> bytes:
        dotted = self._rng.choice(names)
        split = dotted.rsplit(".", 2 if dotted.endswith("_unpickle") else 1)
        return self._text(split[0]) + self._text(".".join(split[1:])) + b"\x93"

    def _call(self, depth: int) -> bytes:
        name = self._name(depth, CALLED)
        return name + b"(" + b"".join(self._some(depth, 3)) + b"tR" + (self._state(depth) if self._rng.random() < 0.2 else b"")

    def _object(self, depth: int) -> bytes:
        args = b")" if self._rng.random() < 0.8 else self._tuple(depth)
        return self._name(depth, CLASSES) + args + b"\x81" + (self._state(depth) if self._rng.random() < 0.9 else b"")

    def _state(self, depth: int) -> bytes:
        names = self._rng.sample(FIELDS, self._rng.randint(0, 4))
        fields = b"}(" + b"".join(self._text(name) + self.value(depth) for name in names) + b"u"
        return (b"N" + fields + b"\x86" if self._rng.random() < 0.1 else fields) + b"b"


# --- trees -----------------------------------------------------------------------------------------------------------

_TAGS = ("_type", "__ref__", "__enum__", "__frozenset__", "__dict__", "__tuple__")


def tree(rng: random.Random, depth: int = 0) -> Any:
    """A tagged tree as JSON and msgpack carry it."""
    if depth > 5 or rng.random() < 0.3:
        return rng.choice((None, True, 1.5, rng.choice(INTS[:16]), rng.choice(TEXTS[:-2]), rng.getrandbits(60)))
    items = [tree(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    tag = rng.choice((*_TAGS, "", ""))
    if rng.random() < _WRONG:
        return {tag: tree(rng, depth + 1), "value": items}
    match tag:
        case "":
            return items
        case "_type":
            return {"_type": rng.choice(CLASSES), **dict(zip(rng.sample(FIELDS, len(items)), items, strict=True))}
        case "__ref__":
            return {"__ref__": rng.choice(TEXTS[:6])}
        case "__enum__":
            return {"__enum__": rng.choice(CLASSES), "value": rng.choice(("up", "red", "read"))}
        case "__dict__":
            return {"__dict__": [[tree(rng, depth + 2), item] for item in items]}
        case _:
            return {tag: items}


def _as_json(rng: random.Random, size: int) -> bytes:
    one = json.dumps(tree(rng)).encode()
    if not size:
        return one
    opening, closing = rng.choice(((b"[", b"]"), (b'{"__frozenset__":[', b"]}"), (b'{"__tuple__":[', b"]}")))
    return opening + b",".join([one] * max(1, size // (len(one) + 1))) + closing


def _as_msgpack(rng: random.Random, size: int) -> bytes:
    one = _packed(tree(rng))
    if not size:
        return _damaged(rng, one)
    times = max(1, size // len(one))
    return rng.choice((b"", b"\x81\xad__frozenset__")) + b"\xdd" + times.to_bytes(4) + one * times


def _packed(value: Any) -> bytes:
    from msgpack import packb

    try:
        packed: bytes = packb(value)
    except (ValueError, OverflowError):
        return b"\xc0"
    return packed


def _damaged(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.7:
        return data
    damaged = bytearray(data)
    damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


# --- recordings ------------------------------------------------------------------------------------------------------


def _recording(rng: random.Random, size: int, known: list[Any]) -> bytes:
    """A recording whose tree was changed in a place or two, or in which one part is there many times."""
    copied = json.loads(json.dumps(rng.choice(known), default=str)) if rng.random() < 0.5 else rng.choice(known)
    changed = _changed(rng, copied, size)
    return MAGIC + zlib.compress(_packed(changed), 1)


def _changed(rng: random.Random, value: Any, size: int) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return {**value, key: _changed(rng, value[key], size)}
    if isinstance(value, list | tuple) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        many = size // 50 if size else rng.choice((1, 1, 1, 50))
        return [*value[:at], *[_changed(rng, value[at], 0)] * many, *value[at + 1 :]]
    return rng.choice((None, [], {}, *INTS[:17], *TEXTS[:-2], [[1] * 9] * 9, {"a": {"b": {}}}, b"\xff" * 9, 1e300, -0.0))


def grown(rng: random.Random, recordings: list[Any]) -> bytes:
    """One input for `targets.run`."""
    size = rng.randrange(1 << 14, LONGEST) if not rng.randrange(_LONG) else 0
    variant = rng.randrange(256)
    match rng.randrange(10):
        case 0 | 1 | 2 | 3 | 4:
            grammar = PickleGrammar(rng)
            return input_for(targets.pickled, grammar.repeated(size) if size else grammar.write(), variant)
        case 5 | 6:
            return input_for(targets.as_json, _as_json(rng, size), variant)
        case 7 | 8:
            return input_for(targets.as_msgpack, _as_msgpack(rng, size), variant & ~3)
        case _:
            return input_for(targets.recorded, _recording(rng, size, recordings), variant)
