"""A file that appears at once and whole, or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from casty_notebook.errors import MisuseError

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], data: bytes, *, overwrite: bool) -> Path:
    """Write a file and return its path.

    Raises
    ------
    MisuseError
        If something is there already, and is not to be replaced.
    OSError
        If it cannot be written; what was there is left as it was.
    """
    target = Path(path)
    if not overwrite and os.path.lexists(target):
        raise _taken(target)
    # A random name, at which nobody can have put a link; opening it with "x" fails if it exists.
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    with unfinished.open("xb") as file:
        try:
            file.write(data)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    try:
        if overwrite:
            unfinished.replace(target)
        else:
            _move_to_free(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return target


def _move_to_free(unfinished: Path, target: Path) -> None:
    """Give the file its name as a hard link, which fails if the name is taken by now; renaming would replace what is there."""
    try:
        target.hardlink_to(unfinished)
    except FileExistsError:
        raise _taken(target) from None
    except (OSError, NotImplementedError):  # a file system without hard links: create the name first, which only one can do
        try:
            target.touch(exist_ok=False)
        except FileExistsError:
            raise _taken(target) from None
        unfinished.replace(target)
    else:
        unfinished.unlink()


def _taken(target: Path) -> MisuseError:
    return MisuseError(f"{target} is there already; give another name, or let it be replaced (overwrite=True, --overwrite)")
