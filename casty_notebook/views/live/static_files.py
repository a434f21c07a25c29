"""The front end's files, read once. They are ES modules that a browser could load one by one; a widget is given one text."""

from __future__ import annotations

import re
from importlib.resources import files

from casty_notebook.views.theme import BAD

__all__ = ["MODULES", "module", "style"]

MODULES = (
    "state.js", "look.js", "layout.js", "map.js", "grid.js", "rows.js", "events.js", "timeline.js", "past.js", "moments.js",
    "problems.js", "find.js", "view.js",
)  # fmt: skip
"""In order of their imports: each only imports from those before it."""

_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./[a-z]+\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def module() -> str:
    """Put the modules one after the other. Their names are all different (a test holds that), so imports only go."""
    folder = files(__package__) / "static"
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", (folder / name).read_text("utf-8"))) for name in MODULES)


def style() -> str:
    """Return the style sheet, with the colour of what is wrong from the one palette."""
    return (files(__package__) / "static" / "topology.css").read_text("utf-8").replace("--ct-bad: BAD;", f"--ct-bad: {BAD};")
