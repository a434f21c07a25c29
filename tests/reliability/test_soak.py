"""Short soaks: random faults under load, and books that balance. ``./dev soak MINUTES`` and `virtual_soak` are the long ones."""

from __future__ import annotations

import pytest

from tests.reliability.soak import Soak
from tests.reliability.virtual_soak import VirtualSoak


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


@pytest.mark.timeout(120)
async def test_a_virtual_cluster_broken_at_random_loses_repeats_and_hangs_nothing() -> None:
    # Begins with a kill, a freeze and a cut connection.
    soak = VirtualSoak(20.0, seed=7)
    good = await soak.run()
    assert good, soak.violations
    assert soak.faults.total() >= 2
    assert soak.asks > 300
