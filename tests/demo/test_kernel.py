"""A demo cluster inside a real Jupyter kernel ends with it, and survives the interrupt button."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.house.source import ROOT
from tests.support.waiting import wait_until


class Kernel:
    """This Python's own kernel, whatever kernels a machine has."""

    def __init__(self, folder: Path) -> None:
        spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
        (folder / "kernels" / "here").mkdir(parents=True)
        (folder / "kernels" / "here" / "kernel.json").write_text(json.dumps({**spec, "display_name": "here"}))
        specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
        self.manager = KernelManager(kernel_name="here", kernel_spec_manager=specs)
        self.manager.start_kernel(cwd=str(ROOT))
        self.client: BlockingKernelClient = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)

    def run(self, code: str) -> str:
        """What the code prints."""
        printed: list[str] = []
        reply = self.client.execute_interactive(
            code, timeout=30, output_hook=lambda message: printed.append(message["content"].get("text", ""))
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def close(self) -> None:
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.close()


def start_nodes(kernel: Kernel) -> list[int]:
    kernel.run("from casty_notebook.demo import DemoCluster; demo = DemoCluster(2).start()")
    return [int(pid) for pid in kernel.run("print(*(node.pid for node in demo.nodes))").split()]


@pytest.mark.parametrize("now", [False, True], ids=["shut down", "killed"])
def test_nodes_end_with_their_kernel(kernel: Kernel, now: bool) -> None:
    pids = start_nodes(kernel)
    assert len(pids) == 2
    kernel.manager.shutdown_kernel(now=now)
    wait_until(lambda: not any(map(psutil.pid_exists, pids)), 10, "nodes are left")


def test_interrupting_the_kernel_leaves_the_nodes_alone(kernel: Kernel) -> None:
    pids = start_nodes(kernel)
    kernel.manager.interrupt_kernel()
    kernel.client.wait_for_ready(timeout=10)
    assert kernel.run("print(*(node.state for node in demo.nodes))").split() == ["up", "up"]
    assert all(map(psutil.pid_exists, pids))


def test_the_cluster_shows_itself_as_a_table_in_a_cell(kernel: Kernel) -> None:
    start_nodes(kernel)
    shown = kernel.run("print(demo._repr_html_())")
    assert shown.count("<tr>") == 3
