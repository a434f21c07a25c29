"""A short soak: random faults under load, and books that balance. ``./dev soak MINUTES`` is the long one."""

from __future__ import annotations

import pytest

from tests.reliability.soak import Soak


@pytest.mark.timeout(120)
async def test_half_a_minute_of_random_faults_loses_repeats_and_hangs_nothing() -> None:
    # A plan of eight short faults of four kinds; others may spend the half minute on two long freezes.
    soak = Soak(30.0, seed=203)
    good = await soak.run()
    print(dict(soak.faults), soak.summary())
    assert good, soak.violations
    # On a machine where each kill and restart takes twice as long there is time for five.
    assert soak.faults.total() >= 5
    assert soak.asks > 1000
