"""What a person sees while a connection is being made that takes its time."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pexpect
import pytest

from tests.house.source import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="drives a terminal")

CONNECT = """
import sys
from casty_notebook import connect
from casty_notebook.errors import NoContactPoint
try:
    connect(sys.argv[1], timeout=4.0)
except NoContactPoint:
    print("REFUSED")
"""


@pytest.fixture
def mute() -> Iterator[str]:
    """The URI of what takes connections and says nothing."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"casty://shop@127.0.0.1:{server.getsockname()[1]}"


def test_a_terminal_is_told_what_is_being_waited_for(mute: str) -> None:
    child = pexpect.spawn(sys.executable, ["-c", CONNECT, mute], cwd=str(ROOT), encoding="utf-8", timeout=30)
    child.expect_exact(f"connecting to {mute}: ")
    child.expect_exact("REFUSED")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize("closing", ["", "2>&-", "2>/dev/full"])
def test_where_nobody_could_see_it_nothing_is_said_and_nothing_breaks(mute: str, closing: str) -> None:
    command = ["/bin/sh", "-c", f'exec "$0" -c "$1" "$2" {closing}', sys.executable, CONNECT, mute]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=40, check=True)
    assert done.stdout == "REFUSED\n"
    assert "connecting" not in done.stderr
