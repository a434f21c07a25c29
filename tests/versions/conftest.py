"""Real nodes of every supported casty, and of its neighbours, each run by an environment of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from casty_notebook.demo import DemoCluster
from tests.versions.environments import FULL, NEIGHBOURS, PLAIN, interpreters

collect_ignore = ["application"]  # what only the nodes can import; importing it here is what must not be needed


@pytest.fixture(scope="session")
def pythons() -> dict[str, Path]:
    """The interpreter for each version of casty."""
    return interpreters((*PLAIN, FULL, *NEIGHBOURS))


@pytest.fixture
def start_version(pythons: dict[str, Path]) -> Iterator[Callable[..., DemoCluster]]:
    """Start a demo cluster of a version of casty; ended with the test."""
    with ExitStack() as stack:

        def start(version: str, nodes: int = 2, **options: Any) -> DemoCluster:
            return stack.enter_context(DemoCluster(nodes, python=pythons[version], **options))

        yield start
