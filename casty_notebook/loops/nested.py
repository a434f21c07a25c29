"""`allow_nested`: let a script's own ``asyncio.run(main())`` run unchanged in a cell (DESIGN section 2.12)."""

from __future__ import annotations

import asyncio
import importlib.util

from casty_notebook.errors import MisuseError

__all__ = ["allow_nested"]

_applied = False


def allow_nested() -> None:
    """Patch this thread's event loop so that ``asyncio.run`` works inside it. Off unless called; cannot be undone.

    Prefers nest-asyncio2, the maintained successor, where it is installed; never applies both.

    Raises
    ------
    MisuseError
        On an event loop that cannot be patched (uvloop), or where neither package is installed.
    """
    global _applied
    if _applied:
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return  # plain Python: asyncio.run works as it is
    if not isinstance(loop, asyncio.BaseEventLoop):
        raise MisuseError(f"a {type(loop).__module__} event loop cannot be nested; await main() instead of asyncio.run(main())")
    if importlib.util.find_spec("nest_asyncio2") is not None:
        import nest_asyncio2 as patch
    elif importlib.util.find_spec("nest_asyncio") is not None:
        import nest_asyncio as patch
    else:
        raise MisuseError("allow_nested needs nest-asyncio: pip install nest-asyncio")
    patch.apply(loop)
    _applied = True
