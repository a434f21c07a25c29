"""The cluster's own messages (VIRTUAL section 5): bodies of the services ``membership``, ``actors`` and ``replies``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.packing import glimpse, pack, unpack_message, where_bytes_begin
from casty_notebook.errors import CastyNotebookError, UndecodableMessage

__all__ = [
    "ACTORS", "MEMBERSHIP", "REPLIES", "STATUSES", "DeliverWriter", "Outcome", "Record", "WrongOwner", "encode_cancel",
    "encode_deliver", "encode_sync", "read_actors", "read_membership", "read_reply",
]  # fmt: skip

MEMBERSHIP, ACTORS, REPLIES = b"membership", b"actors", b"replies"
STATUSES = ("alive", "leaving", "suspect", "dead")
"""From the best to the worst."""
GONE = "left"
"""The status of a node that is no member any more, though a table still lists it; casty's own client does not show it."""
MAX_MEMBERS = 1_000
"""Members in one table; casty 0.30 has not been seen with more than a few. To compute the ring of a thousand new
members takes a thread some tenths of a second."""
MAX_NAME = 1_000
"""Characters of an address or of the name of a type."""
MAX_KEY = 64 * 1024
"""Characters of a key."""
MAX_TYPES = 100_000
"""Names of types in one table, of all its members together."""
_BYTE = [bytes((each,)) for each in range(256)]
_REPLY = b"\x92\xa5Reply\x82\xa2id\xcf"
_VALUE = b"\xa7outcome\x92\xa5Value\x81\xa4data\xc4"
_NUMBERED, _VALUED = len(_REPLY) + 8, len(_REPLY) + 8 + len(_VALUE)


@dataclass(frozen=True, slots=True)
class Record:
    """What one node says of one member."""

    address: NodeAddress
    incarnation: bytes
    status: str
    types: frozenset[str]


@dataclass(slots=True)
class Outcome:
    """How an ask ended on its node: ``Value``, ``Failed``, ``Missing``, ``Unknown``, ``Full`` or another word of the node's.

    Attributes
    ----------
    data
        The value's bytes, of ``Value`` alone.
    error, message
        Class and text of the exception, of ``Failed`` alone.
    """

    number: int
    kind: str
    data: bytes = b""
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class WrongOwner:
    """A message came back unread: its key lives elsewhere."""

    number: int | None
    """The ask's number; None for a tell, which carries nothing that identifies it."""
    actor: str
    key: str
    message: bytes


def _me(incarnation: bytes) -> dict[str, Any]:
    return {"address": None, "incarnation": incarnation}


def encode_sync(incarnation: bytes) -> bytes:
    """Ask a node for its table of members."""
    return pack(["Message", {"sender": ["NodeId", _me(incarnation)], "body": ["Sync", {"records": []}]}])


def encode_deliver(incarnation: bytes, actor: str, key: str, message: bytes, number: int | None) -> bytes:
    """Write a message for a key; `number` is the ask's, None for a tell. Never a ``Start``, which would make the key."""
    me = _me(incarnation)
    reply = None if number is None else ["ReplyTarget", {"node": me, "id": number}]
    command = ["Deliver", {"actor": actor, "key": key, "message": message, "reply": reply}]
    return pack(["Routed", {"command": command, "origin": me, "attempt": 1}])


class DeliverWriter:
    """`encode_deliver` for one client, faster: the bytes that all its messages have in common are written only once."""

    KEPT = 4_096
    """Most keys for which the beginning of a message, up to its body, is kept."""

    def __init__(self, incarnation: bytes) -> None:
        self._incarnation = incarnation
        self._heads: dict[tuple[str, str], bytes] = {}
        mark = 0xDEAD_BEEF << 32
        empty = b"\xa5actor\xa0\xa3key\xa0\xa7message\xc4\x00"
        self._before, _, asked = encode_deliver(incarnation, "", "", b"", mark).partition(empty)
        self._asked, _, self._asked_end = asked.partition(mark.to_bytes(8))
        self._told = encode_deliver(incarnation, "", "", b"", None).partition(empty)[2]

    def write(self, actor: str, key: str, message: bytes, number: int | None) -> bytes:
        """The same bytes as `encode_deliver`."""
        head = self._heads.get((actor, key))
        if head is None:
            head = self._keep(actor, key)
        size = len(message)
        sized = b"\xc4" + _BYTE[size] if size < 256 else pack(message)[:-size]
        if number is None:
            return b"".join((head, sized, message, self._told))
        if number >> 32 == 0:
            return encode_deliver(self._incarnation, actor, key, message, number)  # msgpack writes it in fewer bytes
        return b"".join((head, sized, message, self._asked, number.to_bytes(8), self._asked_end))

    def _keep(self, actor: str, key: str) -> bytes:
        head = b"".join((self._before, b"\xa5actor", pack(actor), b"\xa3key", pack(key), b"\xa7message"))
        if len(self._heads) >= self.KEPT:
            self._heads.clear()
        if len(head) <= MAX_NAME:
            self._heads[actor, key] = head
        return head


def encode_cancel(incarnation: bytes, actor: str, key: str, number: int) -> bytes:
    """Tell the key's node that nobody waits for the answer any more."""
    request = ["r", None, incarnation, number]
    return pack(["Cancel", {"actor": actor, "key": key, "request": request}])


def read_membership(body: bytes) -> tuple[Record, ...] | None:
    """The table in a ``SyncReply``; None for any other message of the membership, which clients have no part in.

    Raises
    ------
    UndecodableMessage
        For what casty 0.30 does not write; says what was seen.
    """
    fields = _variant(unpack_message(body), "Message")
    kind, said = _pair(fields.get("body"))
    if kind != "SyncReply":
        return None
    records = said.get("records")
    if not isinstance(records, list) or len(records) > MAX_MEMBERS:
        raise UndecodableMessage(f"a table of members came as {glimpse(records)}; at most {MAX_MEMBERS:,} are read")
    table = [record for record in records if not _is_gone(record)]
    types = sum(map(_types_of, table))
    if types > MAX_TYPES:
        raise UndecodableMessage(f"a table of members came with {types:,} names of types; at most {MAX_TYPES:,} are read")
    names: dict[str, str] = {}  # so that a type that a hundred members list is one text in memory
    return tuple(_record(record, names) for record in table)


def _types_of(record: Any) -> int:
    types = record.get("types") if isinstance(record, dict) else None
    return len(types) if isinstance(types, list) else 0


def _is_gone(record: Any) -> bool:
    return isinstance(record, dict) and record.get("status") == GONE


def _record(record: Any, names: dict[str, str]) -> Record:
    try:
        address, incarnation = record["node"]["address"], record["node"]["incarnation"]
        status, types = record["status"], record["types"]
        if type(incarnation) is not bytes or len(incarnation) != 16 or status not in STATUSES or len(address) > MAX_NAME:
            raise ValueError
        if type(types) is not list or any(type(name) is not str or len(name) > MAX_NAME for name in types):
            raise ValueError
        known = frozenset([names.setdefault(name, name) for name in types])
        return Record(NodeAddress.parse(address), incarnation, status, known)
    except (KeyError, TypeError, ValueError, AttributeError, CastyNotebookError):
        raise UndecodableMessage(
            f"a member came as {glimpse(record)}; casty 0.30 writes node, status ({', '.join(STATUSES)}) and types"
        ) from None


def read_reply(body: bytes) -> Outcome:
    """How an ask ended.

    Raises
    ------
    UndecodableMessage
        For what casty 0.30 does not write.
    """
    if body.startswith(_REPLY) and body.startswith(_VALUE, _NUMBERED) and len(body) > _VALUED:
        # The usual case, read without msgpack: a short value, which is always written in this one way.
        data = body[_VALUED + 1 :]
        if len(data) == body[_VALUED]:
            return Outcome(int.from_bytes(body[len(_REPLY) : _NUMBERED]), "Value", data)
    elif body.startswith(_REPLY) and body.startswith(_VALUE[:-1], _NUMBERED):
        at = where_bytes_begin(body, _VALUED - 1)
        if at:
            return Outcome(int.from_bytes(body[len(_REPLY) : _NUMBERED]), "Value", body[at:])
    tree = unpack_message(body)
    try:
        fields = tree[1]
        kind, said = fields["outcome"]
        number = fields["id"]
        if kind == "Value" and type(said["data"]) is bytes and type(number) is int:
            return Outcome(number, kind, said["data"])
        if tree[0] != "Reply" or type(number) is not int or type(kind) is not str or kind == "Value":
            raise TypeError
        return Outcome(number, kind[:MAX_NAME], b"", _text(said, "error", MAX_NAME), _text(said, "message", 4 * MAX_NAME))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise UndecodableMessage(f"a reply came as {glimpse(tree)}") from None


def _text(fields: dict[str, Any], name: str, most: int) -> str:
    text = fields.get(name, "")
    return text[:most] if isinstance(text, str) else glimpse(text)


def read_actors(body: bytes) -> WrongOwner | None:
    """The message that came back; None for anything else, which clients have no part in.

    Raises
    ------
    UndecodableMessage
        For what casty 0.30 does not write.
    """
    tree = unpack_message(body)
    try:
        kind, fields = tree
        if kind != "WrongOwner":
            return None
        command, deliver = fields["routed"]["command"]
        if command != "Deliver":
            return None  # a Cancel that came too late for its key
        reply = deliver["reply"]
        number = None if reply is None else reply[1]["id"]
        actor, key, message = deliver["actor"], deliver["key"], deliver["message"]
        if not (number is None or type(number) is int) or (type(actor), type(key), type(message)) != (str, str, bytes):
            raise TypeError
        if len(actor) > MAX_NAME or len(key) > MAX_KEY:
            raise ValueError
        return WrongOwner(number, actor, key, message)
    except (KeyError, TypeError, ValueError, IndexError):
        raise UndecodableMessage(f"a message to an actor came as {glimpse(tree)}") from None


def _variant(tree: Any, name: str) -> dict[str, Any]:
    kind, fields = _pair(tree)
    if kind != name:
        raise UndecodableMessage(f"{glimpse(kind)} came where casty 0.30 writes {name!r}")
    return fields


def _pair(tree: Any) -> tuple[str, dict[str, Any]]:
    if type(tree) is not list or len(tree) != 2 or type(tree[0]) is not str or type(tree[1]) is not dict:
        raise UndecodableMessage(f"a message came as {glimpse(tree)}")
    return tree[0], tree[1]
