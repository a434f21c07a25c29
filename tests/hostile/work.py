"""Payloads that want time: for every constructor and every container the worst we know of, in any size.

``python -m tests.hostile --table`` reads them all, as a client does, and prints for how long the loop stood still.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache

from casty_notebook.backends.sharded.codec.pickle.objects import _FINISHED, _SPECIAL
from casty_notebook.backends.sharded.codec.pickle.standard_types import BUILDERS
from casty_notebook.backends.sharded.codec.trees.tree import _TAGS

__all__ = ["GENERATORS", "SIZES", "UNCOVERED", "Generator", "walking_ints"]

SIZES = {"64 KB": 64 * 1000, "1 MB": 1 << 20, "8 MB": 8 << 20}

type Payload = bytes
type Generator = tuple[str, str | None, Callable[[int], Payload]]
"""(serializer, compression, payload of about so many bytes)."""


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return b"X" + len(data).to_bytes(4, "little") + data


def name(dotted: str) -> bytes:
    """A global in the memo. Where a class's name ends is told by its first capital letter, as far as builders have one."""
    for suffix in ("ZoneInfo._unpickle",):
        if dotted.endswith(suffix):
            return text(dotted.removesuffix(f".{suffix}")) + text(suffix) + b"\x93\x94"
    module, _, qualname = dotted.rpartition(".")
    return text(module) + text(qualname) + b"\x93\x94"


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + len(data).to_bytes(4, "little") + data


def repeated(head: bytes, unit: bytes, size: int, tail: bytes = b"N.") -> bytes:
    """`head` with what it shares in the memo, then the same use of it again and again."""
    return b"\x80\x05" + head + unit * max(1, (size - len(head) - 8) // len(unit)) + tail


def called(dotted: str, *args: bytes, end: bytes = b"R") -> Callable[[int], Payload]:
    """The same call with the same arguments: the name and the tuple are in the memo, a call is six bytes."""

    def make(size: int) -> Payload:
        shared = b"".join(args)[: size // 2] if len(args) == 1 and len(args[0]) > size // 2 else b"".join(args)
        head = name(dotted) + b"(" + shared + b"t\x94" + b"00"
        return repeated(head, b"h\x00h\x01" + end + b"0", size)

    return make


def _path(dotted: str) -> Callable[[int], Payload]:
    def make(size: int) -> Payload:
        head = name(dotted) + b"(" + text("p") + b"\x94" + b"h\x01" * min(20_000, size // 6) + b"t\x940"
        return repeated(head, b"h\x00h\x02R0", size)

    return make


def _fresh(dotted: str, arguments: Callable[[int], bytes]) -> Callable[[int], Payload]:
    """Calls that have arguments of their own."""

    def make(size: int) -> Payload:
        out, at, length = [b"\x80\x05" + name(dotted)], 0, 0
        while length < size:
            out.append(b"h\x00(" + arguments(at) + b"tR0")
            length += len(out[-1])
            at += 1
        return b"".join(out) + b"."

    return make


_BIG, _OTHER = (1 << 8000) - 1, (1 << 7990) + 12345
_BYTES = b"B" + (30_000).to_bytes(4, "little") + bytes(30_000)
_MICROS = b"\x8a\x08" + ((1 << 62) - 1).to_bytes(8, "little")
_DICT = b"}(" + b"".join(b"M" + struct.pack("<H", n) + b"N" for n in range(5000)) + b"u"
_ZONES = ("Africa/", "America/", "Etc/", "Asia/")

CONSTRUCTORS: dict[str, list[Callable[[int], Payload]]] = {
    "_codecs.encode": [called("_codecs.encode", text("a" * 30_000), text("latin1"))],
    "array._array_reconstructor": [
        called("array._array_reconstructor", text("array") + text("array") + b"\x93", text("d"), b"K\x11", _BYTES)
    ],
    "array.array": [called("array.array", text("d"), b"](" + b"K\x01" * 10_000 + b"e")],
    "builtins.bytearray": [
        called("builtins.bytearray", _BYTES), called("builtins.bytearray", text("a" * 30_000), text("latin-1")),
    ],
    "builtins.bytes": [called("builtins.bytes")],
    "builtins.complex": [called("builtins.complex", b"G" + bytes(8), b"G" + bytes(8))],
    "builtins.range": [called("builtins.range", number(_BIG), number(_OTHER), number(_BIG))],
    "builtins.slice": [called("builtins.slice", number(_BIG), number(_OTHER), number(_BIG))],
    "builtins.xrange": [called("builtins.xrange", number(_BIG), number(_OTHER), number(_BIG))],
    "collections.Counter": [called("collections.Counter", _DICT)],
    "collections.OrderedDict": [called("collections.OrderedDict")],
    "collections.defaultdict": [called("collections.defaultdict", _DICT)],
    "collections.deque": [called("collections.deque", b")", b"K\x09")],
    "datetime.date": [called("datetime.date", b"C\x04\x07\xe8\x01\x01")],
    "datetime.datetime": [called("datetime.datetime", b"C\x0a\x07\xe8\x01\x01\x00\x00\x00\x00\x00\x00")],
    "datetime.time": [called("datetime.time", b"C\x06" + bytes(6))],
    "datetime.timedelta": [called("datetime.timedelta", b"K\x01", b"K\x01", _MICROS), called("datetime.timedelta", b"K\x01" * 3)],
    "datetime.timezone": [
        called("datetime.timezone", text("datetime") + text("timedelta") + b"\x93(K\x00K\x01K\x00tR")
    ],
    "decimal.Decimal": [
        called("decimal.Decimal", text("9" * 300 + "." + "9" * 300 + "e999999999999")),
        called("decimal.Decimal", text("9" * 30_000)),
    ],
    "fractions.Fraction": [
        called("fractions.Fraction", number(_BIG), number(_OTHER)),
        called("fractions.Fraction", text("9" * 300 + "/" + "7" * 300)),
        _fresh("fractions.Fraction", lambda at: number(_BIG - at) + number(_OTHER + at)),
    ],
    **{
        f"ipaddress.{kind}": [called(f"ipaddress.{kind}", argument)]
        for kind, argument in {
            "IPv4Address": text("255.255.255.255"), "IPv4Interface": text("255.255.255.255/255.255.255.0"),
            "IPv4Network": text("255.255.255.0/255.255.255.0"), "IPv6Address": text("1:2:3:4:5:6:7:8%" + "a" * 80),
            "IPv6Interface": text("1:2:3:4:5:6:7:8/128"), "IPv6Network": text("1:2:3:4:5:6:7:8/128"),
        }.items()
    },
    **{f"pathlib.{kind}": [_path(f"pathlib.{kind}"), called(f"pathlib.{kind}", text("a/" * 2048))]
       for kind in ("PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath")},
    "re._compile": [
        _fresh("re._compile", lambda at: text("[\0-\uffff]" * 100 + str(at)) + b"K\x22"),
        _fresh("re._compile", lambda at: text("(?:a|b{1,9})*" * 70 + str(at)) + b"K\x20"),
        called("re._compile", text("a.b"), b"K\x20"),
    ],
    "zoneinfo.ZoneInfo._unpickle": [
        _fresh("zoneinfo.ZoneInfo._unpickle", lambda at: text(f"{_ZONES[at % 4]}Zone{at}") + b"K\x01"),
        called("zoneinfo.ZoneInfo._unpickle", text("Europe/Berlin"), b"K\x01"),
    ],
    "builtins.frozenset": [called("builtins.frozenset", b"](" + b"K\x01K\x02" * 5000 + b"e")],
    "builtins.set": [called("builtins.set", b"](" + b"".join(number(n << 40) for n in range(2000)) + b"e")],
    "builtins.getattr": [called("builtins.getattr", name("a.B"), text("a" * 900))],
    "msgspec._core.rebuild": [called("msgspec._core.rebuild", name("a.B"), _DICT)],
    "msgspec._utils.rebuild": [called("msgspec._utils.rebuild", name("a.B"), _DICT)],
    "collections.ChainMap": [
        lambda size: repeated(
            name("collections.ChainMap") + b"}" + text("maps") + b"](" + b"}" * 100 + b"es\x940", b"h\x00)\x81h\x01b0", size)
    ],
    "types.SimpleNamespace": [
        lambda size: repeated(
            name("types.SimpleNamespace") + b"}(" + b"".join(text(f"a{n}") + b"N" for n in range(3000)) + b"u\x940",
            b"h\x00)Rh\x01b0", size)
    ],
    "uuid.UUID": [
        lambda size: repeated(
            name("uuid.UUID") + b"}" + text("int") + number(1 << 127) + b"s\x940", b"h\x00)\x81h\x01b0", size)
    ],
}  # fmt: skip


# --- keys ------------------------------------------------------------------------------------------------------------


@cache
def walking_ints(count: int) -> tuple[int, ...]:
    """Ints below 2^61 that all walk through the places of the others in a dict of `count` keys.

    Two thirds of the keys lie where a walk comes by that has used up its hash: `i -> 5i + 1`. The others are chosen to arrive
    on that way. Each of them then walks to its end.
    """
    bits = max(4, (count * 3 // 2 - 1).bit_length())
    mask = (1 << bits) - 1
    run, place = [], 1
    for _ in range(2 * count // 3):
        run.append(place)
        place = (5 * place + 1) & mask
    taken, walkers = set(run), []
    for high in range(1, 4000):
        for low in run[: len(run) // 2]:
            if _arrives(high << bits | low, mask, taken):
                walkers.append(high << bits | low)
                if len(walkers) + len(run) >= count:
                    return tuple(run + walkers)
    return tuple(run + walkers)


def _arrives(hashed: int, mask: int, taken: set[int]) -> bool:
    """Whether all places are taken that this hash itself leads to."""
    at, perturb = hashed & mask, hashed
    for _ in range(13):
        perturb >>= 5
        at = (5 * at + perturb + 1) & mask
        if at not in taken:
            return False
    return True


def _keys(count: int) -> list[int]:
    """Of many keys the first ones: they are made in Python, and a table of theirs is slow already."""
    walking = list(walking_ints(min(count, 20_000)))
    return walking + [(1 << 60) + n for n in range(count - len(walking))]


def _eights(keys: list[int]) -> Iterator[bytes]:
    return (b"\x8a\x08" + key.to_bytes(8, "little") for key in keys)


def _dict_of(size: int) -> Payload:
    return b"\x80\x05}(" + b"".join(key + b"N" for key in _eights(_keys(size // 11))) + b"u."


def _dict_one_by_one(size: int) -> Payload:
    return b"\x80\x05}" + b"".join(key + b"Ns" for key in _eights(_keys(size // 12))) + b"."


def _doubling(size: int) -> Payload:
    """One key after the other, each a tuple that holds the one before twice."""
    levels = b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(13))
    return b"\x80\x05()\x94" + levels + b"1}(" + b"h\x0dN" * ((size - 120) // 3) + b"u."


def _tuples(size: int) -> Payload:
    return b"\x80\x05}(" + b"".join(b"K\x01" + key + b"\x86N" for key in _eights(_keys(size // 14))) + b"u."


def _equal_fractions(size: int) -> Payload:
    head = name("fractions.Fraction") + b"0"
    one = [b"h\x00" + number(n) + number(3) + b"\x86RN" for n in range(1, size // 22)]
    return b"\x80\x05" + head + b"}(" + b"".join(one) + b"u."


def _states(size: int) -> Payload:
    """One state for ever new objects."""
    head = name("a.B") + b"}(" + b"".join(text(f"f{n}") + b"N" for n in range(min(3000, size // 20))) + b"u\x940"
    return repeated(head, b"h\x00)\x81h\x01b0", size)


def _slots(size: int) -> Payload:
    head = name("a.B") + b"}(" + b"".join(text(f"f{n}") + b"N" for n in range(min(3000, size // 20))) + b"u\x940"
    return repeated(head + b"h\x01h\x01\x86\x940", b"h\x00)\x81h\x02b0", size)


def _replicas(size: int) -> Payload:
    """One tuple of nodes in ever new allocations: each is compared with its annotation."""
    node = name("casty.cluster.state.NodeAddress") + b"(" + text("h") + b"K\x01tR\x94"
    head = node + b"(" + b"h\x01" * min(20_000, size // 6) + b"t\x94" + name("casty.cluster.state.ShardAllocation") + b"0"
    return repeated(head, b"h\x03h\x01h\x02\x86R0", size)


def _partials(size: int) -> Payload:
    bound = b"(" + b"N" * min(20_000, size // 4) + b"t\x94"
    head = bound + name("functools.partial") + name("a.B") + b"\x85R(h\x02h\x00}Ntb\x94"
    return repeated(head, b"h\x03)R0", size)


def _floats(size: int) -> Payload:
    return b"\x80\x05}(" + b"".join(b"G" + struct.pack(">d", n * 2.0**40) + b"N" for n in range(size // 10)) + b"u."


def _refs(size: int) -> Payload:
    head = name("casty.remote.ref.restore_actor_ref") + text("casty://s@h:1/p") + b"\x85\x940"
    return repeated(head, b"h\x00h\x01R0", size)


def _long_line(size: int) -> Payload:
    return b"\x80\x05(" + (b"L" + b"9" * 4000 + b"L\n") * (size // 4003) + b"t."


CONTAINERS: dict[str, Generator] = {
    "list": ("pickle", None, lambda size: b"\x80\x05](" + b"]" * (size - 6) + b"e."),
    "list, one by one": ("pickle", None, lambda size: b"\x80\x05]" + b"]a" * (size // 2) + b"."),
    "tuple": ("pickle", None, lambda size: b"\x80\x05(" + b"N\x85" * (size // 2) + b"t."),
    "dict": ("pickle", None, lambda size: b"\x80\x05](" + b"}K\x01Ns" * (size // 5) + b"e."),
    "dict of chosen ints": ("pickle", None, _dict_of),
    "dict of chosen ints, one by one": ("pickle", None, _dict_one_by_one),
    "set of chosen ints": ("pickle", None, lambda size: b"\x80\x05\x8f(" + b"".join(_eights(_keys(size // 10))) + b"\x90."),
    "frozenset of chosen ints": ("pickle", None, lambda size: b"\x80\x05(" + b"".join(_eights(_keys(size // 10))) + b"\x91."),
    "dict of tuples": ("pickle", None, _tuples),
    "dict of tuples that double": ("pickle", None, _doubling),
    "dict of fractions": ("pickle", None, _equal_fractions),
    "dict of floats": ("pickle", None, _floats),
    "deque": ("pickle", None, lambda size: repeated(name("collections.deque") + b")R\x940", b"h\x01(NNe0", size)),
    "stand-ins": ("pickle", None, lambda size: repeated(name("a.B"), b"h\x00)\x810", size)),
    "stand-ins with one state": ("pickle", None, _states),
    "stand-ins with two states": ("pickle", None, _slots),
    "partials": ("pickle", None, _partials),
    "allocations": ("pickle", None, _replicas),
    "refs": ("pickle", None, _refs),
    "names": ("pickle", None, lambda size: repeated(text("a" * 900) + b"\x940", b"h\x00h\x00\x930", size)),
    "exceptions": ("pickle", None, lambda size: repeated(name("builtins.ValueError"), b"h\x00)R0", size)),
    "memo": ("pickle", None, lambda size: b"\x80\x05N" + b"\x94" * (size - 4) + b"."),
    "text": ("pickle", None, lambda size: b"\x80\x05(" + b"\x8c\x01a" * (size // 3) + b"t."),
    "digits": ("pickle", None, _long_line),
}  # fmt: skip


def _json(unit: bytes) -> Callable[[int], Payload]:
    return lambda size: b"[" + unit * (size // len(unit)) + b"1]"


def _packed(unit: bytes, count_of: int = 1) -> Callable[[int], Payload]:
    def make(size: int) -> Payload:
        count = size // len(unit)
        lists, rest = divmod(count * count_of, 400_000)
        body = [b"\xdd" + (400_000).to_bytes(4) + unit * (400_000 // count_of)] * lists
        return b"\xdd" + (lists + 1).to_bytes(4) + b"".join(body) + b"\xdd" + rest.to_bytes(4) + unit * (rest // count_of)

    return make


def _json_ints(tag: bytes) -> Callable[[int], Payload]:
    def make(size: int) -> Payload:
        keys = _keys(size // 18)
        items = b",".join(b"[%d,0]" % key for key in keys) if tag == b"__dict__" else b",".join(b"%d" % key for key in keys)
        return b'{"%b":[%b]}' % (tag, items)

    return make


TREES: dict[str, Generator] = {
    "__ref__": ("json", None, _json(b'{"__ref__":"casty://s@h:1/p"},')),
    "__enum__": ("json", None, _json(b'{"__enum__":"a.B","value":"c"},')),
    "__frozenset__": ("json", None, _json_ints(b"__frozenset__")),
    "__dict__": ("json", None, _json_ints(b"__dict__")),
    "__tuple__": ("json", None, _json(b'{"__tuple__":[]},')),
    "_type": ("json", None, _json(b'{"_type":"a.B"},')),
    "untagged": ("json", None, _json(b'{"a":1},')),
    "frozensets of tuples": ("json", None, _json(b'{"__frozenset__":[{"__tuple__":[1,2]}]},')),
    "lists": ("json", None, _json(b"[],")),
    "numbers": ("json", None, _json(b"1e9,")),
    "digits": ("json", None, _json(b"9" * 4000 + b",")),
    "escapes": ("json", None, lambda size: b'["' + b"\\n" * (size // 2) + b'"]'),
    "stand-ins in msgpack": ("msgpack", None, _packed(b"\x81\xa5_type\xa3a.B")),
    "untagged in msgpack": ("msgpack", None, _packed(b"\x81\xa1a\x01")),
    "lists in msgpack": ("msgpack", None, _packed(b"\x90")),
    "numbers in msgpack": ("msgpack", None, _packed(b"\xcb" + bytes(8))),
}  # fmt: skip


def _zipped(payload: bytes) -> Payload:
    return zlib.compress(payload, 9)


COMPRESSED: dict[str, Generator] = {
    "paths in zlib": ("pickle", "zlib", lambda size: _zipped(_path("pathlib.PurePosixPath")(8 * size))),
    "lists in zlib": ("pickle", "zlib", lambda size: _zipped(b"\x80\x05](" + b"]" * (100 * min(size, 1 << 19)) + b"e.")),
}

GENERATORS: dict[str, Generator] = {
    **{
        f"{dotted} {at}" if at else dotted: ("pickle", None, make)
        for dotted, makes in CONSTRUCTORS.items()
        for at, make in enumerate(makes)
    },
    **{f"pickle: {key}": made for key, made in CONTAINERS.items()},
    **{f"tree: {key}": made for key, made in TREES.items()},
    **COMPRESSED,
}
"""Every one of them."""

UNCOVERED = ({*BUILDERS, *_FINISHED, *_SPECIAL} - CONSTRUCTORS.keys()) | ({tag for tag, _, _ in _TAGS} - TREES.keys())
"""Entries of the codec's tables that have no generator."""
