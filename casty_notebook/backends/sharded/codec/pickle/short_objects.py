r"""Pickles that are one scalar, or one object of the user's with scalar fields, as most replies are: read without the machine.

The pickle of such an object has one form only: the class's name, an empty tuple, NEWOBJ, and a dict of the fields in order. What
follows that form to the last byte is, within `LONGEST` bytes, within every bound that there is; whatever does not is left to the
machine, which knows all other forms and says what is wrong. The result is the same (a property test holds that).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class's name
from typing import Any

from casty_notebook.settings import Settings
from casty_notebook.values.registry import Registry

__all__ = ["LONGEST", "NOT_ALONE", "alone", "short_object"]

LONGEST = 1024
"""Bytes of a pickle that is read so. What it becomes has at most 64 fields, and some ten times its bytes."""
_SHORTEST = 32
"""Bytes of the shortest pickle of an object; no number's is as long."""
_FIELDS = 64
_MEMORY, _ITEMS, _DEPTH, _WORK = 1 << 20, 1_000, 4, 0.01
"""Far more than such a pickle can take. Where a bound (`Settings`) is below this, the machine reads it and counts exactly."""

_FRAME, _SHORT_TEXT, _MEMO, _BUILD = 0x95, 0x8C, 0x94, 0x62
_OPENED = b"\x94\x93\x94)\x81\x94}\x94"
"""After the names of module and class: the class itself, its instance, its dict."""
_MARK, _ITEMS_SET, _ITEM_SET, _BUILT = b"(", b"u", b"s", b"b."
_CONSTANTS: dict[int, Any] = {0x4E: None, 0x88: True, 0x89: False}
_NUMBERS = {0x4B: Struct("<B"), 0x4D: Struct("<H"), 0x4A: Struct("<i"), 0x47: Struct(">d")}
_BYTE, _LONG = 0x4B, 0x8A


# --- one scalar ---------------------------------------------------------------------------------------------------------

_LONGEST_ALONE = 280
"""Bytes of the longest pickle that may be a short scalar alone."""
NOT_ALONE: Any = object()


def alone(data: bytes, start: int) -> Any:
    r"""Read a pickle that is one short scalar and nothing else, as many replies are; `NOT_ALONE` for any other.

    Whatever is not exactly of that form is left to the machine, which says what is wrong with it.

    Examples
    --------
    >>> alone(b"\x80\x05K\x11.", 0), alone(b"\x80\x05N.", 0), alone(b"\x80\x05].", 0) is NOT_ALONE
    (17, None, True)
    """
    size = len(data) - start
    if not 4 <= size <= _LONGEST_ALONE or data[start] != 0x80 or data[start + 1] > 5:
        return NOT_ALONE
    if data[-2] == _BUILD and size >= _SHORTEST:
        return NOT_ALONE  # an object; of scalars only texts are as long, and none ends so
    at = start + 2
    if data[at] == _FRAME:
        at += 9
        if int.from_bytes(data[start + 3 : at], "little") != size - 11:
            return NOT_ALONE
    rest = data[at:]
    if len(rest) == 2:
        return _CONSTANTS.get(rest[0], NOT_ALONE) if rest[1] == 0x2E else NOT_ALONE
    code = rest[0] if rest else 0
    if code == _SHORT_TEXT and rest[-2:] == b"\x94." and len(rest) == 4 + rest[1]:
        try:
            return str(rest[2:-2], "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return NOT_ALONE
    form = _NUMBERS.get(code)
    if form is None or len(rest) != form.size + 2 or rest[-1] != 0x2E:
        return NOT_ALONE
    return form.unpack_from(rest, 1)[0]


# --- one object ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Form:
    """How the instances of one class are pickled."""

    opening: bytes
    keys: tuple[tuple[bytes, int, str], ...]
    """Each field's name as opcodes, how many bytes these are, and the name as text."""
    closing: bytes
    build: Callable[[dict[str, Any]], Any]


def short_object(data: bytes, start: int, held: int, registry: Registry, settings: Settings) -> Any:
    """Read a pickle that is one such object and nothing else; `NOT_ALONE` for any other."""
    size = len(data)
    if not _SHORTEST <= size - start <= LONGEST:
        return NOT_ALONE
    if data[start] != 0x80 or data[start + 1] not in (4, 5) or data[start + 2] != _FRAME:
        return NOT_ALONE
    at = start + 11
    if int.from_bytes(data[start + 3 : at], "little") != size - at or data[at] != _SHORT_TEXT:
        return NOT_ALONE
    named = at + 3 + data[at + 1]
    if named + 2 >= size:
        return NOT_ALONE
    end = named + 2 + data[named + 1]
    names = data[at:end]
    form = registry.short_forms.get(names, NOT_ALONE)
    if form is NOT_ALONE:
        form = _learn(names, registry)
    if form is None or not _is_roomy(settings, held):
        return NOT_ALONE
    return _read(form, data, end)


def _is_roomy(settings: Settings, held: int) -> bool:
    return (
        settings.max_memory - held >= _MEMORY
        and settings.max_items >= _ITEMS
        and settings.max_depth >= _DEPTH
        and settings.max_work >= _WORK
    )


def _read(form: _Form, data: bytes, at: int) -> Any:
    if not data.startswith(form.opening, at):
        return NOT_ALONE
    at += len(form.opening)
    values: dict[str, Any] = {}
    try:
        for key, size, name in form.keys:
            if not data.startswith(key, at):
                return NOT_ALONE
            at += size
            code = data[at]
            if code == _BYTE:  # most numbers; no struct has to be asked
                values[name] = data[at + 1]
                at += 2
            elif code == _SHORT_TEXT:
                end = at + 2 + data[at + 1]
                if data[end] != _MEMO:
                    return NOT_ALONE
                values[name] = str(data[at + 2 : end], "utf-8", "surrogatepass")
                at = end + 1
            elif (number := _NUMBERS.get(code)) is not None:
                values[name] = number.unpack_from(data, at + 1)[0]
                at += 1 + number.size
            elif code in _CONSTANTS:
                values[name] = _CONSTANTS[code]
                at += 1
            elif code == _LONG and data[at + 1] <= 16:
                end = at + 2 + data[at + 1]
                values[name] = int.from_bytes(data[at + 2 : end], "little", signed=True)
                at = end
            else:
                return NOT_ALONE
    except (IndexError, ValueError, StructError):
        return NOT_ALONE
    if data[at:] != form.closing:
        return NOT_ALONE
    try:
        return form.build(values)
    except Exception:  # whatever is wrong with them, the machine says it
        return NOT_ALONE


def _learn(names: bytes, registry: Registry) -> _Form | None:
    """Work out the form of a class, and remember it by the name that came; None if it is no plain class of the user's."""
    form = _form(names, registry)
    if len(registry.short_forms) < 1_000:  # nodes choose the names, and could fill our memory with them
        registry.short_forms[names] = form
    return form


def _form(names: bytes, registry: Registry) -> _Form | None:
    middle = 2 + names[1]
    if names[middle : middle + 2] != bytes((_MEMO, _SHORT_TEXT)):
        return None
    try:
        dotted = f"{names[2:middle].decode()}.{names[middle + 3 :].decode()}"
    except UnicodeDecodeError:
        return None
    entry = registry.entry(dotted)
    if entry is None or entry.names is not None or entry.shape.family not in ("dataclass", "attrs"):
        return None
    fields = entry.shape.fields
    if not 0 < len(fields) <= _FIELDS:
        return None
    encoded = [(field, field.encode()) for field in fields]
    if any(len(name) > 255 for _, name in encoded):
        return None
    keys = tuple(
        (bytes((_SHORT_TEXT, len(name))) + name + bytes((_MEMO,)), len(name) + 3, field) for field, name in encoded
    )
    several = len(fields) > 1
    return _Form(_OPENED + _MARK * several, keys, (_ITEMS_SET if several else _ITEM_SET) + _BUILT, entry.build)
