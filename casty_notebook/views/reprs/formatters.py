"""Teaches an IPython shell to show our values as HTML, and makes it forget again.

The classes themselves stay below the views and know nothing of notebooks, so the shell is told by type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from casty_notebook.backends.contract import Location
from casty_notebook.errors import AskFailed, NoContactPoint
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.refs import ActorRef, EntityRef
from casty_notebook.values.remote_error import RemoteError
from casty_notebook.values.services import Listing
from casty_notebook.values.standin import StandIn
from casty_notebook.views.reprs import values

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["install", "uninstall"]

type Printer = Callable[[Any], str]

_PRINTERS: dict[type, Printer] = {
    ActorRef: values.actor_ref_html,
    AskFailed: values.ask_failed_html,
    EntityRef: values.entity_ref_html,
    Listing: values.listing_html,
    Location: values.location_html,
    NoContactPoint: values.no_contact_point_html,
    NodeHealth: values.node_health_html,
    RemoteError: values.remote_error_html,
    StandIn: values.stand_in_html,
    TopologySnapshot: values.snapshot_html,
}

_before: WeakKeyDictionary[InteractiveShell, dict[type, Any]] = WeakKeyDictionary()
"""For each shell that we taught: what it had registered for our types."""


def install(ip: InteractiveShell) -> None:
    """Register HTML for our types in `ip`. Does nothing the second time."""
    formatter = _html_formatter(ip)
    if formatter is None or ip in _before:
        return
    before = _before[ip] = {}
    for kind, printer in _PRINTERS.items():
        # This call moves a printer that was registered by the type's name into `type_printers`, where it can be noted. What it
        # returns is not noted: it may be the printer of a parent class.
        formatter.for_type(kind)
        before[kind] = formatter.type_printers.get(kind)
        formatter.for_type(kind, printer)


def uninstall(ip: InteractiveShell) -> None:
    """Restore what `install` found. What somebody has registered since then stays."""
    formatter = _html_formatter(ip)
    for kind, printer in _before.pop(ip, {}).items():
        if formatter.type_printers.get(kind) is not _PRINTERS[kind]:
            continue
        if printer is None:
            formatter.pop(kind)
        else:
            formatter.for_type(kind, printer)


def _html_formatter(ip: InteractiveShell) -> Any:
    """Return None in a shell that shows no HTML at all (``formatters`` is configurable)."""
    display: Any = ip.display_formatter
    return None if display is None else display.formatters.get("text/html")
