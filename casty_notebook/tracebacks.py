"""What IPython shows of an error that this package raised on purpose: the user's own lines, and the error.

How it came about inside says nothing to whoever made the call, and hides what does under a page. ``%xmode Verbose``,
``%tb Verbose`` and ``%debug`` have all of it, as `error.__traceback__` does.
"""

from __future__ import annotations

import sys
import sysconfig
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["of_the_caller", "rendered"]

_PACKAGE = str(Path(__file__).parent)
_LIBRARY = sysconfig.get_path("stdlib")
_INSTALLED = sysconfig.get_path("purelib")


def rendered(error: BaseException) -> list[str]:
    """The lines that IPython is to show, in its own form and colours."""
    shell: Any = sys.modules["IPython"].get_ipython()
    formatter, trace = shell.InteractiveTB, error.__traceback__
    if formatter.mode != "Verbose":
        trace = of_the_caller(trace)
    lines: list[str] = formatter.structured_traceback(type(error), error, trace)
    return lines


def of_the_caller(trace: TracebackType | None) -> TracebackType | None:
    """`trace` without what follows its last line outside of this package and Python's library; the whole, if there is none."""
    steps = []
    while trace is not None:
        steps.append(trace)
        trace = trace.tb_next
    ours = [_is_inside(step) for step in steps]
    # The caller's line is the last one that is not ours and calls what is.
    last = max((n for n, (here, below) in enumerate(pairwise(ours)) if not here and below), default=len(steps) - 1)
    kept: TracebackType | None = None
    for step in reversed(steps[: last + 1]):
        kept = TracebackType(kept, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return kept


def _is_inside(step: TracebackType) -> bool:
    file = step.tb_frame.f_code.co_filename
    return file.startswith(_PACKAGE) or (file.startswith(_LIBRARY) and not file.startswith(_INSTALLED))
