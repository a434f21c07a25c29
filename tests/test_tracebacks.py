"""What IPython shows of our own errors, in shells of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from casty_notebook import connect
from casty_notebook.errors import NoContactPoint
from casty_notebook.tracebacks import of_the_caller
from tests.support.ports import free_port

NOWHERE = f"casty://shop@127.0.0.1:{free_port()}"


def shown(folder: Path, *lines: str) -> str:
    script = folder / "cells.ipy"
    script.write_text("\n".join(("import casty_notebook", *lines)))
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", "--no-banner", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder)
    return done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["Context", "Plain"])
def test_an_error_of_ours_shows_the_callers_line_and_none_of_this_package(tmp_path: Path, mode: str) -> None:
    said = shown(tmp_path, f"%xmode {mode}", "def look(uri):", "    return casty_notebook.connect(uri)", f"look({NOWHERE!r})")
    assert "return casty_notebook.connect(uri)" in said
    assert "connection refused" in said
    assert "views/cluster.py" not in said
    assert "concurrent" not in said


def test_who_wants_all_of_it_gets_it(tmp_path: Path) -> None:
    assert "views/cluster.py" in shown(tmp_path, "%xmode Verbose", f"casty_notebook.connect({NOWHERE!r})")


def test_an_interrupted_call_shows_where_the_users_code_was(tmp_path: Path) -> None:
    interrupt = "threading.Timer(1.5, _thread.interrupt_main).start()"
    said = shown(tmp_path, "import _thread, threading", interrupt, 'casty_notebook.connect("casty://shop@10.255.255.1:1")')
    assert "KeyboardInterrupt" in said
    assert "background.py" not in said


def test_the_error_itself_keeps_every_step() -> None:
    with pytest.raises(NoContactPoint) as caught:
        connect(NOWHERE, timeout=1)
    files, trace = [], of_the_caller(caught.value.__traceback__)
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    assert files[-1] == __file__
    whole = caught.value.__traceback__
    assert whole is not None
    assert whole.tb_next is not None


def test_an_error_from_code_of_the_user_that_we_call_shows_that_code() -> None:
    def condition() -> None:
        connect(NOWHERE, timeout=1)

    with pytest.raises(NoContactPoint) as caught:
        sorted([1], key=lambda _: condition())  # type: ignore[arg-type,return-value]
    names, trace = [], of_the_caller(caught.value.__traceback__)
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-1] == "condition"
