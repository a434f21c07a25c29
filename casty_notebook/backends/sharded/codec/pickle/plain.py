"""Plain messages, written in one pass: objects of scalar fields, one inside the other, with at most one ref among them.

Nearly every message to an actor is one, in its envelope. Nothing occurs in it twice, so that its pickle refers to nothing
and no memo need be kept; all but the fields is constant. What is not plain is left to `Pickling`, which would write the
same bytes for what is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casty_notebook.backends.sharded.codec.pickle import atoms
from casty_notebook.values.castys_refs import check_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from casty_notebook.values.registry import Registry

__all__ = ["Form", "PlainWriter"]


class Form:
    """How the instances of one class are written: its name as opcodes, and its fields.

    Attributes
    ----------
    name, opening, closing
        Opcodes: the class, what stands between it and its first field, and behind its last.
    keyed
        Each field as opcodes and by name.
    exact
        An instance may have more in its ``__dict__`` than the fields (a cached property), which has to travel with it.
    """

    __slots__ = ("closing", "exact", "expected", "head", "keyed", "name", "opening")

    def __init__(self, name: bytes, fields: tuple[str, ...], *, exact: bool) -> None:
        self.name = name
        self.opening = b")\x81\x94}(" if fields else b")\x81\x94"
        self.closing = b"ub" if fields else b""
        self.keyed = [(atoms.text(field), field) for field in fields]
        self.exact = exact
        self.expected = frozenset(fields)
        self.head = name + b"\x94" + self.opening


class PlainWriter:
    """Writes what is plain.

    Parameters
    ----------
    form_of
        The form of a class, of which an instance is given; None if its instances are not plain.
    restorer
        The opcodes that name the function which makes a ref.
    """

    __slots__ = ("_checked", "_form_of", "_forms", "_max_depth", "_ref_head", "_ref_uri")

    def __init__(
        self, registry: Registry, form_of: Callable[[type, Any], Form | None], restorer: bytes, max_depth: int
    ) -> None:
        self._ref_uri = registry.ref_uri
        self._form_of = form_of
        self._forms: dict[type, Form | None] = {}
        self._ref_head = restorer + b"\x94"
        self._checked = "\0"
        self._max_depth = max_depth

    def dumps(self, message: Any) -> bytes | None:
        """Write one message, or return None if it is not plain.

        Raises
        ------
        UnsendableMessage
            If a node could not read it back.
        """
        out = [b"\x80\x05"]
        if not self._put(out, message, 0):
            return None
        out.append(b".")
        return b"".join(out)

    def _put(self, out: list[bytes], obj: Any, depth: int) -> bool:
        kind = type(obj)
        try:
            form = self._forms[kind]
        except KeyError:
            form = self._forms[kind] = self._form_of(kind, obj)
        if depth >= self._max_depth:
            return False
        if form is None:
            return self._put_ref(out, obj)
        # Not plain if its class was written before: a pickler writes a reference to the memo the second time.
        if form.head in out or (form.exact and obj.__dict__.keys() != form.expected):
            return False
        out.append(form.head)
        scalars = atoms.SCALARS
        for key, field in form.keyed:
            value = getattr(obj, field)
            scalar = scalars.get(type(value))
            if scalar is not None:
                out.append(key + scalar(value))
            else:
                out.append(key)
                if not self._put(out, value, depth + 1):
                    return False
        out.append(form.closing)
        return True

    def _put_ref(self, out: list[bytes], obj: Any) -> bool:
        uri = self._ref_uri(obj)
        if uri is None or self._ref_head in out:
            return False
        if not uri.startswith(self._checked) or len(uri) == len(self._checked):
            # A bad host or port can end a node, a path cannot. So what stands before the path is checked once, and thousands
            # of asks that share it are not checked again.
            check_uri(uri)
            self._checked = uri[: uri.index("/", len("casty://")) + 1]
        out += self._ref_head, atoms.text(uri), b"\x85R\x94"
        return True
