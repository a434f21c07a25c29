"""A short soak: random faults under load, and books that balance. ``./dev soak MINUTES`` is the long one."""

from __future__ import annotations

import pytest

from tests.reliability.soak import Soak


@pytest.mark.timeout(120)
async def test_half_a_minute_of_random_faults_loses_repeats_and_hangs_nothing() -> None:
    soak = Soak(30.0, seed=201)
    good = await soak.run()
    print(dict(soak.faults), soak.summary())
    assert good, soak.violations
    assert soak.faults.total() >= 3
    assert soak.asks > 1000
