"""Bastions for this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.networks.bastion import Bastion


@pytest.fixture
def start_bastion(tmp_path: Path) -> Iterator[Callable[..., Bastion]]:
    """A listening sshd of the test's own, with options of ``sshd_config``; ended with the test."""
    with ExitStack() as stack:
        count = iter(range(100))

        def start(**options: Any) -> Bastion:
            return stack.enter_context(Bastion(tmp_path / f"bastion-{next(count)}", options=options))

        yield start


@pytest.fixture
def bastion(start_bastion: Callable[..., Bastion]) -> Bastion:
    return start_bastion()
