"""Whether a node could import what a message names, as far as that can be told from here."""

from __future__ import annotations

import sys
from typing import Any

from casty_notebook.errors import UnsendableMessage

__all__ = ["check_importable"]


def check_importable(obj: Any, name: str | None = None, *, send_main: bool = False) -> tuple[str, str]:
    """Return (module, qualified name) of a class or function that can be found under that name here.

    Parameters
    ----------
    send_main
        The nodes are said to have in their own ``__main__`` what is named in ours.

    Raises
    ------
    UnsendableMessage
        If it lives in the notebook itself, inside a function, or is not what its module holds under its name.

    Examples
    --------
    >>> check_importable(len)
    ('builtins', 'len')
    """
    qualname = name or getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    if not isinstance(qualname, str):
        raise UnsendableMessage(f"{obj!r} has no name that a node could import it by")
    module = getattr(obj, "__module__", None) or _module_of(obj, qualname)
    what = "class" if isinstance(obj, type) else "function" if callable(obj) else "object"
    if "<lambda>" in qualname:
        raise UnsendableMessage("a lambda cannot be sent, since it has no name that a node could import it by")
    if "<" in qualname:
        raise UnsendableMessage(
            f"{what} {qualname} of {module} is defined inside a function, the node cannot import it: move it to the "
            "top of a module that the nodes have"
        )
    if module == "__main__" and not send_main:
        raise UnsendableMessage(
            f"{what} {qualname} is defined in this {_kind_of_main()} (__main__), the node cannot import it: put it in a module "
            f"that the nodes have, or send it by dotted name: bank.messages.{qualname.rpartition('.')[2]}(...). "
            "Connect with send_main=True if the nodes have it in their own __main__"
        )
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not obj:
        raise UnsendableMessage(
            f"{what} {module}.{qualname} is not what that module holds now, so the node would get something else. "
            "If the module was reloaded, make the message again from the new class"
        )
    return module, qualname


def _kind_of_main() -> str:
    """What to call the place of ``__main__`` in an error: a notebook, a session, or a script."""
    shell = sys.modules.get("IPython.core.interactiveshell")
    if shell is not None and shell.InteractiveShell.initialized():
        return "notebook" if "ipykernel" in sys.modules else "session"
    return "session" if hasattr(sys, "ps1") else "script"


def _module_of(obj: Any, qualname: str) -> str:
    """Find the module of an object without ``__module__`` by looking through all modules, as pickle does."""
    for module_name, module in list(sys.modules.items()):
        if module_name not in ("__main__", "__mp_main__") and getattr(module, qualname.split(".")[0], None) is obj:
            return module_name
    return "builtins"
