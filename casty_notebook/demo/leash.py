"""What node processes of every casty share: how the launcher controls them, what they tell it, and how they refuse to start.

A node prints one line of JSON per event on stdout (``loaded``, ``ready``, ``view``, ``failed``). With ``--wait`` it waits for a
line with ``go`` on stdin. It ends when its stdin ends, so that it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

__all__ = ["Leash", "Refused", "casty_version", "check_port", "say"]

LAST_WORDS = 2.0
"""Seconds from the end of stdin to the end of the process, if the event loop does not manage it by itself."""

ORPHAN_CHECK = 1.0
"""Seconds between two checks that our parent still lives. Stdin may not tell: a child of the parent can hold it open."""


class Refused(Exception):
    """The node cannot start as asked; `kind` is for the launcher, the text for a reader."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def say(event: str, **facts: Any) -> None:
    """Tell the launcher. If it is gone nothing is raised, since the end of stdin ends this process in a moment."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({"event": event, **facts}), flush=True)


def casty_version(first: tuple[int, ...], below: tuple[int, ...]) -> str:
    """The version of the casty that this interpreter finds.

    Raises
    ------
    Refused
        If it finds none, or one that is not from `first` up to, not including, `below`.
    """
    try:
        version = importlib.metadata.version("casty")
    except importlib.metadata.PackageNotFoundError:
        raise Refused("casty", f"casty is not installed for {sys.executable}") from None
    numbers = tuple(int(part) for part in version.split(".")[: len(first)] if part.isdecimal())
    if not first <= numbers < below:
        raise Refused("casty", f"casty {version} for {sys.executable} is not one that this demo can run")
    return version


def check_port(host: str, port: int) -> None:
    """Refuse a taken port at once: casty itself would try for five seconds and say nothing of the port."""
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused("port", f"cannot listen at {host}:{port}: {error.strerror}") from None


class Leash:
    """The launcher's hold on the node: `go` is set by its word, `end` by the end of stdin, a signal, or orphanhood."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._parent = os.getppid()
        for name in ("SIGTERM", "SIGINT"):
            self._on_signal(getattr(signal, name))
        threading.Thread(target=self._follow_stdin, name="stdin", daemon=True).start()
        self._check_parent()

    def _on_signal(self, number: signal.Signals) -> None:
        try:
            self._loop.add_signal_handler(number, self.end.set)
        except NotImplementedError:  # Windows' event loop takes none
            signal.signal(number, lambda *_: self._loop.call_soon_threadsafe(self.end.set))

    def _follow_stdin(self) -> None:
        # os.read, not sys.stdin: a thread that waits inside a buffered reader can abort the interpreter's shutdown.
        with contextlib.suppress(OSError):
            while read := os.read(0, 1024):
                if b"go" in read:
                    self._loop.call_soon_threadsafe(self.go.set)
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are ending already
            self._loop.call_soon_threadsafe(self.end.set)
        time.sleep(LAST_WORDS)
        os._exit(1)

    def _check_parent(self) -> None:
        if os.getppid() != self._parent:
            self.end.set()
        else:
            self._loop.call_later(ORPHAN_CHECK, self._check_parent)

    async def wait(self, event: asyncio.Event) -> bool:
        """Wait for `event` or the end. Returns False at the end."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.end.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self.end.is_set()
