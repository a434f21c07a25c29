"""What is typed as awaited is what there is."""

from __future__ import annotations

import inspect

import pytest

from casty_notebook.backends.virtual.aio import awaited, collections


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        (awaited.AwaitedCounter, collections.Counter), (awaited.AwaitedDict, collections.Dict),
        (awaited.AwaitedSet, collections.Set), (awaited.AwaitedQueue, collections.Queue),
    ],
)  # fmt: skip
def test_each_method_is_there_with_its_parameters(typed: type, made: type) -> None:
    def methods(cls: type) -> dict[str, list[str]]:
        found = inspect.getmembers(cls, inspect.isfunction)
        return {name: list(inspect.signature(each).parameters) for name, each in found if not name.startswith("_")}

    assert methods(typed) == methods(made)
