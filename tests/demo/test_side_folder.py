"""The folder with the casty of virtual nodes: made once, by whoever comes first, and named with a remedy where it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from casty_notebook.demo.side_folder import RELEASE, cache_folder

PREPARE = "from casty_notebook.demo.side_folder import prepare\nfrom casty_notebook.errors import MisuseError\n"
PREPARE += "try: print(prepare())\n"
PREPARE += "except MisuseError as error: print('MISUSE', error)"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder that installers look into instead of an index, with a casty that says where it is from."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = f"casty-{RELEASE}.dist-info"
    with zipfile.ZipFile(folder / f"casty-{RELEASE}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("casty/__init__.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: casty\nVersion: {RELEASE}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


def start(cache: Path, index: Path, code: str = PREPARE) -> subprocess.Popen[str]:
    places = {"PIP_FIND_LINKS": str(index), "PIP_NO_INDEX": "1", "UV_FIND_LINKS": str(index), "UV_OFFLINE": "1"}
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "LOCALAPPDATA": str(cache)} | places
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_two_processes_at_once_make_one_folder_that_a_third_reuses(tmp_path: Path, index: Path) -> None:
    cache = tmp_path / "cache"
    both = [start(cache, index), start(cache, index)]
    outcomes = [process.communicate(timeout=50) for process in both]
    folders = {out.strip() for out, _ in outcomes}
    assert len(folders) == 1, outcomes
    folder = Path(folders.pop())
    assert (folder / "casty" / "__init__.py").is_file()
    assert list(folder.parent.iterdir()) == [folder], "nothing half made is left"
    assert any(err.startswith(f"installing casty {RELEASE}") and len(err.splitlines()) == 1 for _, err in outcomes)
    out, err = start(cache, tmp_path / "nowhere").communicate(timeout=50)
    assert (out.strip(), err) == (str(folder), "")


def test_without_a_way_to_the_index_the_error_is_one_line_with_a_remedy_and_nothing_is_left(tmp_path: Path) -> None:
    cache, empty = tmp_path / "cache", tmp_path / "empty"
    empty.mkdir()
    out, _ = start(cache, empty).communicate(timeout=50)
    assert out.startswith(f"MISUSE cannot install casty {RELEASE} for the demo's nodes: ")
    assert out.rstrip().endswith(f"pip install casty=={RELEASE}")
    assert len(out.splitlines()) == 1
    assert list((cache / "casty-notebook").iterdir()) == []


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path, index: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    out, _ = start(tmp_path / "cache", index).communicate(timeout=50)
    assert out.startswith("MISUSE cannot write to ")
    assert "XDG_CACHE_HOME" in out


def test_a_cache_folder_that_is_not_absolute_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("LOCALAPPDATA", "somewhere")
    assert cache_folder() == Path.home() / ".cache" / "casty-notebook"
