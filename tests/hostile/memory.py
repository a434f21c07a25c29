"""Payloads that want memory, and what reading each one takes: ``python -m tests.hostile.memory --table`` prints them all.

Each is read in a process of its own, through frame, envelope and codec, as a client does; what counts is by how much
the process grows at its worst, the frame included.
"""

from __future__ import annotations

import bz2
import gc
import gzip
import json
import lzma
import os
import pickle
import random
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import psutil

from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.wire import FrameReader, decode_envelope, encode_envelope
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.limits.compression import compress
from tests.values.table import USER_CLASSES, Amount, table

__all__ = ["ALLOWED", "PAYLOADS", "growth", "peak_memory"]

FRAME = Settings().max_frame
ALLOWED = FRAME + 16 * 2**20
"""Bytes by which no payload may make a client grow."""
SLACK = 4 * 2**20
"""What the interpreter's own arenas and the modules that the first message imports add to it."""
FULL = FRAME - 1024
"""A payload that fills a frame, beside the envelope's header."""

type Payload = tuple[str, str | None, Callable[[], bytes]]
"""(serializer, compression, payload)."""


def _filled(head: bytes, unit: bytes, tail: bytes, size: int = FULL) -> bytes:
    return head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail


def _pickled(unit: bytes, size: int = FULL, *, head: bytes = b"") -> bytes:
    return _filled(b"\x80\x05" + head + b"](", unit, b"e.", size)


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def _name(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93\x94"


def _put(number: int) -> bytes:
    return b"r" + number.to_bytes(4, "little")


def _distinct_keys(size: int) -> bytes:
    return b"[" + b",".join(b'{"%x":1}' % n for n in range(size // 14)) + b"]"


PARTIAL = (
    b"\x80\x05(" + b"N" * 1_000_000 + b"t\x94" + _name("functools", "partial") + _name("a", "B") + b"\x85R"
    + b"(h\x01h\x00}Ntb\x94"
)  # fmt: skip
RESTORER = _name("casty.remote.ref", "restore_actor_ref")
MB = 1 << 20

PAYLOADS: dict[str, Payload] = {
    "empty sets": ("pickle", None, lambda: _pickled(b"\x8f")),
    "empty sets, 8 MB": ("pickle", None, lambda: _pickled(b"\x8f", 8 * MB)),
    "empty dicts": ("pickle", None, lambda: _pickled(b"}")),
    "empty dicts, 1 MB": ("pickle", None, lambda: _pickled(b"}", MB)),
    "empty lists": ("pickle", None, lambda: _pickled(b"]")),
    "lists of lists": ("pickle", None, lambda: _pickled(b"]]a")),
    "tuples of None": ("pickle", None, lambda: _pickled(b"N\x85")),
    "sets of one": ("pickle", None, lambda: _pickled(b"\x8f(K\x01\x90")),
    "dicts of one": ("pickle", None, lambda: _pickled(b"}K\x01Ns")),
    "None": ("pickle", None, lambda: _pickled(b"N")),
    "MEMOIZE": ("pickle", None, lambda: _filled(b"\x80\x05N", b"\x94", b".")),
    "PUT": ("pickle", None, lambda: _filled(b"\x80\x05N", b"".join(map(_put, range(99_999))), b".")),
    "DUP": ("pickle", None, lambda: _filled(b"\x80\x05(N", b"2", b"l.")),
    "MARK": ("pickle", None, lambda: _filled(b"\x80\x05", b"(", b".")),
    "ints above 256": ("pickle", None, lambda: _pickled(b"M\x39\x30")),
    "floats": ("pickle", None, lambda: _pickled(b"G" + bytes(7) + b"\x01")),
    "strings of 2": ("pickle", None, lambda: _pickled(b"\x8c\x02ab")),
    "bytes of 1": ("pickle", None, lambda: _pickled(b"C\x01a")),
    "one string": ("pickle", None, lambda: b"\x80\x05" + _text("a" * (FULL - 20)) + b"."),
    "one wide string": ("pickle", None, lambda: b"\x80\x05" + _text("a" * (40 * MB) + "\N{BASKET}") + b"."),
    "one bytearray": ("pickle", None, lambda: b"\x80\x05\x96" + (40 * MB).to_bytes(8, "little") + bytes(40 * MB) + b"."),
    "names": ("pickle", None, lambda: _pickled(b"ca\nb\n")),
    "stand-ins": ("pickle", None, lambda: _pickled(b"h\x00)\x81", head=_name("a", "B") + b"0")),
    "stand-ins with state": ("pickle", None, lambda: _pickled(b"h\x00)\x81}K\x01Nsb", head=_name("a", "B") + b"0")),
    "unfinished objects": (
        "pickle", None, lambda: _pickled(b"h\x00)\x81", head=_name("tests.values.table", "Amount") + b"0")
    ),
    "refs": (
        "pickle", None,
        lambda: _pickled(b"h\x00h\x01\x85R", head=RESTORER + _text("casty://s@h:1/" + "p" * 999) + b"\x9400"),
    ),
    "deques": ("pickle", None, lambda: _pickled(b"h\x00)R", head=_name("collections", "deque") + b"0")),
    "calls of a partial": ("pickle", None, lambda: _filled(PARTIAL, b"h\x03)R0", b"N.", 2 * MB)),
    "a long name, again and again": (
        "pickle", None, lambda: _filled(b"\x80\x05" + _text("a" * MB) + b"\x94", b"h\x00h\x00\x93", b".", 2 * MB)
    ),
    "float keys": (
        "pickle", None, lambda: b"\x80\x05}(" + b"".join(b"G\x40" + n.to_bytes(7) + b"N" for n in range(400_000)) + b"u."
    ),
    "JSON lists": ("json", None, lambda: _filled(b"[", b"[],", b"1]")),
    "JSON lists, 8 MB": ("json", None, lambda: _filled(b"[", b"[],", b"1]", 8 * MB)),
    "JSON objects": ("json", None, lambda: _filled(b"[", b"{},", b"1]")),
    "JSON objects, 4 MB": ("json", None, lambda: _filled(b"[", b'{"a":1},', b"1]", 4 * MB)),
    "JSON distinct keys": ("json", None, lambda: _distinct_keys(8 * MB)),
    "JSON ints": ("json", None, lambda: _filled(b"[", b"999,", b"1]", 20 * MB)),
    "JSON strings": ("json", None, lambda: _filled(b"[", b'"ab",', b"1]", 20 * MB)),
    "JSON wide string": ("json", None, lambda: b'"' + b"a" * (20 * MB) + "\N{BASKET}".encode() + b'"'),
    "JSON tuples": ("json", None, lambda: _filled(b"[", b'{"__tuple__":[]},', b"1]", 16 * MB)),
    "JSON frozensets": ("json", None, lambda: _filled(b"[", b'{"__frozenset__":[]},', b"1]", 16 * MB)),
    "JSON open lists": ("json", None, lambda: b"[" * FULL),
    "msgpack lists": ("msgpack", None, lambda: _filled(b"\xdd" + (300_000).to_bytes(4), b"\x90", b"", 300_005)),
    "msgpack lists of lists": (
        "msgpack", None, lambda: b"\xdc\x00\xff" + (b"\xdd" + (400_000).to_bytes(4) + b"\x90" * 400_000) * 150
    ),
    "msgpack maps": ("msgpack", None, lambda: b"\xdc\x00\x0f" + (b"\xdd" + (500_000).to_bytes(4) + b"\x80" * 500_000) * 15),
    "msgpack strings": (
        "msgpack", None, lambda: b"\xdc\x00\x0f" + (b"\xdd" + (500_000).to_bytes(4) + b"\xa2ab" * 500_000) * 15
    ),
    "msgpack floats": (
        "msgpack", None, lambda: b"\xdc\x00\x0f" + (b"\xdd" + (400_000).to_bytes(4) + (b"\xcb" + bytes(8)) * 400_000) * 15
    ),
    "msgpack promises": ("msgpack", None, lambda: (b"\xdd" + (1 << 19).to_bytes(4)) * 900 + bytes(MB)),
    "zlib bomb": ("pickle", "zlib", lambda: zlib.compress(bytes(100 * MB), 9)),
    "gzip bomb": ("pickle", "gzip", lambda: gzip.compress(bytes(100 * MB), 9)),
    "bz2 bomb": ("pickle", "bz2", lambda: bz2.compress(bytes(100 * MB), 9)),
    "lzma bomb": ("pickle", "lzma", lambda: lzma.compress(bytes(100 * MB), preset=9)),
    "lz4 bomb": ("pickle", "lz4", lambda: compress("lz4", bytes(100 * MB))),
    "gzip of gzip": ("pickle", "gzip", lambda: gzip.compress(gzip.compress(bytes(100 * MB)))),
    "gzip of empty sets": ("pickle", "gzip", lambda: gzip.compress(_pickled(b"\x8f", 50 * MB))),
    "zlib, incompressible": ("pickle", "zlib", lambda: zlib.compress(_pickled(b"\x8c\x04" + bytes(range(4)), 30 * MB), 0)),
}  # fmt: skip


HONEST: dict[str, Payload] = {
    "snapshot, 1000 members, 100,000 shards": ("pickle", None, lambda: _snapshot("pickle", replicas=0)),
    "the same, each with a replica": ("pickle", None, lambda: _snapshot("pickle", replicas=1)),
    "the same in JSON": ("json", None, lambda: _snapshot("json", replicas=0)),
    "the same in msgpack": ("msgpack", None, lambda: _snapshot("msgpack", replicas=0)),
    "100,000 dataclasses": ("pickle", None, lambda: pickle.dumps([Amount(n, f"C{n}") for n in range(100_000)], 5)),
    "100,000 stand-ins": ("pickle", None, lambda: _strangers()),
    "100,000 dataclasses in JSON": ("json", None, lambda: _amounts("json")),
    "100,000 dataclasses in msgpack": ("msgpack", None, lambda: _amounts("msgpack")),
    "bytes of 36 MB": ("pickle", None, lambda: pickle.dumps(bytes(36 * MB), 5)),
}
"""What must be read nevertheless."""


def _snapshot(serializer: str, *, replicas: int) -> bytes:
    """As a node writes it: casty's own classes, its own pickle."""
    from casty.cluster.state import Member, MemberStatus, NodeAddress, ShardAllocation
    from casty.cluster.topology import TopologySnapshot

    rng = random.Random(1)
    nodes = [NodeAddress(f"10.0.{n // 250}.{n % 250}", 25520) for n in range(1000)]
    members = frozenset(Member(node, MemberStatus.up, frozenset({"entities"}), f"node-{node.host}") for node in nodes)
    shards = {n: ShardAllocation(rng.choice(nodes), tuple(rng.sample(nodes, replicas))) for n in range(100_000)}
    snapshot = TopologySnapshot(members, nodes[0], {"counter": shards}, 100_000)
    return pickle.dumps(snapshot, 5) if serializer == "pickle" else Codec(table(), serializer).encode(snapshot)


def _strangers() -> bytes:
    return pickle.dumps([Amount(n, f"C{n}") for n in range(100_000)], 5).replace(b"tests.values.table", b"tests.values.other")


def _amounts(serializer: str) -> bytes:
    return Codec(table(*USER_CLASSES), serializer).encode([Amount(n, f"C{n}") for n in range(100_000)])


def growth(name: str) -> tuple[int, float, str]:
    """Read that payload in a new process: bytes by which it grew at its worst, seconds, and what became of it."""
    done = subprocess.run([sys.executable, "-m", "tests.hostile.memory", name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{name}: {done.stderr[-2000:]}")
    taken, seconds, outcome = json.loads(done.stdout)
    return taken, seconds, outcome


def _measure(name: str) -> tuple[int, float, str]:
    serializer, compression, _ = EVERY[name]
    codec = Codec(table(*USER_CLASSES), serializer, compression)
    codec.decode(codec.encode([Amount(1)]))  # whatever is imported late
    gc.collect()
    # Made elsewhere, since making it takes memory, too.
    with subprocess.Popen([sys.executable, "-m", "tests.hostile.memory", "--make", name], stdout=subprocess.PIPE) as maker:
        assert maker.stdout is not None
        before, started = psutil.Process().memory_info().rss, time.process_time()
        outcome = _receive(codec, maker.stdout.fileno())
        return peak_memory() - before, time.process_time() - started, outcome


def _receive(codec: Codec, source: int) -> str:
    reader = FrameReader()
    while data := os.read(source, 256 * 1024):
        for _, body in reader.receive(data):
            envelope = decode_envelope(body)
            try:
                return f"read: {type(codec.decode(envelope.data, envelope.start)).__name__}"
            except UndecodableMessage as error:
                return f"refused: {error}"
    return "no frame"


def peak_memory() -> int:
    """The most that this process alone had, in bytes: ``ru_maxrss`` on Linux begins with that of the process which started it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _make(name: str) -> None:
    frame = encode_envelope("casty://c@h:1/_ask/1", "casty://s@h:1/", "a.B", EVERY[name][2]())
    sys.stdout.buffer.write(frame)


def _table(names: list[str]) -> None:
    for name in names or EVERY:
        taken, seconds, outcome = growth(name)
        note = " " if taken <= ALLOWED + SLACK else "!"
        print(f"{note} {name:40} {taken / 2**20:7.1f} MiB {seconds:6.2f} s  {outcome[:120]}", flush=True)


EVERY = {**PAYLOADS, **HONEST}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--table", *names]:
            _table(names)
        case ["--make", name]:
            _make(name)
        case [name] if name in EVERY:
            print(json.dumps(_measure(name)))
