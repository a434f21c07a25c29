"""A recording may come from anybody: what it takes is counted before it is built, and whatever loads can be shown."""

from __future__ import annotations

import os
import tracemalloc
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook import Recording
from casty_notebook.errors import InvalidRecording
from casty_notebook.settings import Settings
from casty_notebook.topology.recording_format import VERSION
from casty_notebook.views.past.recording import MAGIC

NOON = 1_700_000_000_000_000
"""A time in microseconds since 1970."""


def column(count: int, first: int | None = 0) -> dict[str, Any]:
    ids = None if first is not None else array("q", range(count)).tobytes()
    return {"count": count, "first": first, "ids": ids, "codes": bytes(4 * count)}


def tree(**changed: Any) -> dict[str, Any]:
    """A small recording with one moment."""
    record = {
        "time": NOON, "members": [0], "leader": 0, "shards": {"cart": 0}, "epoch": 1, "unreachable": [], "services": [0],
        "health": [[0, "live", "", 0.001]],
    }  # fmt: skip
    return {
        "version": VERSION, "label": {"name": "prod", "system": "shop", "uri": "casty://shop@h:1", "shard_counts": {}},
        "nodes": [["10.0.1.10", 25520]], "members": [[0, "up", ["front"], "node-1"]], "placements": [[0]],
        "services": [["payment", 0, "/pay"]], "columns": [column(4)], "records": [record],
        "events": [[NOON, "member_joined", "node-1", "", "up"]],
    } | changed  # fmt: skip


def written(folder: Path, what: Any, packed: bytes | None = None) -> Path:
    path = folder / "theirs.casty"
    path.write_bytes(MAGIC + zlib.compress(msgpack.packb(what) if packed is None else packed, 9))
    return path


def record_of(**changed: Any) -> list[dict[str, Any]]:
    return [tree()["records"][0] | changed]


# Made by the test that wants them: a million objects more make every collection of garbage slower, in all tests of the process.
BOMBS: dict[str, Callable[[], dict[str, Any]]] = {
    "maps of maps": lambda: {"version": VERSION, "x": [{str(n % 7): {"a": {}} for n in range(4)} for _ in range(200_000)]},
    "20 million shards": lambda: tree(columns=[column(20_000_000)]),
    "columns of a million each": lambda: tree(columns=[column(1_000_000)] * 6),
    "a hundred types that share a column": lambda: tree(
        columns=[column(100_000)], records=record_of(shards={f"t{n}": 0 for n in range(100)})
    ),
    "more moments than are remembered": lambda: tree(records=record_of() * 5_001),
    "more events than are remembered": lambda: tree(events=tree()["events"] * 10_001),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_wants_much_is_refused_before_it_is_built(tmp_path: Path, bomb: str) -> None:
    path = written(tmp_path, BOMBS[bomb]())
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRecording):
            Recording.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # What is decompressed, and what the parser made of it, are within the bound for a message together.
    assert peak < 2 * Settings().max_memory


@pytest.mark.parametrize("time", [-62_135_596_800_000_000, 253_402_300_799_000_000, 2**62, -(2**62), -1])
def test_times_that_no_zone_could_show_are_refused(tmp_path: Path, time: int) -> None:
    with pytest.raises(InvalidRecording):
        Recording.load(written(tmp_path, tree(records=record_of(time=time))))
    with pytest.raises(InvalidRecording):
        Recording.load(written(tmp_path, tree(events=[[time, "member_joined", "node-1", "", "up"]])))


def shown(recording: Recording) -> None:
    """All that can be looked at of one."""
    for look in (recording, recording.members, recording.shards, recording.services, recording.events):
        assert repr(look)
        html = getattr(look, "_repr_html_", None)
        assert html is None or html() is not None
    mimes = recording.widget()._repr_mimebundle_()
    assert "text/plain" in str(mimes)


@pytest.mark.parametrize(
    "changed",
    [
        {}, {"records": record_of(time=0)}, {"records": record_of(time=7_258_118_400_000_000)}, {"columns": [column(0)]},
        {"columns": [column(3, None)]}, {"columns": [column(3, -(2**62))]}, {"members": [[0, "removed", [], ""]]},
        {"records": record_of(health=[[0, "down", "x" * 50_000, None]])}, {"members": [[0, "up", ["\x1b]0;"], "\u202e<script>"]]},
        {"services": [["\n\x07", 0, "$x$"]]}, {"records": record_of(leader=None, members=[], services=[], health=[])},
    ],
)  # fmt: skip
def test_whatever_loads_can_be_shown(tmp_path: Path, changed: dict[str, Any]) -> None:
    shown(Recording.load(written(tmp_path, tree(**changed))))


leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(max_size=8)
junk = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4))


@given(st.sampled_from(sorted(tree())), st.integers(0, 8), junk)
def test_whatever_stands_anywhere_is_refused_or_can_be_shown(
    tmp_path_factory: pytest.TempPathFactory, part: str, depth: int, value: Any
) -> None:
    made = tree()
    place: Any = made
    step: Any = part
    for _ in range(depth % 4):
        inner = place[step]
        if not isinstance(inner, list | dict) or not inner:
            break
        place, step = inner, (0 if isinstance(inner, list) else sorted(inner)[depth % len(inner)])
    place[step] = value
    path = written(tmp_path_factory.getbasetemp(), made)
    try:
        recording = Recording.load(path)
    except InvalidRecording:
        return
    repr(recording), repr(recording.members), repr(recording.shards), repr(recording.events)


def test_saving_follows_no_link_and_leaves_nothing_behind(tmp_path: Path) -> None:
    recording = Recording.load(written(tmp_path, tree()))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (f".mine.casty.{os.getpid()}", ".mine.casty"):
        (tmp_path / name).symlink_to(victim)
    recording.save(tmp_path / "mine.casty")
    assert victim.read_text() == "precious"
    assert Recording.load(tmp_path / "mine.casty").topology == recording.topology
    assert sorted(path.name for path in tmp_path.iterdir() if not path.is_symlink()) == ["mine.casty", "theirs.casty", "victim"]
