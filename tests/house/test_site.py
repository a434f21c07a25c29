"""The documentation site builds without a warning, and leaves out nothing that is public."""

from __future__ import annotations

import html
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import casty_notebook
from casty_notebook.magics import grammars
from tests.house.source import ROOT

pytestmark = [
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("sphinx", "myst_parser", "numpydoc", "pydata_sphinx_theme")),
        reason="the extra docs is not installed: pip install '.[docs]'",
    ),
    pytest.mark.timeout(180),  # five seconds on a quiet machine
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(folder / "html")]
    done = subprocess.run(
        [*command, "-d", str(folder / "trees")], cwd=ROOT, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_public_name_is_in_the_reference_with_its_docstring(site: Path) -> None:
    page = (site / "_generated/reference.html").read_text(encoding="utf-8")
    assert [name for name in casty_notebook.__all__ if f'id="casty_notebook.{name}"' not in page] == []


def test_every_magic_is_there_with_all_of_its_flags(site: Path) -> None:
    page = html.unescape(re.sub("<[^>]+>", "", (site / "_generated/magics.html").read_text(encoding="utf-8")))
    sections = dict(re.findall(r"^(%+\w+)#$(.*?)(?=^%+\w+#$|\Z)", page, re.DOTALL | re.MULTILINE))
    assert sections.keys() == {getattr(grammars, name).name for name in grammars.__all__}
    for name in grammars.__all__:
        grammar = getattr(grammars, name)
        assert [flag.names for flag in grammar.flags if ", ".join(flag.names) not in sections[grammar.name]] == []


def test_every_tutorial_is_a_page(site: Path) -> None:
    pages = {page.stem for page in (site / "_generated/tutorials").glob("*.html")}
    assert pages == {notebook.stem for notebook in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_first_page_shows_a_picture(site: Path) -> None:
    assert 'src="_images/topology.png"' in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "_images/topology.png").exists()
