"""Runs notebooks with this Python's own kernel, whatever kernels a machine has, two at a time."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from traitlets import default

from tests.house.source import ROOT

__all__ = ["NOTEBOOKS", "Executed", "Runner", "read"]

NOTEBOOKS = ROOT / "notebooks"
CELL_TIMEOUT = 60
FAN_OUT_ENDED = re.compile(r"\w+: [0-9,]+ of [0-9,]+ answered, [0-9,]+ failed \(.*\); the first is .*\n")


def read(name: str) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    return notebook


class Executed:
    """A notebook that ran to its end."""

    def __init__(self, notebook: nbformat.NotebookNode) -> None:
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.widgets = notebook.metadata.get("widgets")

    def outputs_of(self, code: str) -> list[nbformat.NotebookNode]:
        """What the one cell whose source contains `code` shows."""
        (cell,) = [cell for cell in self.cells if code in cell.source]
        return list(cell.outputs)

    def text_of(self, code: str) -> str:
        """The same as text, the way a terminal shows it."""
        return "\n".join(
            output.get("text") or output.get("data", {}).get("text/plain", "") for output in self.outputs_of(code)
        )

    def complaints(self) -> Iterator[str]:
        """Everything on stderr: warnings, logging, tracebacks of threads; but how a fan-out ended that failed in part."""
        for cell in self.cells:
            for output in cell.outputs:
                if output.get("name") == "stderr" and not FAN_OUT_ENDED.fullmatch(output.text):
                    yield output.text


class Runner:
    """Runs each notebook once, with `check` as a cell of its own before the last, which cleans up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python",
            "display_name": "here", "env": {
                "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython"), "MPLCONFIGDIR": str(folder / "matplotlib"),
            },
        }  # fmt: skip
        (folder / "kernels" / "here").mkdir(parents=True)
        (folder / "kernels" / "here" / "kernel.json").write_text(json.dumps(spec))
        specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)

        class Manager(AsyncKernelManager):
            """Knows one kernel. nbclient closes only what managers that it made itself have opened."""

            @default("kernel_spec_manager")
            def _only_here(self) -> KernelSpecManager:
                return specs

        self._manager = Manager
        # As many as there are cores on the smallest machine that runs this.
        self._pool = ThreadPoolExecutor(max_workers=2)

    def start(self, name: str, check: str) -> Future[Executed]:
        return self._pool.submit(self._run, name, check)

    def _run(self, name: str, check: str) -> Executed:
        notebook = read(name)
        last = max(place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code")
        notebook.cells.insert(last, nbformat.v4.new_code_cell(check))
        work = self._folder / name
        shutil.copytree(NOTEBOOKS / "data", work / "data")  # beside the notebook, as where a person opens it
        client = NotebookClient(
            notebook, kernel_name="here", kernel_manager_class=self._manager, timeout=CELL_TIMEOUT,
            store_widget_state=False, resources={"metadata": {"path": str(work)}},
        )  # fmt: skip
        asyncio.run(client.async_execute())
        assert [each.name for each in work.iterdir()] == ["data"], "a notebook leaves no file behind"
        return Executed(notebook)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
