"""Files that appear at once and whole, on file systems without second names too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from casty_notebook.errors import MisuseError
from casty_notebook.views.whole_file import write_whole


@pytest.fixture(params=["second names", "none"])
def names(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> NoReturn:
        raise PermissionError("no second names here")

    if request.param == "none":
        monkeypatch.setattr(Path, "hardlink_to", refused)


@pytest.mark.usefixtures("names")
def test_a_file_is_written_replaced_if_wanted_and_else_kept(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    assert write_whole(target, b"first", overwrite=False) == target
    with pytest.raises(MisuseError, match="is there already"):
        write_whole(target, b"second", overwrite=False)
    assert target.read_bytes() == b"first"
    write_whole(target, b"third", overwrite=True)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"third"]


@pytest.mark.usefixtures("names")
def test_a_file_that_somebody_makes_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    target.write_bytes(b"of somebody else")
    monkeypatch.setattr("casty_notebook.views.whole_file.os.path.lexists", lambda _: False)  # it was not there a moment ago
    with pytest.raises(MisuseError, match="is there already"):
        write_whole(target, b"ours", overwrite=False)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"of somebody else"]
