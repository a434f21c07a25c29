"""The opcodes of pickle protocols 0 to 5 that carry data, one function each: ``op(machine, pos) -> next pos``.

`pos` is just behind the opcode; a negative result ends the run. Lengths are compared with the bytes at hand before
anything is sliced. Opcodes that refer to something outside the pickle (persistent ids, extension codes, buffers), or
that only Python 2 writes, have no function and are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any

from casty_notebook.codec.guard import Refused

if TYPE_CHECKING:
    from casty_notebook.codec.pickle_reader import Machine

__all__ = ["MEMOIZE", "OPCODES", "op_name"]

type Op = Callable[[Machine, int], int]

MAX_INT_BYTES = 1024
"""Longest integer read, 8,192 bits."""
_MAX_LINE = 4096
_SHARD_KEYS = frozenset(b"KMJ")
_U16, _I32, _U32, _U64, _F64 = Struct("<H"), Struct("<i"), Struct("<I"), Struct("<Q"), Struct(">d")
_STOPPED = -1
MEMOIZE = 0x94


def _take(machine: Machine, start: int, size: int) -> bytes:
    """Slice `size` bytes, which must all be there."""
    end = start + size
    if end > machine.size:
        raise Refused(f"{size:,} bytes are announced, {machine.size - start:,} are left")
    return machine.data[start:end]


def _number(machine: Machine, form: Struct, pos: int) -> Any:
    if pos + form.size > machine.size:
        raise Refused("it ends too early")
    return form.unpack_from(machine.data, pos)[0]


def _line(machine: Machine, pos: int) -> tuple[str, int]:
    """Read one line of a text opcode."""
    end = machine.data.find(b"\n", pos, pos + _MAX_LINE)
    if end < 0:
        raise Refused(f"a text argument has no end within {_MAX_LINE} bytes")
    return machine.data[pos:end].decode(), end + 1


def _decimal(text: str) -> int:
    digits = text.lstrip("-+")
    if not digits.isascii() or not digits.isdecimal():
        raise Refused(f"{text[:20]!r} is not a number")
    return int(text)


# --- framing and the stack ---------------------------------------------------------------------------------------


def _proto(machine: Machine, pos: int) -> int:
    if machine.data[pos] > 5:
        raise Refused(f"pickle protocol {machine.data[pos]}; 0 to 5 are read")
    return pos + 1


def _frame(machine: Machine, pos: int) -> int:
    size = _number(machine, _U64, pos)
    if size > machine.size - pos - 8:
        raise Refused(f"a frame of {size:,} bytes is announced, {machine.size - pos - 8:,} are left")
    return pos + 8


def _stop(machine: Machine, pos: int) -> int:
    if pos != machine.size or machine.meta or len(machine.stack) != 1:
        raise Refused("something is left over at its end")
    machine.result = machine.stack.pop()
    return _STOPPED


def _mark(machine: Machine, pos: int) -> int:
    machine.push_mark()
    if machine.objects.shards_seen and machine.data[pos] in _SHARD_KEYS:
        return machine.shards(pos)
    return pos


def _pop(machine: Machine, pos: int) -> int:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()
    return pos


def _pop_mark(machine: Machine, pos: int) -> int:
    machine.pop_mark()
    return pos


def _dup(machine: Machine, pos: int) -> int:
    machine.stack.append(machine.refer(machine.stack[-1]))
    return pos


# --- the memo ------------------------------------------------------------------------------------------------------


def _binget(machine: Machine, pos: int) -> int:
    machine.stack.append(machine.recall(machine.data[pos]))
    return pos + 1


def _long_binget(machine: Machine, pos: int) -> int:
    machine.stack.append(machine.recall(_number(machine, _U32, pos)))
    return pos + 4


def _get(machine: Machine, pos: int) -> int:
    text, end = _line(machine, pos)
    machine.stack.append(machine.recall(_decimal(text)))
    return end


def _binput(machine: Machine, pos: int) -> int:
    machine.remember(machine.data[pos])
    return pos + 1


def _long_binput(machine: Machine, pos: int) -> int:
    machine.remember(_number(machine, _U32, pos))
    return pos + 4


def _put(machine: Machine, pos: int) -> int:
    text, end = _line(machine, pos)
    machine.remember(_decimal(text))
    return end


# --- scalars -------------------------------------------------------------------------------------------------------


def _constant(value: object) -> Op:
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
        machine.stack.append(_number(machine, form, pos))
        return pos + size

    return op


def _long1(machine: Machine, pos: int) -> int:
    size = machine.data[pos]
    machine.stack.append(int.from_bytes(_take(machine, pos + 1, size), "little", signed=True))
    return pos + 1 + size


def _long4(machine: Machine, pos: int) -> int:
    size = _number(machine, _I32, pos)
    if not 0 <= size <= MAX_INT_BYTES:
        raise Refused(f"an integer of {size:,} bytes; at most {MAX_INT_BYTES:,} are read")
    machine.stack.append(int.from_bytes(_take(machine, pos + 4, size), "little", signed=True))
    return int(pos + 4 + size)


def _int(machine: Machine, pos: int) -> int:
    text, end = _line(machine, pos)
    machine.stack.append({"00": False, "01": True}[text] if text in ("00", "01") else _decimal(text))
    return end


def _long(machine: Machine, pos: int) -> int:
    text, end = _line(machine, pos)
    machine.stack.append(_decimal(text.removesuffix("L")))
    return end


def _float(machine: Machine, pos: int) -> int:
    text, end = _line(machine, pos)
    machine.stack.append(float(text))
    return end


def _unicode(machine: Machine, pos: int) -> int:
    end = machine.data.find(b"\n", pos)
    if end < 0:
        raise Refused("a text argument has no end")
    machine.stack.append(str(machine.data[pos:end], "raw-unicode-escape"))
    return end + 1


def _short_text(machine: Machine, pos: int) -> int:
    end = pos + 1 + machine.data[pos]
    if end > machine.size:
        raise Refused(f"{machine.data[pos]} bytes are announced, {machine.size - pos - 1} are left")
    machine.stack.append(str(machine.data[pos + 1 : end], "utf-8", "surrogatepass"))
    return end


def _text(form: Struct) -> Op:
    def op(machine: Machine, pos: int) -> int:
        size, start = _number(machine, form, pos), pos + form.size
        machine.stack.append(str(_take(machine, start, size), "utf-8", "surrogatepass"))
        return int(start + size)

    return op


def _short_bytes(machine: Machine, pos: int) -> int:
    size = machine.data[pos]
    machine.stack.append(_take(machine, pos + 1, size))
    return pos + 1 + size


def _bytes(form: Struct, kind: Callable[[bytes], object]) -> Op:
    def op(machine: Machine, pos: int) -> int:
        size, start = _number(machine, form, pos), pos + form.size
        machine.stack.append(kind(_take(machine, start, size)))
        return int(start + size)

    return op


# --- containers ----------------------------------------------------------------------------------------------------


def _empty(kind: Callable[[], object]) -> Op:
    def op(machine: Machine, pos: int) -> int:
        machine.guard.container()
        machine.stack.append(kind())
        return pos

    return op


def _tuple_of(size: int) -> Op:
    def op(machine: Machine, pos: int) -> int:
        machine.guard.container()
        stack = machine.stack
        if len(stack) < size:
            raise Refused("it takes from an empty stack")
        stack[-size:] = [tuple(stack[-size:])]
        return pos

    return op


def _tuple(machine: Machine, pos: int) -> int:
    machine.guard.container()
    items = machine.pop_mark()
    machine.stack.append(tuple(items))
    return pos


def _list(machine: Machine, pos: int) -> int:
    machine.guard.container()
    items = machine.pop_mark()
    machine.stack.append(items)
    return pos


def _dict(machine: Machine, pos: int) -> int:
    machine.guard.container()
    items, made = machine.pop_mark(), {}  # type: ignore[var-annotated]
    machine.add_pairs(made, items)
    machine.stack.append(made)
    return pos


def _frozenset(machine: Machine, pos: int) -> int:
    machine.guard.container()
    items = machine.pop_mark()
    machine.guard.check_keys(items, machine.guard.new_scope())
    machine.stack.append(frozenset(items))
    return pos


def _append(machine: Machine, pos: int) -> int:
    item = machine.stack.pop()
    machine.add_items(machine.stack[-1], [item])
    return pos


def _appends(machine: Machine, pos: int) -> int:
    items = machine.pop_mark()
    machine.add_items(machine.stack[-1], items)
    return pos


def _additems(machine: Machine, pos: int) -> int:
    items = machine.pop_mark()
    machine.add_members(machine.stack[-1], items)
    return pos


def _setitem(machine: Machine, pos: int) -> int:
    stack = machine.stack
    value, key = stack.pop(), stack.pop()
    target = stack[-1]
    if type(target) is dict and type(key) is str:
        target[key] = value
    else:
        machine.add_pairs(target, [key, value])
    return pos


def _setitems(machine: Machine, pos: int) -> int:
    items = machine.pop_mark()
    machine.add_pairs(machine.stack[-1], items)
    return pos


# --- names and objects -----------------------------------------------------------------------------------------------


def _global(machine: Machine, pos: int) -> int:
    module, middle = _line(machine, pos)
    name, end = _line(machine, middle)
    machine.stack.append(machine.objects.find(module, name))
    return end


def _stack_global(machine: Machine, pos: int) -> int:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.objects.find(module, name))
    return pos


def _newobj(machine: Machine, pos: int) -> int:
    stack = machine.stack
    args = stack.pop()
    stack[-1] = machine.objects.create(stack[-1], args, {}, machine.next_index())
    return pos


def _newobj_ex(machine: Machine, pos: int) -> int:
    stack = machine.stack
    kwargs, args = stack.pop(), stack.pop()
    stack[-1] = machine.objects.create(stack[-1], args, kwargs, machine.next_index())
    return pos


def _reduce(machine: Machine, pos: int) -> int:
    stack = machine.stack
    args = stack.pop()
    stack[-1] = machine.objects.reduce(stack[-1], args, machine.next_index())
    return pos


def _build(machine: Machine, pos: int) -> int:
    machine.build(machine.stack.pop())
    if machine.objects.shards_seen and machine.data[pos] in _SHARD_KEYS:
        return machine.shards(pos)
    return pos


# fmt: off
_READ: dict[bytes, Op] = {
    b"\x80": _proto, b"\x95": _frame, b".": _stop, b"(": _mark, b"0": _pop, b"1": _pop_mark, b"2": _dup,
    b"h": _binget, b"j": _long_binget, b"g": _get, b"q": _binput, b"r": _long_binput, b"p": _put,
    b"N": _constant(None), b"\x88": _constant(True), b"\x89": _constant(False),
    b"K": _binint1, b"M": _packed(_U16), b"J": _packed(_I32), b"\x8a": _long1, b"\x8b": _long4,
    b"I": _int, b"L": _long, b"F": _float, b"G": _packed(_F64),
    b"V": _unicode, b"\x8c": _short_text, b"X": _text(_U32), b"\x8d": _text(_U64),
    b"C": _short_bytes, b"B": _bytes(_U32, bytes), b"\x8e": _bytes(_U64, bytes), b"\x96": _bytes(_U64, bytearray),
    b")": _constant(()), b"]": _empty(list), b"}": _empty(dict), b"\x8f": _empty(set),
    b"\x85": _tuple_of(1), b"\x86": _tuple_of(2), b"\x87": _tuple_of(3), b"t": _tuple, b"l": _list, b"d": _dict,
    b"\x91": _frozenset, b"a": _append, b"e": _appends, b"\x90": _additems, b"s": _setitem, b"u": _setitems,
    b"c": _global, b"\x93": _stack_global, b"\x81": _newobj, b"\x92": _newobj_ex, b"R": _reduce, b"b": _build,
}
# fmt: on


def _refused(machine: Machine, pos: int) -> int:  # noqa: ARG001
    raise Refused("honest nodes do not write this opcode")


# MEMOIZE is executed by the machine's own loop.
OPCODES: list[Op] = [_READ.get(bytes([code]), _refused) for code in range(256)]
"""By opcode."""


def op_name(data: bytes, pos: int) -> str:
    """Return the name of the opcode at `pos`, for errors.

    Examples
    --------
    >>> op_name(b"Pid", 0)
    'PERSID'
    """
    if pos >= len(data):
        return "the end"
    import pickletools

    names = {opcode.code: opcode.name for opcode in pickletools.opcodes}
    return names.get(chr(data[pos]), f"0x{data[pos]:02x}")
