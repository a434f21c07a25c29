"""The front ends of the small views, read once: ES modules that import from each other, put together into one text."""

from __future__ import annotations

import re
from importlib.resources import files

from casty_notebook.views.theme import BAD, COLOURS

__all__ = ["module", "style"]

_IMPORT = re.compile(r"^import \{[^}]*\} from \"[./a-z]+\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def module(*names: str) -> str:
    """Put modules one after the other, in order of their imports; `names` are paths from here."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", _read(name))) for name in names)


def style(name: str) -> str:
    """Return a style sheet, with the colours of the one palette."""
    return _read(name).replace("--cw-bad: BAD;", f"--cw-bad: {BAD};").replace("--cw-line: LINE;", f"--cw-line: {COLOURS[0]};")


def _read(name: str) -> str:
    return files(__package__).joinpath(*name.split("/")).read_text("utf-8")
