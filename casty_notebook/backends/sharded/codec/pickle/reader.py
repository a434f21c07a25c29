"""Pickle, read by a machine of our own: same stack, memo and opcodes, but nothing is looked up, imported or called.

`pickle.Unpickler` with a guarded ``find_class`` is not enough: a memo index of 2^31 makes it allocate gigabytes, a
tuple that holds itself twice, forty levels deep, never finishes hashing, and state is set on whatever is on the stack.
Here a name becomes a local class of the closed table or a stand-in, an object is finished by exactly one state, values
that contain themselves are refused, and everything is bounded. PROTOCOL section 4.3 lists what honest nodes write.
"""

from __future__ import annotations

from enum import EnumType
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.codec.pickle.machine import Machine
from casty_notebook.backends.sharded.codec.pickle.ops import BINGET, MEMOIZE, OPCODES, op_name
from casty_notebook.backends.sharded.codec.pickle.shard_tables import Replay
from casty_notebook.backends.sharded.codec.pickle.short_objects import NOT_ALONE, alone, short_object
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.limits.budget import Refused
from casty_notebook.values.limits.measure import TooMuch
from casty_notebook.values.registry import Registry

__all__ = ["loads", "run"]


_SLICE = 2048
"""Opcodes between two looks at the size of stack and memo."""
_PLAIN = frozenset({str, type, EnumType, NodeAddress})
"""Types whose instances hold no other values, so that a second reference to one need not be checked (see `Machine.refer`)."""


def loads(data: bytes, registry: Registry, settings: Settings, *, held: int = 0, start: int = 0, bulk: bool = True) -> Any:
    """Read one pickle.

    Parameters
    ----------
    held
        Bytes that are in memory already because of this message, counted against `Settings.max_memory`.
    start
        Where in `data` the pickle begins.
    bulk
        Read shard tables many entries at a time (see `shards`), and forget the states of finished objects. The
        result is the same without, at more cost.

    Raises
    ------
    UndecodableMessage
        For anything but an honest pickle within the bounds; names the opcode and its offset.
    """
    value = alone(data, start)
    if value is not NOT_ALONE:
        return value
    value = short_object(data, start, held, registry, settings)
    if value is not NOT_ALONE:
        return value
    machine = Machine(data, registry, settings, held=held, start=start, bulk=bulk)
    reason = None
    try:
        return run(machine)
    except Replay:
        pass
    except Exception as error:
        # While a column is open, what the opcodes miss may be what it took from the stack: read again without columns.
        if machine.table is None or isinstance(error, TooMuch):
            reason = _in_words(error)
    pos = machine.pos
    del machine  # what it has built is not to be in memory twice
    if reason is None:
        return loads(data, registry, settings, held=held, start=start, bulk=False)
    raise UndecodableMessage(f"a pickle was refused at offset {pos - start} ({op_name(data, pos)}): {reason}")


def _in_words(error: Exception) -> str:
    if isinstance(error, Refused | TooMuch | ValueError):
        return str(error)[:300]
    if isinstance(error, IndexError):
        return "it ends too early, or takes from an empty stack"
    # Whatever a builder, a hash or a comparison of the values themselves raises.
    return f"{type(error).__name__}: {str(error)[:200]}"


def run(machine: Machine) -> Any:
    """Execute until STOP and return the message."""
    data, ops, memo, pos, done = machine.data, OPCODES, machine.memo, machine.pos, 0
    try:
        while pos >= 0:
            for done in range(_SLICE):  # noqa: B007 - read after the loop
                code = data[pos]
                if code == MEMOIZE:  # every third opcode of an honest pickle
                    memo.append(machine.stack[-1])
                    pos += 1
                    continue
                if code == BINGET:  # nearly every other one of the rest
                    index = data[pos + 1]
                    if index < len(memo) and type(known := memo[index]) in _PLAIN:
                        machine.stack.append(known)
                        pos += 2
                        continue
                pos = ops[code](machine, pos + 1)
                if pos < 0:
                    break
            machine.guard.count(done + 1)
            machine.weigh()
        pos = machine.size - 1
    finally:
        machine.pos = pos
    return machine.finished()
