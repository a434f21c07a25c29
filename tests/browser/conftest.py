"""One Chromium and one Jupyter server for all browser tests. Run with ``-p no:asyncio``: two loops in one thread do not mix."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright import sync_api

from tests.browser.lab import Jupyter, Notebook, written
from tests.browser.page import FrontEnd
from tests.house.source import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
CLIPBOARD = ["clipboard-read", "clipboard-write"]
ARTIFACTS = ROOT / "tests" / "_artifacts"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The asyncio plugin is left out here, and its options in pyproject.toml are no mistakes all the same."""
    if not pluginmanager.hasplugin("asyncio"):
        for option in ("asyncio_mode", "asyncio_default_fixture_loop_scope"):
            parser.addini(option, "of the plugin that is left out")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reason = None
    if config.pluginmanager.hasplugin("asyncio"):
        reason = "browser tests run by themselves: pytest -p no:asyncio tests/browser (./dev test does)"
    elif not Path(CHROMIUM).exists():
        reason = "no chromium (Debian: apt-get install chromium)"
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


type Opener = Callable[[], Any]


@contextmanager
def pages(chromium: Any) -> Iterator[Opener]:
    """Pages that fail their test if our script in them did; Jupyter's own have faults of their own."""
    faults: list[str] = []

    def note(error: Any) -> None:
        if "blob:" in (error.stack or ""):  # Where anywidget, and our own empty page, load the module from.
            faults.append(error.stack)

    with ExitStack() as stack:

        def make() -> Any:
            context = chromium.new_context(permissions=CLIPBOARD, viewport={"width": 1280, "height": 900})
            stack.callback(context.close)
            page = context.new_page()
            page.on("pageerror", note)
            return page

        yield make
    assert faults == []


@pytest.fixture
def new_page(chromium: Any) -> Iterator[Opener]:
    with pages(chromium) as make:
        yield make


@pytest.fixture
def front_end(new_page: Opener) -> Callable[..., FrontEnd]:
    return lambda **options: FrontEnd(new_page(), **options)


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A Jupyter server with JupyterLab and Notebook 7, its settings and its notebooks in a folder of the test's own."""
    folder = tmp_path_factory.mktemp("jupyter")
    port, token = free_port(), "browser-tests"
    news = folder / "settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
    (folder / "notebooks").mkdir()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", "--expose-app-in-browser",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", f"--ServerApp.root_dir={folder / 'notebooks'}",
    ]  # fmt: skip
    made = Jupyter(f"http://127.0.0.1:{port}", token, folder / "notebooks")
    with _served(command, folder, made.answers):
        yield made


@pytest.fixture
def open_in_voila(tmp_path: Path, new_page: Opener) -> Iterator[Callable[..., Any]]:
    """Have a notebook of the given cells served by Voilà, which shows what they show, and open the page."""
    with ExitStack() as stack:

        def serve(*cells: str) -> Any:
            port = free_port()
            (tmp_path / "shown.ipynb").write_text(json.dumps(written(cells)))
            command = [
                sys.executable, "-m", "voila", "shown.ipynb", "--no-browser", "--Voila.ip=127.0.0.1",
                f"--Voila.port={port}", "--Voila.port_retries=0",
            ]  # fmt: skip
            stack.enter_context(_served(command, tmp_path, lambda: _listens(port)))
            page = new_page()
            page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")  # Its icons' fonts may be out of reach.
            return page

        yield serve


@contextmanager
def _served(command: list[str], folder: Path, answers: Callable[[], bool]) -> Iterator[None]:
    """Run a server that answers, its settings in the folder, and end it with its kernels."""
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"), "IPYTHONDIR": str(folder / "ipython"),
    }  # fmt: skip
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            wait_until(lambda: answers() or server.poll() is not None, timeout=90)  # 3 s where nothing else runs
            assert server.poll() is None, (folder / "server.log").read_text()[-4000:]
            yield
        finally:
            _end(server)


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def _end(server: subprocess.Popen[bytes]) -> None:
    """The server first, so that it does not restart its kernels; then those, by pid."""
    kernels = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
    server.send_signal(signal.SIGKILL)
    server.wait(10)
    for kernel in kernels:
        if kernel.is_running():
            kernel.terminate()
    _, alive = psutil.wait_procs(kernels, timeout=5)
    for kernel in alive:
        kernel.kill()


@pytest.fixture(scope="module")
def open_notebook(jupyter: Jupyter, chromium: Any) -> Iterator[Callable[..., Notebook]]:
    """Write a notebook of the given cells and open it: ``open_notebook("lab", "1 + 1")``."""
    with pages(chromium) as make:
        yield lambda where, *cells: Notebook(jupyter, make(), where, cells)


@pytest.fixture(scope="session")
def artifacts() -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS
