"""What the fuzzer begins with: golden frames cut in every way, and the words of all formats."""

from __future__ import annotations

import json
import pickle
import pickletools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from casty_notebook.backends.sharded.codec.pickle.standard_types import BUILDERS
from casty_notebook.magics.commands import LINE_COMMANDS
from casty_notebook.topology.history import History
from casty_notebook.topology.recording_format import write_history
from casty_notebook.values.limits.compression import ALGORITHMS, compress
from casty_notebook.values.limits.plain_msgpack import dump_msgpack
from casty_notebook.views.past.recording import MAGIC
from tests.fuzz import targets
from tests.fuzz.targets import input_for
from tests.support.golden import HANDSHAKES, MESSAGES
from tests.topology.test_recording_format import LABEL, sample
from tests.values.table import USER_CLASSES, Amount, Basket, Colour, Point, Slotted

__all__ = ["recordings", "words", "write_dictionary", "write_seeds"]

LONGEST = 8192
LINES = (
    "casty://demo@127.0.0.1:25520,127.0.0.1:25521 --as prod --shards counter=100 --map 10.0.1.10:25520=127.0.0.1:1",
    "counter/user-42 GetCount -t 3 -c prod", 'counter/"a b" Get( "a  b", x=[1, 2] ) --retry', "payment --all -- -1",
    "casty://s@10.0.0.1:1/a/b Ping()", "counter/{a,b} payment", "--demo", "", "-h", "counter/'x",
)  # fmt: skip
TREES = (
    {"_type": "tests.values.table.Amount", "value": 1}, {"__tuple__": [1, {"__frozenset__": ["a", 2.5, None, True]}]},
    {"__dict__": [[1, {"__ref__": "casty://s@h:1/p"}], ["k", {"__enum__": "tests.values.table.Colour", "value": "red"}]]},
    {"_type": "unknown.Class", "field": [[], {}, ""]}, [1, -1, 2**63, 1e308, "é\ud800"],
)  # fmt: skip
TAGS = ("_type", "__ref__", "__enum__", "__frozenset__", "__dict__", "__tuple__", "value", "host", "port", "target", "sender")
VALUES = (
    Amount(1), Basket("a", [1, 2.0, None, True, b"x", "é"], {"k": {1, 2}}), Slotted((1, 2), frozenset({3})), Point(1, 2),
    Colour.red, [2**100, -1, 1.5, bytearray(b"x"), range(3), slice(1), complex(1, 2)], (),
)  # fmt: skip


def _payloads() -> Iterator[bytes]:
    for parse, payload in _parsed():
        for variant in (0, 1, 2):
            yield input_for(parse, payload, variant)
    for vector in MESSAGES:
        compression = vector.serializer[1]
        if compression is not None:
            yield input_for(targets.compressed, vector.payload, ALGORITHMS.index(compression))
            yield input_for(targets.compressed, vector.payload, _decoding(compression))


def _parsed() -> Iterator[tuple[Callable[[int, bytes], None], bytes]]:
    parsers = {"pickle": targets.pickled, "cloudpickle": targets.pickled, "json": targets.as_json, "msgpack": targets.as_msgpack}
    for vector in MESSAGES:
        serializer, compression = vector.serializer
        if compression is None:
            yield parsers[serializer], vector.payload
        yield targets.any_encoding, vector.payload
    for value in VALUES:
        for protocol in (0, 1, 2, 4, 5):
            yield targets.pickled, pickle.dumps(value, protocol)
    for tree in TREES:
        yield targets.as_json, json.dumps(tree).encode()


def _decoding(algorithm: str) -> int:
    """A variant of the target `compressed` that reads what was inside as well."""
    return next(variant for variant in range(128, 256) if variant % len(ALGORITHMS) == ALGORITHMS.index(algorithm))


def _others() -> Iterator[bytes]:
    for vector in (*HANDSHAKES, *MESSAGES):
        yield input_for(targets.stream, vector.frame, 7)
        yield input_for(targets.stream, vector.frame * 2, 60)
    for vector in HANDSHAKES:
        yield input_for(targets.handshake, vector.frame[5:])
    for vector in MESSAGES:
        yield input_for(targets.envelope, vector.frame[5:])
    for at, algorithm in enumerate(ALGORITHMS):
        yield input_for(targets.compressed, compress(algorithm, b"\x80\x05N." + bytes(300)), at)
        yield input_for(targets.compressed, compress(algorithm, b"\x80\x05N."), _decoding(algorithm))
    for line in LINES:
        for variant in (*range(len(LINE_COMMANDS)), 128):
            yield input_for(targets.magic, line.encode(), variant)
    for each in recordings():
        yield input_for(targets.recorded, MAGIC + compress("zlib", dump_msgpack(each)))
    for uri in ("casty://s@10.0.0.1:25520/a/b", "casty://s/p", "casty://s@h:1,h2:2", "10.0.0.1:25520"):
        yield input_for(targets.address, uri.encode())


def write_seeds(folder: Path) -> int:
    """Write the first corpus; returns its size."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = {seed for seed in (*_payloads(), *_others()) if len(seed) <= LONGEST}
    for at, seed in enumerate(sorted(seeds)):
        (folder / f"seed-{at:04}").write_bytes(seed)
    return len(seeds)


def words() -> Iterator[bytes]:
    """What the formats are made of, which a fuzzer would otherwise have to guess."""
    for opcode in pickletools.opcodes:
        yield opcode.code.encode("latin-1")
    names = [*BUILDERS, *(f"{cls.__module__}.{cls.__qualname__}" for cls in USER_CLASSES)]
    names += ["os.system", "builtins.eval", "functools.partial", "copyreg._reconstructor", "builtins.getattr", "uuid.UUID"]
    names += [f"casty.{short}" for short in ("NodeAddress", "ShardAllocation", "TopologySnapshot", "MemberStatus")]
    names += ["casty.remote.ref.restore_actor_ref", "casty.cluster.coordinator.ShardLocation", "builtins.set"]
    for dotted in names:
        module, _, name = dotted.rpartition(".")
        yield b"".join(b"\x8c%c%b" % (len(part), part.encode()) for part in (module, name)) + b"\x93"
        yield f"c{module}\n{name}\n".encode()
    for tag in TAGS:
        yield f'"{tag}": '.encode()
        yield bytes([0xA0 | len(tag)]) + tag.encode()
    yield from (b"casty://", b"casty://s@h:1/p", b")\x81}(", b"ub", b"\x85R", bytes(4), b"\xff" * 4, b"\x00\x00\x00\x05\x01")
    yield from (flag.encode() for grammar in LINE_COMMANDS.values() for each in grammar.flags for flag in each.names)


def recordings() -> list[Any]:
    """The trees of recordings, for the grammar to change."""
    return [write_history(sample(), LABEL), write_history(History(), LABEL)]


def write_dictionary(path: Path) -> None:
    """In libFuzzer's form."""
    quoted = sorted({"".join(f"\\x{byte:02x}" for byte in word) for word in words() if word})
    path.write_text("".join(f'"{word}"\n' for word in quoted))
