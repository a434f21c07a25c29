"""Members of a cluster, read one by one but each in one go.

A snapshot lists up to a thousand of them, and each is the same 29 opcodes beside those of its texts.
What differs from the pattern is left to the opcodes, as are the memo's rules: entries that others may refer to are made,
the states of finished objects are forgotten (see `Machine.build`).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

from casty_notebook.backends.sharded.codec.pickle.machine import GONE, Machine
from casty_notebook.values.limits.size_model import NUMBER, SET, SET_ITEM, TEXT
from casty_notebook.values.registry import Entry

__all__ = ["read_members"]

_REF = rb"(h.|j....)"
_OBJECT = rb"%b\)\x81\x94\}\x94\(%b" % (_REF, _REF)
_HEAD = re.compile(_OBJECT + _OBJECT, re.DOTALL)
"""Member, key of the address, NodeAddress, key of the host."""
_MIDDLE = re.compile(rb"%b(K.|M..|J....)ub%b%b%b\(" % ((_REF,) * 4), re.DOTALL)
"""Key of the port, port, key of the status, status, key of the roles."""
_TAIL = re.compile(rb"\x91\x94%b" % _REF, re.DOTALL)
"""Key of the name."""
_BINGET, _LONG_BINGET, _SHORT_TEXT, _MEMOIZE, _FROZENSET = 0x68, 0x6A, 0x8C, 0x94, 0x91
_OPS, _CONTAINERS = 29, 5
"""Of a member, beside its texts. Instances, dicts and the set of roles are containers."""
_MOST = 256
"""Members after which the machine looks at its memory."""
_MOST_ROLES = 100
"""Nothing is counted before all of a member is seen, so that must be little."""
_KEYS = ("address", "host", "port", "status", "roles", "id")


class _Other(Exception):
    """No member of the usual form."""


def read_members(machine: Machine, pos: int) -> int:
    """Read the members that may follow at `pos`; returns where they end."""
    if not machine.bulk_allowed:
        return pos
    if machine.member_run is None:
        member, address = machine.registry.entry("casty.Member"), machine.registry.entry("casty.NodeAddress")
        if member is None or address is None:
            return pos
        machine.member_run = MemberRun(member, address)
    end = machine.member_run.read(machine, pos)
    machine.weigh()
    return end


class _Texts:
    """The texts of one member, written out or referred to, and what they add to the memo."""

    __slots__ = ("_machine", "made", "ops", "weight")

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.made: list[str] = []
        self.ops = self.weight = 0

    def read(self, pos: int) -> tuple[str, int]:
        """A text, and where it ends."""
        data = self._machine.data
        code = data[pos]
        if code != _SHORT_TEXT:
            ref = data[pos : pos + (2 if code == _BINGET else 5)]
            text = _recall(self._machine, ref) if code in (_BINGET, _LONG_BINGET) else None
            if type(text) is not str:
                raise _Other
            self.ops += 1
            return text, pos + len(ref)
        end = pos + 2 + data[pos + 1]
        if data[end] != _MEMOIZE:
            raise _Other
        text = str(data[pos + 2 : end], "utf-8", "surrogatepass")
        self.made.append(text)
        self.ops += 2
        self.weight += TEXT + (end - pos - 1 if text.isascii() else 4 * len(text))
        return text, end + 1


class MemberRun:
    """Reads members for one machine, once the first was read by its opcodes."""

    __slots__ = ("_address", "_known", "_member")

    def __init__(self, member: Entry, address: Entry) -> None:
        self._member = member
        self._address = address
        self._known: tuple[Any, ...] | None = None

    def read(self, machine: Machine, pos: int) -> int:
        """Push the members that begin at `pos`; returns where the first begins that is to be read by its opcodes."""
        if len(machine.meta) + 2 > machine.guard.max_depth:
            return pos
        try:
            for _ in range(_MOST):
                pos = self._one(machine, pos)
        except _Other:
            pass
        return pos

    def _one(self, machine: Machine, pos: int) -> int:
        data, texts = machine.data, _Texts(machine)
        head = _match(_HEAD, data, pos)
        host, end = texts.read(head.end())
        middle = _match(_MIDDLE, data, end)
        end = middle.end()
        roles = []
        while data[end] != _FROZENSET:
            role, end = texts.read(end)
            roles.append(role)
            if len(roles) > _MOST_ROLES:
                raise _Other
        before_name = len(texts.made)
        tail = _match(_TAIL, data, end)
        name, end = texts.read(tail.end())
        status = _recall(machine, middle[4])
        if data[end : end + 2] != b"ub" or not isinstance(status, Enum):
            raise _Other
        self._check(machine, (*head.groups(), middle[1], middle[3], middle[5], tail[1]))
        self._count(machine, texts, middle[2], roles)
        number = int.from_bytes(middle[2][1:], "little", signed=len(middle[2]) == 5)
        address = self._address.build({"host": host, "port": number})
        held = frozenset(roles)
        made = self._member.build({"address": address, "status": status, "roles": held, "id": name})
        machine.memo.extend((made, GONE, address, GONE, *texts.made[:before_name], held, *texts.made[before_name:]))
        machine.lossy = True
        machine.stack.append(made)
        return end + 2

    def _check(self, machine: Machine, refs: tuple[bytes, ...]) -> None:
        """See that these are the classes and keys of a member."""
        if refs != self._known:
            cls, address_key, address_cls, *keys = (_recall(machine, ref) for ref in refs)
            if cls is not self._member.cls or address_cls is not self._address.cls or (address_key, *keys) != _KEYS:
                raise _Other
            self._known = refs

    def _count(self, machine: Machine, texts: _Texts, port: bytes, roles: list[str]) -> None:
        """Count what its opcodes would have cost, before it is made."""
        guard = machine.guard
        guard.count(_OPS + texts.ops)
        guard.containers += _CONTAINERS - 1
        own = self._member.shape.weight + self._address.shape.weight + SET + SET_ITEM * len(roles)
        guard.container(own + texts.weight + (NUMBER if len(port) > 2 else 0))


def _match(pattern: re.Pattern[bytes], data: bytes, pos: int) -> re.Match[bytes]:
    found = pattern.match(data, pos)
    if found is None:
        raise _Other
    return found


def _recall(machine: Machine, ref: bytes) -> Any:
    """What a BINGET or LONG_BINGET pushes."""
    number = int.from_bytes(ref[1:], "little")
    return machine.memo[number] if number < len(machine.memo) else None
