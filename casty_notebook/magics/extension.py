"""Loading into IPython and leaving it again without a trace.

What is loaded is remembered here and not in the package's top module, which ``%reload_ext`` executes anew.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from IPython.core.interactiveshell import InteractiveShell

from casty_notebook.client.connections import listeners
from casty_notebook.magics import demos
from casty_notebook.magics.casty_magics import CastyMagics
from casty_notebook.magics.connecting import say_current
from casty_notebook.magics.matcher import make_matcher

__all__ = ["load", "unload"]


@dataclass(frozen=True)
class _Loaded:
    magics: CastyMagics
    matcher: Callable[..., Any]


_loaded: WeakKeyDictionary[InteractiveShell, _Loaded] = WeakKeyDictionary()


def load(shell: InteractiveShell) -> None:
    """Add the magics, their completion and the display of our values to `shell`. Does nothing the second time."""
    from casty_notebook.views.reprs.formatters import install

    if shell in _loaded:
        return
    magics = CastyMagics(shell)
    shell.register_magics(magics)
    matcher = make_matcher(shell.user_ns, magics.recent)
    shell.Completer.custom_matchers.append(matcher)
    install(shell)
    if not _loaded:
        listeners.append(say_current)
        atexit.register(_leave)
    _loaded[shell] = _Loaded(magics, matcher)


def unload(shell: InteractiveShell) -> None:
    """Take everything out again, close the connections and stop the demo clusters."""
    from casty_notebook.views.reprs.formatters import uninstall

    loaded = _loaded.pop(shell, None)
    if loaded is None:
        return
    uninstall(shell)
    matchers = shell.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if matcher is not loaded.matcher]
    _remove_magics(shell, loaded.magics)
    if not _loaded:
        listeners.remove(say_current)
        atexit.unregister(_leave)
        _leave()


def _remove_magics(shell: InteractiveShell, ours: CastyMagics) -> None:
    """IPython has no way to unregister magics, so its tables are emptied of those that are still ours."""
    manager = shell.magics_manager
    for kind, table in manager.magics.items():
        for name in ours.magics[kind]:
            if getattr(table.get(name), "__self__", None) is ours:
                del table[name]
    if manager.registry.get(type(ours).__name__) is ours:
        del manager.registry[type(ours).__name__]
    configurables: list[Any] = shell.configurables
    if ours in configurables:
        configurables.remove(ours)


def _leave() -> None:
    """Close the connections before their demo clusters, so that nothing is logged about nodes that vanish."""
    from casty_notebook.client.connections import close_all

    close_all()
    demos.stop_all()
