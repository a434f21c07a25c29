"""Payloads that want to be executed, or to be something they are not. Each is a function of the file that code would make."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["INERT", "REFUSED", "bomb", "name", "text"]


def text(value: str) -> bytes:
    """A string as an opcode."""
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def name(module: str, qualname: str) -> bytes:
    """A global as opcodes."""
    return text(module) + text(qualname) + b"\x93"


def bomb(levels: int) -> bytes:
    """A tuple that holds the one before twice, so many times."""
    twice = b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(levels))
    return b"\x80\x05()\x94" + twice + b"1"


class Runs:
    """Pickles as a call."""

    def __init__(self, func: Callable[..., Any], *args: Any) -> None:
        self.call = func, args

    def __reduce__(self) -> Any:
        return self.call


def _stateful(module: str, qualname: str, state: bytes) -> bytes:
    return b"\x80\x05" + name(module, qualname) + b")\x81" + state + b"b."


def _reduced(module: str, qualname: str, *args: bytes) -> bytes:
    return b"\x80\x05" + name(module, qualname) + b"(" + b"".join(args) + b"tR."


def _call(module: str, qualname: str) -> Callable[[Path], bytes]:
    return lambda canary: _reduced(module, qualname, text(f"touch {canary}"))


SHARD_LOCATION = ("casty.cluster.coordinator", "ShardLocation")
NODE = ("casty.cluster.state", "NodeAddress")
AMOUNT = ("casty_notebook.demo.messages", "Echo")

INERT: dict[str, Callable[[Path], bytes]] = {
    "os.system": lambda canary: pickle.dumps(Runs(os.system, f"touch {canary}")),
    "builtins.eval": lambda canary: pickle.dumps(Runs(eval, f"open({str(canary)!r}, 'w')")),
    "builtins.exec": lambda canary: pickle.dumps(Runs(exec, f"open({str(canary)!r}, 'w')"), 2),
    "builtins.open": lambda canary: pickle.dumps(Runs(open, str(canary), "w"), 0),
    "subprocess.Popen": lambda canary: pickle.dumps(Runs(subprocess.Popen, ["touch", str(canary)])),
    "builtins.__import__": lambda _: _reduced("builtins", "__import__", text("antigravity")),
    "a chain of attributes": _call("casty_notebook.codec", "codec.compressing.zlib.sys.modules"),
    "a chain in a class of the table": _call("casty.cluster.state", "NodeAddress.__init__.__globals__"),
    "a chain in a builtin": _call("os", "path.os.system"),
    "a module that is not imported": _call("antigravity", "fly"),
    "pickle.loads": lambda canary: _reduced("pickle", "loads", b"B\x01\x00\x00\x00N"),
    "the state of a stranger": lambda _: _stateful("os", "_wrap_close", b"}" + text("__class__") + b"Ns"),
    "a class, not an instance": lambda _: b"\x80\x05" + name("os", "system") + b".",
    "a wrong class": lambda _: b"\x80\x05" + name(*NODE) + text("10.0.0.1") + b"K\x01\x86R.",
    "a number": lambda _: b"\x80\x05K\x01.",
    "None": lambda _: b"\x80\x05N.",
}
"""Read as what it is, a name and its arguments; an asker gets that as the reply."""

REFUSED: dict[str, Callable[[Path], bytes]] = {
    "a call of a call": lambda canary: b"\x80\x05" + name("functools", "partial") + name("os", "system") + b"\x85R"
    + text(f"touch {canary}") + b"\x85R.",
    "a call of a class that was built": lambda _: b"\x80\x05" + name(*NODE) + text("a") + b"K\x01\x86R)R.",
    "a host that is a bomb": lambda _: bomb(40) + name(*NODE) + b")\x81}(" + text("host") + b"h\x28" + text("port") + b"K\x01ub.",
    "a node with a port of text": lambda _: _reduced(*NODE, text("10.0.0.1"), text("25520")),
    "a node with a host too many": lambda _: _stateful(*NODE, b"}(" + text("host") + text("a") + text("b") + text("b") + b"u"),
    "a location of nowhere": lambda _: _reduced(*SHARD_LOCATION, b"K\x01", b"N"),
    "a location with __class__": lambda _: _stateful(*SHARD_LOCATION, b"}" + text("__class__") + b"Ns"),
    "a message with __dict__": lambda _: _stateful(*AMOUNT, b"}" + text("__dict__") + b"}s"),
    "a message with __setstate__": lambda _: _stateful(*AMOUNT, b"}" + text("__setstate__") + name("os", "system") + b"s"),
    "state for a number": lambda _: b"\x80\x05K\x01}" + text("real") + b"K\x02sb.",
    "state for a class": lambda _: b"\x80\x05" + name(*AMOUNT) + b"}" + text("value") + b"K\x02sb.",
    "a ref to nowhere": lambda _: _reduced("casty.remote.ref", "restore_actor_ref", text("http://a")),
    "a ref that ends nodes": lambda _: _reduced("casty.remote.ref", "restore_actor_ref", text("casty://s@a..b:99999/x")),
    "an extension code": lambda _: b"\x80\x05\x82\x01.",
    "a persistent id": lambda _: b"Pid\n.",
    "a binary persistent id": lambda _: b"\x80\x05K\x01Q.",
    "a buffer from outside": lambda _: b"\x80\x05\x97.",
    "INST": lambda canary: b"(S'touch %b'\nios\nsystem\n." % str(canary).encode(),
    "OBJ": lambda canary: b"(cos\nsystem\n" + text(f"touch {canary}") + b"o.",
    "protocol 6": lambda _: b"\x80\x06N.",
    "nothing": lambda _: b"",
    "no pickle": lambda _: b"\xff\xfe\xfd",
    "cut short": lambda _: pickle.dumps(list(range(1000)))[:-10],
    "something after its end": lambda _: b"\x80\x05N.N.",
    "text that is not UTF-8": lambda _: b"\x80\x05\x8c\x02\xff\xfe.",
    "deep recursion": lambda _: b"\x80\x05" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "deep recursion of tuples": lambda _: b"\x80\x05N" + b"\x85" * 100_000 + b".",
    "deep marks": lambda _: b"(" * 100_000 + b".",
    "a tuple that doubles forty times": lambda _: bomb(40) + b"h\x28.",
    "the same as a key": lambda _: bomb(40) + b"}h\x28Ns.",
    "a list in itself": lambda _: b"\x80\x05]\x94h\x00a.",
    "a memo bomb": lambda _: b"\x80\x05N" + b"\x94" * 12_000_000 + b".",
    "a memo entry far away": lambda _: b"\x80\x05Nr\xff\xff\xff\xff.",
    "a string of 4 GB": lambda _: b"\x80\x05X\xff\xff\xff\xffabc.",
    "a bytearray of 2 GB": lambda _: b"\x80\x05\x96" + (1 << 31).to_bytes(8, "little") + b"abc.",
    "an integer of 20,000 digits": lambda _: b"L" + b"9" * 20_000 + b"L\n.",
    "eight million empty sets": lambda _: b"\x80\x05](" + b"\x8f" * 8_000_000 + b"e.",
    "colliding keys": lambda _: pickle.dumps({n * (2**61 - 1): None for n in range(5000)}),
    "JSON": lambda _: b'{"_type": "os.system", "command": "x"}',
    "gzip": lambda _: gzip.compress(b"\x80\x05N."),
}  # fmt: skip
"""Refused with an error that an asker gets."""
