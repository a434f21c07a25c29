"""An environment of its own for each casty that is spoken to, made once and kept under ``.dev``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["FULL", "NEIGHBOURS", "PLAIN", "VIRTUAL", "interpreters"]

PLAIN = ("0.15.1", "0.16.2", "0.18.0", "0.20.0", "0.20.1")
"""Both class layouts, and 0.20.0 for its reordered pushes (PROTOCOL section 9)."""
FULL = "0.21.0"
"""With every serializer and compression installed."""
NEIGHBOURS = ("0.14.2", "0.22.1", "0.30.2")
"""One of each generation that speaks another protocol."""
VIRTUAL = ("0.30.0", "0.30.1", "0.30.2")
"""Those of the last of them that the other backend speaks to."""

FOLDER = Path(__file__).parents[2] / ".dev" / "versions"
INSTALL_TIMEOUT = 120.0


def interpreters(versions: Iterable[str]) -> dict[str, Path]:
    """The interpreter of each version's environment; what is missing is made now, all at one time."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = list(versions)
    with ThreadPoolExecutor(len(wanted)) as pool:
        return dict(zip(wanted, pool.map(_interpreter, wanted), strict=True))


def _interpreter(version: str) -> Path:
    name = f"{version}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = FOLDER / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").exists():
        # Made elsewhere and moved: another run may be making the same, and an interrupted one leaves nothing half done.
        building = FOLDER / f"{name}.{os.getpid()}"
        _make(building, [f"casty=={version}", *(["msgpack", "cloudpickle", "lz4"] if version == FULL else [])])
        (building / "complete").touch()
        try:
            building.rename(folder)
        except OSError:
            shutil.rmtree(building)
    return python


def _make(folder: Path, requirements: list[str]) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is not None:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder), *requirements)
    else:
        venv.create(folder, with_pip=True)
        _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":  # All that any test needs, before the first of them.
    interpreters({*PLAIN, FULL, *NEIGHBOURS, *VIRTUAL})
