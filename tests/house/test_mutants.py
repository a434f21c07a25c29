"""The faults on purpose fit the code that is there: ``./dev mutants`` is run rarely, and code changes often."""

from __future__ import annotations

from tests.house.source import ROOT
from tests.mutants.faults import by_hand, explanations, mutants


def test_every_fault_made_by_hand_fits_its_file() -> None:
    assert [str(fault) for fault in by_hand() if (ROOT / fault.place).read_text("utf-8").count(fault.before) != 1] == []


def test_every_mutant_that_is_explained_can_still_be_made() -> None:
    explained = explanations().keys()
    made = {mutant.name for place in {place for place, _, _ in explained} for mutant in mutants(ROOT, place)}
    assert explained <= made
