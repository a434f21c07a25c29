"""How Sphinx builds the site: ``./dev docs``. Pages that repeat what the source says are written by `generate` first."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generate  # noqa: E402 - it stands beside this file, which is no package

import casty_notebook  # noqa: E402

generate.write_all()

project = "casty_notebook"
author = "casty_notebook contributors"
release = casty_notebook.__version__

extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}  # numpydoc asks for the second
default_role = "code"  # docstrings say `name` of things that have no page of their own
nitpicky = False  # annotations name pandas, IPython and our own inner rooms, which are not on the site

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

numpydoc_show_class_members = False  # autodoc shows them; numpydoc's lists would want a page for each
autodoc_typehints = "none"  # signatures carry them already
autodoc_member_order = "bysource"

html_theme = "pydata_sphinx_theme"
html_title = "casty_notebook"
html_show_sourcelink = False
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
