"""Members of a cluster, read one by one but each in one go.

A snapshot lists up to a thousand of them, and each is the same 34 opcodes but for its host, port, status, roles and name.
What differs from the pattern is left to the opcodes, as are the memo's rules: entries that others may refer to are made,
the states of finished objects are forgotten (see `Machine.build`).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from casty_notebook.codec.registry import Entry
from casty_notebook.codec.weights import NUMBER, SET, SET_ITEM, TEXT

if TYPE_CHECKING:
    from casty_notebook.codec.pickle_reader import Machine

__all__ = ["MemberRun"]

_REF = rb"(?:h.|j....)"
_OBJECT = rb"(%b)\)\x81\x94\}\x94\((%b)" % (_REF, _REF)
_HEAD = re.compile(rb"%b%b\x8c(.)" % (_OBJECT, _OBJECT), re.DOTALL)
"""Member, key of the address, NodeAddress, key of the host, length of the host."""
_MIDDLE = re.compile(
    rb"\x94(%b)(K.|M..|J....)ub(%b)(%b)(%b)\(((?:%b)*+)\x91\x94(%b)\x8c(.)" % ((_REF,) * 6), re.DOTALL
)
"""Key of the port, port, key of the status, status, key of the roles, roles, key of the name, its length."""
_EACH = re.compile(_REF, re.DOTALL)
_END = b"\x94ub"
_OPS, _CONTAINERS = 33, 5
"""Of a member without roles. Instances, dicts and the set of roles are containers."""
_MOST = 256
"""Members after which the machine looks at its memory."""
_KEYS = ("address", "host", "port", "status", "roles", "id")


class MemberRun:
    """Reads members for one machine, once the first was read by its opcodes."""

    __slots__ = ("_address", "_known", "_member")

    def __init__(self, member: Entry, address: Entry) -> None:
        self._member = member
        self._address = address
        self._known: tuple[Any, ...] | None = None

    def read(self, machine: Machine, pos: int, gone: Any) -> int:
        """Push the members that begin at `pos`; returns where the first begins that is to be read by its opcodes."""
        data = machine.data
        if len(machine.meta) + 2 > machine.guard.max_depth:
            return pos
        for _ in range(_MOST):
            head = _HEAD.match(data, pos)
            middle = _MIDDLE.match(data, head.end() + head[5][0]) if head is not None else None
            if head is None or middle is None:
                break
            end = middle.end() + middle[8][0]
            if data[end : end + 3] != _END or not self._is_known(machine, head, middle):
                break
            status, *roles = (_recall(machine, ref) for ref in (middle[4], *_EACH.findall(middle[6])))
            if any(type(role) is not str for role in roles) or not isinstance(status, Enum):
                break
            host = str(data[head.end() : middle.start()], "utf-8", "surrogatepass")
            name = str(data[middle.end() : end], "utf-8", "surrogatepass")
            self._push(machine, (host, middle[2], status, roles, name), gone)
            pos = end + 3
        return pos

    def _is_known(self, machine: Machine, head: re.Match[bytes], middle: re.Match[bytes]) -> bool:
        """Whether these are the class, the keys and the address's class of members."""
        refs = (*head.groups()[:4], middle[1], middle[3], middle[5], middle[7])
        if refs != self._known:
            cls, address_key, address_cls, *keys = (_recall(machine, ref) for ref in refs)
            if cls is not self._member.cls or address_cls is not self._address.cls or (address_key, *keys) != _KEYS:
                return False
            self._known = refs
        return True

    def _push(self, machine: Machine, parts: tuple[str, bytes, Any, list[str], str], gone: Any) -> None:
        host, port, status, roles, name = parts
        guard = machine.guard
        guard.count(_OPS + len(roles))
        guard.containers += _CONTAINERS - 1
        guard.check_keys(roles, guard.new_scope())
        guard.container(
            self._member.shape.weight + self._address.shape.weight + SET + SET_ITEM * len(roles)
            + sum(TEXT + 1 + (len(text) if text.isascii() else 4 * len(text)) for text in (host, name))
            + (NUMBER if len(port) > 2 else 0)
        )  # fmt: skip
        number = int.from_bytes(port[1:], "little", signed=len(port) == 5)
        address = self._address.build({"host": host, "port": number})
        held = frozenset(roles)
        made = self._member.build({"address": address, "status": status, "roles": held, "id": name})
        machine.memo.extend((made, gone, address, gone, host, held, name))
        machine.lossy = True
        machine.stack.append(made)


def _recall(machine: Machine, ref: bytes) -> Any:
    """What a BINGET or LONG_BINGET pushes."""
    number = int.from_bytes(ref[1:], "little")
    return machine.memo[number] if number < len(machine.memo) else None
