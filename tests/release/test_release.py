"""What would be published is built, checked, and works in bare environments: newest and lowest declared versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import casty_notebook
from tests.house.source import ROOT

UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # environments are made from an index; half a minute altogether on a quiet machine
    pytest.mark.skipif(UV is None, reason="uv is not installed; ./dev setup fetches it"),
    pytest.mark.skipif(os.name != "posix", reason="interpreters are looked for where POSIX systems have them"),
]

SESSION = """
import casty_notebook
for name in casty_notebook.__all__: getattr(casty_notebook, name)

from casty_notebook.views.live import recorded_feed
print("from", casty_notebook.__file__)
%load_ext casty_notebook
%casty_members
"""


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def interpreter(version: str) -> str:
    """A Python of that version, from the path or from pyenv; the test is left out, and says so, where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (f"python{version}", *map(str, pyenv.glob(f"{version}.*/bin/python3"))):
        try:
            done = subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=30, check=False)
        except OSError:
            continue
        if done.returncode == 0:  # a shim of pyenv exists for versions that are not active, and fails
            return str(candidate)
    pytest.skip(f"no Python {version} on this machine")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--python", sys.executable, "--out-dir", folder, ROOT)
    return folder


def test_wheel_and_sdist_are_of_the_packages_own_version(dist: Path) -> None:
    version = casty_notebook.__version__
    built = {file.name for file in dist.iterdir() if not file.name.startswith(".")}
    assert built == {f"casty_notebook-{version}-py3-none-any.whl", f"casty_notebook-{version}.tar.gz"}


def test_an_index_would_take_them(dist: Path, tmp_path: Path) -> None:
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "env")
    run(UV, "pip", "install", "--quiet", "--python", tmp_path / "env", "twine")
    run(tmp_path / "env/bin/twine", "check", "--strict", *dist.glob("casty_notebook*"))


@pytest.mark.parametrize("resolution", ["highest", "lowest-direct"])
@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_the_wheel_works_in_a_bare_environment(dist: Path, tmp_path: Path, version: str, resolution: str) -> None:
    assert_works(next(dist.glob("*.whl")), tmp_path, interpreter(version), resolution)


def test_the_sdist_works_in_a_bare_environment(dist: Path, tmp_path: Path) -> None:
    assert_works(next(dist.glob("*.tar.gz")), tmp_path, sys.executable, "highest")


def assert_works(package: Path, folder: Path, python: str, resolution: str) -> None:
    env = folder / "env"
    run(UV, "venv", "--quiet", "--python", python, env)
    run(UV, "pip", "install", "--quiet", "--python", env, "--resolution", resolution, package)
    session = folder / "session.ipy"
    session.write_text(SESSION)
    done = subprocess.run(
        [env / "bin/ipython", "--no-banner", "--colors=NoColor", session],
        cwd=folder, env={"PATH": os.defpath, "HOME": str(folder)}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    told = done.stdout + done.stderr
    assert f"from {env}" in told, told
    assert "UsageError: not connected. Run %casty_connect" in told, told
