"""The house stands: imports go down only, and only the rooms made for it touch the world."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.house.source import PACKAGE, ROOT, files, imports, room, room_of, tree

GROUND = {"advice", "errors", "address", "console", "logs", "printable", "recognition", "settings", "tracebacks"}
MIDDLE = {"topology", "values"}
SHARDED = {"sharded/wire", "sharded/codec", "sharded/session"}
VIRTUAL = {"virtual/wire", "virtual/codec", "virtual/session"}
PURE_ROOMS = GROUND | MIDDLE | SHARDED | VIRTUAL | {"backends", "tables"}
BACKENDS = {"backends", "net", "loops"}
"""What all backends share: their promise and what goes with it, the ways to a node, event loops."""

MAY_IMPORT: dict[str, set[str]] = {
    # [0] the ground
    "printable": set(),
    "advice": set(),
    "console": {"printable"},
    "logs": {"advice", "printable"},
    "errors": {"printable", "tracebacks"},
    "tracebacks": set(),
    "recognition": set(),
    "settings": {"errors"},
    "address": {"errors", "printable"},
    # [1] the middle: what a cluster looks like, and what users write and receive
    "topology": GROUND,
    "values": GROUND,
    # [2] what both backends stand on
    "backends": GROUND | MIDDLE,
    "aio": set(),
    "aio/lifecycle": GROUND | {"loops"},
    "aio/listener": GROUND | MIDDLE | {"backends", "loops"},
    "net": GROUND | MIDDLE,
    "loops": GROUND,
    # [3] the backends, strangers to each other: bytes, payloads and decisions, and the one room that touches the world
    "sharded": set(),
    "sharded/wire": GROUND,
    "sharded/codec": GROUND | MIDDLE,
    "sharded/session": GROUND | MIDDLE | {"backends"},
    "sharded/aio": GROUND | MIDDLE | BACKENDS | SHARDED | {"aio", "aio/lifecycle", "aio/listener"},
    "virtual": set(),
    "virtual/wire": GROUND,
    "virtual/codec": GROUND | MIDDLE,
    "virtual/session": GROUND | MIDDLE | {"backends", "virtual/wire", "virtual/codec"},
    "virtual/aio": GROUND | MIDDLE | BACKENDS | VIRTUAL | {"aio", "aio/lifecycle", "aio/listener"},
    # [4] plain calls, and tables of the picture
    "client": GROUND | MIDDLE | BACKENDS,
    "tables": GROUND | MIDDLE,
    # [5] what a cell shows
    "views": GROUND | MIDDLE | BACKENDS | {"client", "tables"},
    # [6] what a line says; ``--demo`` starts a cluster
    "magics": GROUND | MIDDLE | BACKENDS | {"client", "tables", "views", "demo"},
    # [6] the same for a shell
    "cli": GROUND | MIDDLE | {"client", "views", "magics", "demo"},
    # beside the house: what may be laid on the nodes; the launcher needs no client, the terminal tour is a user like any other
    "nodeside": set(),
    "demo": {"nodeside", "errors", "address", "console", "printable", "settings", "roof"},
    # the public names
    "roof": GROUND | MIDDLE | BACKENDS | {"client", "tables", "views", "magics", "sharded/aio", "virtual/aio"},
}

NAMES_BACKENDS = {
    "client/choice.py": "it opens the one that a contact point's answers ask for",
}
"""All else above speaks by the contract (`backends/contract.py`)."""

WORLDLY = {
    "asyncio", "concurrent", "http", "ftplib", "glob", "mmap", "multiprocessing", "nest_asyncio", "nest_asyncio2",
    "os", "queue", "random", "sched", "secrets", "select", "selectors", "shutil", "signal", "socket", "socketserver",
    "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uvloop",
}  # fmt: skip
"""Modules with a clock, a thread, chance, or a way out of the process."""

TOUCHES_FILES = {
    "backends/sharded/codec/pickle/standard_types.py": "a time zone's rules are read from the machine, as zoneinfo itself would",
}

SPEAK_CASTY = {
    "demo/actors.py", "demo/node.py", "demo/virtual_actors.py", "demo/virtual_node.py", "nodeside/casty_nodeside.py",
}  # fmt: skip
"""They run in node processes, never in ours."""


def place(file: object) -> str:
    return str(file).removeprefix(f"{PACKAGE}/").replace("\\", "/")


def test_every_file_has_a_floor() -> None:
    homeless = {room(file) for file in files()} - MAY_IMPORT.keys()
    assert not homeless, "say in MAY_IMPORT what they may import"


def test_imports_go_down_only() -> None:
    upward = [
        str(found)
        for file in files()
        for found in imports(file)
        if found.module.split(".")[0] == "casty_notebook"
        and room_of(found.module) != found.importer
        and room_of(found.module) not in MAY_IMPORT[found.importer]
        and place(found.file) not in NAMES_BACKENDS
    ]
    assert upward == []


def test_nothing_in_a_pure_room_touches_clock_thread_chance_or_world() -> None:
    worldly = [
        str(found)
        for file in files()
        for found in imports(file)
        if found.importer in PURE_ROOMS and found.module.split(".")[0] in WORLDLY
    ]
    assert worldly == []


def test_nothing_in_a_pure_room_takes_more_of_io_than_bytes_in_memory() -> None:
    taken = {
        alias.name
        for file in files()
        if room(file) in PURE_ROOMS
        for node in ast.walk(tree(file))
        if (isinstance(node, ast.ImportFrom) and node.module == "io") or isinstance(node, ast.Import)
        for alias in node.names
        if isinstance(node, ast.ImportFrom) or alias.name == "io"
    }
    assert taken <= {"BytesIO"}


def test_nothing_in_a_pure_room_opens_files() -> None:
    opening = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "mkdir", "unlink"}
    seen = {
        place(file)
        for file in files()
        if room(file) in PURE_ROOMS
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in opening
    }
    assert seen <= TOUCHES_FILES.keys()


def test_casty_is_imported_by_node_processes_only() -> None:
    foreign = [
        str(found)
        for file in files()
        for found in imports(file)
        if found.module.split(".")[0] == "casty" and place(file) not in SPEAK_CASTY
    ]
    assert foreign == []


def test_nothing_unpickles() -> None:
    pickling = [
        str(found)
        for file in files()
        for found in imports(file)
        if found.module.split(".")[0] in {"pickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve"}
    ]
    assert pickling == [], "a stock unpickler runs what a peer sends; codec reads pickles by a closed table"


KIND_NAMES = {"SHARDED", "VIRTUAL"}


def asks_which_kind(node: ast.AST) -> bool:
    """Whether it compares a value with one of the two kinds, or a kind's name with a text."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
    elif isinstance(node, ast.MatchValue):
        sides = [node.value]
    else:
        return False
    for part in (part for side in sides for part in ast.walk(side)):
        named = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else None
        if named in KIND_NAMES or (isinstance(part, ast.Constant) and part.value in {"sharded", "virtual"}):
            return True
    return False


def test_nothing_above_the_backends_asks_which_kind_a_cluster_is() -> None:
    asking = [
        f"{place(file)}:{getattr(node, 'lineno', '')}"
        for file in files()
        if not place(file).startswith("backends/") and place(file) != "topology/kinds.py"
        for node in ast.walk(tree(file))
        if asks_which_kind(node)
    ]
    assert asking == [], "ask its Kind for a word or a capability: a third kind is a row in topology/kinds.py"


@pytest.mark.parametrize(
    "line",
    [
        "kind is VIRTUAL", "moment.kind is not kinds.SHARDED", "kind in (SHARDED, VIRTUAL)", "kind.name == VIRTUAL.name",
        "kind.name == 'virtual'", "'sharded' != kind.name",
    ],
)  # fmt: skip
def test_such_a_question_is_noticed(line: str) -> None:
    assert any(map(asks_which_kind, ast.walk(ast.parse(line))))


def test_the_front_end_does_not_ask_it_either() -> None:
    asking = [file.name for file in (PACKAGE / "views").rglob("*.js") if re.search(r"status\.kind\b", file.read_text("utf-8"))]
    assert asking == [], "status.words and status.leads say what is drawn"


def test_names_are_imported_by_text_at_the_roof_only() -> None:
    seen = {
        place(file)
        for file in files()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Name | ast.Attribute)
        and (node.id if isinstance(node, ast.Name) else node.attr) in {"import_module", "__import__"}
    }
    assert seen <= {"__init__.py"}


HEAVY = {
    "IPython", "anywidget", "asyncssh", "casty", "ipykernel", "ipywidgets", "msgpack", "nest_asyncio", "numpy",
    "pandas",
}  # fmt: skip

LIST_LOADED = "import json, sys; old = set(sys.modules); import {}; print(json.dumps([*sys.modules.keys() - old]))"


@pytest.mark.parametrize("module", ["casty_notebook", "casty_notebook.demo"])
def test_importing_costs_nothing_but_the_standard_library(module: str) -> None:
    command = [sys.executable, "-c", LIST_LOADED.format(module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("module", ["casty_notebook.views.cluster", "casty_notebook.cli.main", "casty_notebook.client.choice"])
def test_connecting_and_asking_need_no_tables(module: str) -> None:
    """pandas takes longer to be imported than all the rest of a shell's ``casty-notebook ask``."""
    command = [sys.executable, "-c", LIST_LOADED.format(module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded & (HEAVY - {"msgpack"}) == set()
