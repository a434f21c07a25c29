"""A real cluster, a real shell and a real kernel for the tests of the magics."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from traitlets.config import Config

from casty_notebook.demo import DemoCluster
from tests.magics.harness import WAIT, Kernel, Shell
from tests.support.shells import extensions_of


@pytest.fixture
def bare_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    yield Shell(shell)
    if "casty_notebook" in extensions_of(shell).loaded:
        extensions_of(shell).unload_extension("casty_notebook")


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A shell with the extension and the demo's messages."""
    bare_shell.run("%load_ext casty_notebook\nfrom casty_notebook.demo.messages import *")
    bare_shell.run("import casty_notebook.demo.messages as demo_messages")
    return bare_shell


@pytest.fixture
def connected(shell: Shell, demo_cluster: DemoCluster) -> Shell:
    """A shell that is connected to the demo cluster."""
    shell.run(f"%casty_connect {demo_cluster.uri} --shards counter=100 account=100 --messages demo_messages;")
    return shell


@contextmanager
def a_kernel(folder: Path) -> Iterator[Kernel]:
    """A kernel of this interpreter, whatever kernels the machine has installed."""
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "tests",
        "language": "python",
    }
    (folder / "kernels" / "tests").mkdir(parents=True)
    (folder / "kernels" / "tests" / "kernel.json").write_text(json.dumps(spec))
    manager = KernelManager(
        kernel_name="tests",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False),
    )
    manager.start_kernel(cwd=str(Path(__file__).parents[2]))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=WAIT)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel of the test's own."""
    with a_kernel(tmp_path) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that a file's tests share: do not end it, unload nothing in it."""
    with a_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel
