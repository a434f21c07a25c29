"""Jobs without a console, and consoles of other encodings: plainer output, and the results are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from casty_notebook.console import fitting
from casty_notebook.demo import DemoCluster
from tests.house.source import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="closes file descriptors with a POSIX shell")

JOB = """
import sys
from casty_notebook import connect
from casty_notebook.demo.messages import GetCount
with open(sys.argv[2], "w") as out:
    try:
        with connect(sys.argv[1], shards={"counter": 100}) as cluster:
            # Nobody is called so: one that fails after more than the second in which the progress bar appears.
            gone = f"casty://{cluster.system_name}@{cluster.topology.leader}/nobody"
            print(len(cluster.ask_many([gone, "counter/1"], GetCount, timeout=1.6)), file=out)
    except BaseException as error:
        print(type(error).__name__, error, file=out)
"""

MAGICS = """
import sys
from IPython.core.interactiveshell import InteractiveShell
ip = InteractiveShell()
ip.run_cell("from casty_notebook.demo.messages import GetCount\\n%load_ext casty_notebook")
ip.run_cell(f"%casty_connect {sys.argv[1]} --shards counter=100")
ip.run_cell("t = %casty_ask --count 4 --every .01 counter/a GetCount")
checked = ip.run_cell("%casty_doctor")
print("ROWS", len(ip.user_ns.get("t", ())), checked.success)
"""


@pytest.mark.parametrize("closing", ["2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-", "2>/dev/full"])
def test_a_fan_out_without_a_console_gives_its_table(closing: str, demo_cluster: DemoCluster, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["/bin/sh", "-c", f'exec "$0" -c "$1" "$2" "$3" {closing}', sys.executable, JOB, demo_cluster.uri, str(out)]
    subprocess.run(command, cwd=ROOT, timeout=40, check=True)
    assert out.read_text() == "2\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_magics_say_it_plainer_where_the_output_is_not_utf_8(encoding: str, demo_cluster: DemoCluster, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "IPYTHONDIR": str(tmp_path)}
    command = [sys.executable, "-c", MAGICS, demo_cluster.uri]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=40, check=True)
    shown = done.stdout.decode(encoding)
    assert "ROWS 4 True" in shown
    assert "UnicodeEncodeError" not in shown + done.stderr.decode(encoding)
    assert "+ ok" in shown


def test_utf_8_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fitting("▁█ ✓") == "▁█ ✓"
    monkeypatch.setattr(sys, "stdout", None)
    assert fitting("▁█ ✓") == "▁█ ✓"
