"""A view beside the notebook where the extension for it is not installed; where it is, see tests/browser/test_jupyter.py."""

from __future__ import annotations

import sys

import pytest

from casty_notebook import Recording
from tests.topology.test_recording_format import LABEL, sample


def test_without_the_extension_it_is_said_how_it_is_done_by_hand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sidecar", None)
    view = Recording(sample(), LABEL).widget()
    view.open_beside()
    view.close()
    assert "Create New View for Output" in capsys.readouterr().out
