"""The opcodes of pickle protocols 0 to 5 that carry data, one function each: ``op(machine, pos) -> next pos``.

`pos` is just behind the opcode; a negative result ends the run. Lengths are compared with the bytes at hand before
anything is sliced. Opcodes that refer to something outside the pickle (persistent ids, extension codes, buffers), or
that only Python 2 writes, have no function and are refused.
"""

from __future__ import annotations

from collections.abc import Callable

from casty_notebook.backends.sharded.codec.pickle.machine import Machine
from casty_notebook.backends.sharded.codec.pickle.records import read_records
from casty_notebook.backends.sharded.codec.pickle.scalars import SCALARS, U32, U64, Op, constant, decimal, line, number
from casty_notebook.backends.sharded.codec.pickle.shards import read_shards, set_items
from casty_notebook.values.limits import size_model as weights
from casty_notebook.values.limits.budget import Refused

__all__ = ["BINGET", "MEMOIZE", "OPCODES", "op_name"]

BINGET, MEMOIZE = 0x68, 0x94
_SHARD_KEYS = frozenset(b"KMJ")
_REFS = frozenset(b"hj")
_STOPPED = -1


# --- framing and the stack ---------------------------------------------------------------------------------------


def _proto(machine: Machine, pos: int) -> int:
    if machine.data[pos] > 5:
        raise Refused(f"pickle protocol {machine.data[pos]}; 0 to 5 are read")
    return pos + 1


def _frame(machine: Machine, pos: int) -> int:
    size = number(machine, U64, pos)
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
        return read_shards(machine, pos)
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
    machine.stack.append(machine.recall(number(machine, U32, pos)))
    return pos + 4


def _get(machine: Machine, pos: int) -> int:
    text, end = line(machine, pos)
    machine.stack.append(machine.recall(_index(text)))
    return end


def _binput(machine: Machine, pos: int) -> int:
    machine.remember(machine.data[pos])
    return pos + 1


def _long_binput(machine: Machine, pos: int) -> int:
    machine.remember(number(machine, U32, pos))
    return pos + 4


def _put(machine: Machine, pos: int) -> int:
    text, end = line(machine, pos)
    machine.remember(_index(text))
    return end


def _index(text: str) -> int:
    index = decimal(text)
    if index < 0:
        raise Refused(f"{text[:20]} is not the number of a memo entry")
    return index


# --- containers ----------------------------------------------------------------------------------------------------


def _empty(kind: Callable[[], object], weight: int) -> Op:
    def op(machine: Machine, pos: int) -> int:
        machine.guard.container(weight)
        machine.stack.append(kind())
        return pos

    return op


def _tuple_of(size: int) -> Op:
    weight = weights.TUPLE + 8 * size

    def op(machine: Machine, pos: int) -> int:
        machine.guard.container(weight)
        stack = machine.stack
        if len(stack) < size:
            raise Refused("it takes from an empty stack")
        stack[-size:] = [tuple(stack[-size:])]
        return pos

    return op


def _tuple(machine: Machine, pos: int) -> int:
    items = machine.pop_mark()
    machine.guard.container(weights.TUPLE + 8 * len(items))
    machine.stack.append(tuple(items))
    return pos


def _list(machine: Machine, pos: int) -> int:
    items = machine.pop_mark()
    machine.guard.container(weights.LIST + weights.SLOT * len(items))
    machine.stack.append(items)
    return pos


def _dict(machine: Machine, pos: int) -> int:
    machine.guard.container(weights.DICT)
    items, made = machine.pop_mark(), {}  # type: ignore[var-annotated]
    machine.add_pairs(made, items)
    machine.stack.append(made)
    return pos


def _frozenset(machine: Machine, pos: int) -> int:
    items = machine.pop_mark()
    machine.guard.container(weights.SET + weights.SET_ITEM * len(items))
    machine.guard.check_keys(items, frozenset)
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
        machine.guard.heap += weights.pairs(len(target), 1)
        target[key] = value
    else:
        machine.add_pairs(target, [key, value])
    return pos


# --- names and objects -----------------------------------------------------------------------------------------------


def _global(machine: Machine, pos: int) -> int:
    module, middle = line(machine, pos)
    name, end = line(machine, middle)
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
    machine.build()
    objects = machine.objects
    if objects.shards_seen and machine.data[pos] in _SHARD_KEYS:
        return read_shards(machine, pos)
    if objects.record_made and machine.data[pos] in _REFS:
        return read_records(machine, pos)
    return pos


# fmt: off
_READ: dict[bytes, Op] = SCALARS | {
    b"\x80": _proto, b"\x95": _frame, b".": _stop, b"(": _mark, b"0": _pop, b"1": _pop_mark, b"2": _dup,
    b"h": _binget, b"j": _long_binget, b"g": _get, b"q": _binput, b"r": _long_binput, b"p": _put,
    b")": constant(()), b"]": _empty(list, weights.LIST), b"}": _empty(dict, weights.DICT),
    b"\x8f": _empty(set, weights.SET),
    b"\x85": _tuple_of(1), b"\x86": _tuple_of(2), b"\x87": _tuple_of(3), b"t": _tuple, b"l": _list, b"d": _dict,
    b"\x91": _frozenset, b"a": _append, b"e": _appends, b"\x90": _additems, b"s": _setitem, b"u": set_items,
    b"c": _global, b"\x93": _stack_global, b"\x81": _newobj, b"\x92": _newobj_ex, b"R": _reduce, b"b": _build,
}
# fmt: on


def _refused(machine: Machine, pos: int) -> int:  # noqa: ARG001
    raise Refused("honest nodes do not write this opcode")


# `reader.run` executes MEMOIZE itself, and BINGET where it pushes a value that holds no others.
OPCODES: list[Op] = [_READ.get(bytes([code]), _refused) for code in range(256)]
"""The function of each opcode, at the place of its byte."""


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
