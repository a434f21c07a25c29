"""Pickle, written by our own hand: protocol 5 as nodes write it, for any message whose class the nodes can import.

`pickle.Pickler` looks every class up in the module it claims, so it can neither write casty's own messages for nodes of
another layout nor the instance of a class that is only known by name. What must not reach a node is refused here, with
the remedy: classes of the notebook itself, and refs that would end the node's transport (PROTOCOL section 9).
"""

from __future__ import annotations

import copyreg
import dataclasses
import enum
from typing import Any

from casty_notebook.backends.sharded.codec.pickle import atoms
from casty_notebook.backends.sharded.codec.pickle.pickling import Pickling, Plan
from casty_notebook.backends.sharded.codec.pickle.plain import Form, PlainWriter
from casty_notebook.backends.sharded.codec.pickle.plans import (
    BUILT_IN,
    by_dict,
    by_fields,
    pickles_by_default,
    save_class,
    save_reduced,
)
from casty_notebook.settings import Settings
from casty_notebook.values.castys_refs import check_uri
from casty_notebook.values.importable import check_importable
from casty_notebook.values.plain_values import is_foreign, plain_value
from casty_notebook.values.registry import REF_RESTORERS, Layout, Registry

__all__ = ["PickleWriter"]


class PickleWriter:
    """Writes pickles for nodes of one layout, and keeps what it learns about a class. Safe to use from any thread."""

    __slots__ = ("_layout", "_max_depth", "_plain", "_plans", "_registry")

    def __init__(self, registry: Registry, layout: Layout, settings: Settings) -> None:
        self._registry = registry
        self._layout = layout
        self._max_depth = settings.max_depth
        self._plans: dict[type, Plan] = dict(BUILT_IN)
        self._plain = PlainWriter(registry, self._plain_form, atoms.name(*REF_RESTORERS[layout]), settings.max_depth)

    def dumps(self, message: Any) -> bytes:
        """Write one message.

        Raises
        ------
        UnsendableMessage
            If a node could not read it back; says which part and what to do.
        """
        plain = self._plain.dumps(message)
        return self.dumps_any(message) if plain is None else plain

    def dumps_any(self, message: Any) -> bytes:
        """Write one message, plain or not."""
        pickling = Pickling(self, self._plans, self._max_depth)
        pickling.save(message, 0)
        pickling.out.append(b".")
        return b"".join(pickling.out)

    def plan(self, cls: type, example: Any) -> Plan:
        """Work out how instances of `cls` are written."""
        plan = self._plan(cls, example)
        self._plans[cls] = plan
        return plan

    def _plan(self, cls: type, example: Any) -> Plan:
        if isinstance(example, type):
            return save_class
        if is_foreign(cls):
            return lambda pickling, obj, depth: pickling.save(plain_value(obj), depth)
        if self._registry.ref_uri(example) is not None:
            return self._ref_plan()
        if issubclass(cls, enum.Enum) and cls not in copyreg.dispatch_table:
            name = self.class_name(cls)
            return lambda pickling, obj, depth: pickling.save_call(cls, name, (obj.value,), obj, depth)
        form = self._form_of(cls)
        if form is None:
            return save_reduced
        return by_dict(cls, form) if form.exact else by_fields(cls, form)

    def _plain_form(self, cls: type, example: Any) -> Form | None:
        """The form of a class whose instances may be plain."""
        if cls in BUILT_IN or isinstance(example, type | enum.Enum) or self._registry.ref_uri(example) is not None:
            return None
        return self._form_of(cls)

    def _form_of(self, cls: type) -> Form | None:
        """The form of a class whose instances are their fields: the protocol's own messages, dataclasses."""
        entry = self._registry.entry_of(cls)
        if entry is not None and entry.names is not None:
            return Form(self.class_name(cls), entry.shape.fields, exact=False)
        if dataclasses.is_dataclass(cls) and pickles_by_default(cls):
            return Form(self.class_name(cls), tuple(field.name for field in dataclasses.fields(cls)), exact=True)
        return None

    def _ref_plan(self) -> Plan:
        restorer = REF_RESTORERS[self._layout]
        name, ref_uri = atoms.name(*restorer), self._registry.ref_uri

        def save(pickling: Pickling, obj: Any, depth: int) -> None:  # noqa: ARG001
            uri = check_uri(ref_uri(obj) or "")
            pickling.out.append(pickling.class_opcodes(restorer, name))
            pickling.out.append(atoms.text(uri) + b"\x85R\x94")
            pickling.remember(obj)

        return save

    def class_name(self, cls: Any) -> bytes:
        """Return the opcodes that name `cls` or a function, as the nodes know it."""
        if isinstance(cls, type) and self._registry.known_as_castys(cls):
            return atoms.name(*self._registry.wire_name(cls, self._layout))
        return self.importable_name(cls)

    def importable_name(self, obj: Any, name: str | None = None) -> bytes:
        """Return the opcodes that name what a node can import."""
        return atoms.name(*check_importable(obj, name, send_main=self._registry.send_main))
