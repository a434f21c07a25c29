"""The opcodes that push one scalar: numbers, text, bytes, constants. See `ops` for what an opcode is."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from sys import getsizeof
from typing import Any

from casty_notebook.backends.sharded.codec.pickle.machine import Machine
from casty_notebook.values.limits.budget import Refused
from casty_notebook.values.limits.pre_scan import text_weight
from casty_notebook.values.limits.size_model import NUMBER, TEXT

__all__ = [
    "MAX_INT_BYTES", "SCALARS", "U32", "U64", "Op", "constant", "decimal", "line", "number",
]  # fmt: skip

type Op = Callable[[Machine, int], int]

MAX_INT_BYTES = 1024
"""Longest integer read, 8,192 bits."""
_MAX_LINE = 4096
_LARGE = 4096
"""Bytes of text from which on there must be room before it is made, not after."""
U32, U64 = Struct("<I"), Struct("<Q")
_U16, _I32, _F64 = Struct("<H"), Struct("<i"), Struct(">d")


def _take(machine: Machine, start: int, size: int) -> bytes:
    """Slice `size` bytes, which must all be there."""
    end = start + size
    if end > machine.size:
        raise Refused(f"{size:,} bytes are announced, {machine.size - start:,} are left")
    return machine.data[start:end]


def number(machine: Machine, form: Struct, pos: int) -> Any:
    """Unpack the number at `pos`, which must be all there."""
    if pos + form.size > machine.size:
        raise Refused("it ends too early")
    return form.unpack_from(machine.data, pos)[0]


def line(machine: Machine, pos: int) -> tuple[str, int]:
    """Read one line of a text opcode."""
    end = machine.data.find(b"\n", pos, pos + _MAX_LINE)
    if end < 0:
        raise Refused(f"a text argument has no end within {_MAX_LINE} bytes")
    return machine.data[pos:end].decode(), end + 1


def decimal(text: str) -> int:
    """Read digits, and nothing else that `int` would take."""
    digits = text.lstrip("-+")
    if not digits.isascii() or not digits.isdecimal():
        raise Refused(f"{text[:20]!r} is not a number")
    return int(text)


def constant(value: object) -> Op:
    """Make an opcode that pushes `value`."""

    def op(machine: Machine, pos: int) -> int:
        machine.stack.append(value)
        return pos

    return op


def _binint1(machine: Machine, pos: int) -> int:
    machine.stack.append(machine.data[pos])
    return pos + 1


def _packed(form: Struct) -> Op:
    size = form.size

    def op(machine: Machine, pos: int) -> int:
        machine.guard.heap += NUMBER
        machine.stack.append(number(machine, form, pos))
        return pos + size

    return op


def _long1(machine: Machine, pos: int) -> int:
    size = machine.data[pos]
    machine.guard.heap += NUMBER + size
    machine.stack.append(int.from_bytes(_take(machine, pos + 1, size), "little", signed=True))
    return pos + 1 + size


def _long4(machine: Machine, pos: int) -> int:
    size = number(machine, _I32, pos)
    if not 0 <= size <= MAX_INT_BYTES:
        raise Refused(f"an integer of {size:,} bytes; at most {MAX_INT_BYTES:,} are read")
    machine.guard.heap += NUMBER + size + size // 8
    machine.stack.append(int.from_bytes(_take(machine, pos + 4, size), "little", signed=True))
    return int(pos + 4 + size)


def _int(machine: Machine, pos: int) -> int:
    text, end = line(machine, pos)
    machine.guard.heap += NUMBER + len(text)
    machine.stack.append({"00": False, "01": True}[text] if text in ("00", "01") else decimal(text))
    return end


def _long(machine: Machine, pos: int) -> int:
    text, end = line(machine, pos)
    machine.guard.heap += NUMBER + len(text)
    machine.stack.append(decimal(text.removesuffix("L")))
    return end


def _float(machine: Machine, pos: int) -> int:
    text, end = line(machine, pos)
    machine.guard.heap += NUMBER
    machine.stack.append(float(text))
    return end


def _unicode(machine: Machine, pos: int) -> int:
    end = machine.data.find(b"\n", pos)
    if end < 0:
        raise Refused("a text argument has no end")
    machine.guard.reserve(5 * (end - pos))  # a slice, and four bytes a character
    text = str(machine.data[pos:end], "raw-unicode-escape")
    machine.guard.heap += getsizeof(text)
    machine.stack.append(text)
    return end + 1


def _short_text(machine: Machine, pos: int) -> int:
    end = pos + 1 + machine.data[pos]
    if end > machine.size:
        raise Refused(f"{machine.data[pos]} bytes are announced, {machine.size - pos - 1} are left")
    text = str(machine.data[pos + 1 : end], "utf-8", "surrogatepass")
    machine.guard.heap += TEXT + (end - pos if text.isascii() else 4 * len(text))
    machine.stack.append(text)
    return end


def _text(form: Struct) -> Op:
    def op(machine: Machine, pos: int) -> int:
        size, start = number(machine, form, pos), pos + form.size
        text = _large_text(machine, start, size) if size > _LARGE else _small_text(machine, start, size)
        machine.guard.heap += getsizeof(text)
        machine.stack.append(text)
        return int(start + size)

    return op


def _small_text(machine: Machine, start: int, size: int) -> str:
    return str(_take(machine, start, size), "utf-8", "surrogatepass")


def _large_text(machine: Machine, start: int, size: int) -> str:
    end = start + size
    if end > machine.size:
        raise Refused(f"{size:,} bytes are announced, {machine.size - start:,} are left")
    machine.guard.blob(size)
    machine.guard.reserve(text_weight(machine.data, start, end))
    with memoryview(machine.data) as view:
        return str(view[start:end], "utf-8", "surrogatepass")


def _short_bytes(machine: Machine, pos: int) -> int:
    size = machine.data[pos]
    machine.guard.heap += TEXT + size
    machine.stack.append(_take(machine, pos + 1, size))
    return pos + 1 + size


def _bytes(form: Struct, kind: Callable[[memoryview], object]) -> Op:
    def op(machine: Machine, pos: int) -> int:
        size, start = number(machine, form, pos), pos + form.size
        end = start + size
        if end > machine.size:
            raise Refused(f"{size:,} bytes are announced, {machine.size - start:,} are left")
        machine.guard.blob(size)
        machine.guard.reserve(size)
        machine.guard.heap += TEXT + size
        with memoryview(machine.data) as view:
            machine.stack.append(kind(view[start:end]))
        return int(start + size)

    return op


# fmt: off
SCALARS: dict[bytes, Op] = {
    b"N": constant(None), b"\x88": constant(True), b"\x89": constant(False),
    b"K": _binint1, b"M": _packed(_U16), b"J": _packed(_I32), b"\x8a": _long1, b"\x8b": _long4,
    b"I": _int, b"L": _long, b"F": _float, b"G": _packed(_F64),
    b"V": _unicode, b"\x8c": _short_text, b"X": _text(U32), b"\x8d": _text(U64),
    b"C": _short_bytes, b"B": _bytes(U32, bytes), b"\x8e": _bytes(U64, bytes), b"\x96": _bytes(U64, bytearray),
}
# fmt: on
