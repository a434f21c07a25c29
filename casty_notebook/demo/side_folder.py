"""Where the casty of virtual nodes comes from: this environment if it has that casty, else a folder made on first use.

An environment holds a single casty, and this one may hold that of the sharded demo. casty 0.30 needs no other package, so that a
folder with it alone is enough, first on the nodes' path. The folder lies in the user's cache and is made once.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from casty_notebook.console import fitting
from casty_notebook.errors import MisuseError

__all__ = ["RELEASE", "cache_folder", "prepare"]

RELEASE = "0.30.2"
SERIES = (0, 30)

INSTALL_TIMEOUT = 120.0
"""Seconds; three are needed where the index is near."""

BY_HAND = f"DemoCluster(casty='0.30', python=PYTHON) with an environment that has it: pip install casty=={RELEASE}"


def prepare() -> Path | None:
    """Return the folder for the nodes' path, made now if need be; None where this environment has that casty itself.

    Safe for several processes at once: it is made elsewhere and moved, and whoever comes second takes that of the first.

    Raises
    ------
    MisuseError
        If it cannot be made; says why, and what to do.
    """
    if _installed_here():
        return None
    folder = cache_folder() / f"casty-{RELEASE}-{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    if not folder.is_dir():
        _say(f"installing casty {RELEASE} for the demo's nodes into {folder}, once …")
        _make(folder)
    return folder


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nodes start all the same where nobody can read it
        print(fitting(text), file=sys.stderr, flush=True)


def cache_folder() -> Path:
    """The user's folder for what can be made again."""
    given = os.environ.get("XDG_CACHE_HOME" if os.name == "posix" else "LOCALAPPDATA", "")
    # One that is not absolute is to be ignored, says the XDG Base Directory Specification.
    root = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    return root / "casty-notebook"


def _installed_here() -> bool:
    try:
        version = importlib.metadata.version("casty")
    except importlib.metadata.PackageNotFoundError:
        return False
    return version != "0.30.0" and tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) == SERIES


def _make(folder: Path) -> None:
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise MisuseError(
            f"cannot write to {folder.parent}: {error.strerror}; set XDG_CACHE_HOME to a folder that can be written to, "
            f"or use {BY_HAND}"
        ) from None
    try:
        _install(building)
        _move(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _move(building: Path, folder: Path) -> None:
    try:
        building.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # else another process was faster: its folder is as good as ours
            raise MisuseError(f"cannot make {folder}: {error.strerror}; or use {BY_HAND}") from None


def _install(folder: Path) -> None:
    command = [*_installer(), "--quiet", "--target", str(folder), "--no-deps", f"casty=={RELEASE}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
            timeout=INSTALL_TIMEOUT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MisuseError(_cannot(str(error))) from None
    if done.returncode:
        raise MisuseError(_cannot(_reason(done.stderr or done.stdout)))


def _installer() -> list[str]:
    """The pip of this environment, which knows the user's index; uv where there is none."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable]
    raise MisuseError(_cannot("this environment has neither pip nor uv (python -m ensurepip brings pip)"))


def _reason(output: str) -> str:
    """The last line that an installer calls an error; they say what led to it before."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no reason given"])[-1][:300]


def _cannot(reason: str) -> str:
    return f"cannot install casty {RELEASE} for the demo's nodes: {reason}; try again with a way to the index, or use {BY_HAND}"
