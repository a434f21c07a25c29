"""The ledger finds every kind of fault in a delivery: a check that cannot fail would prove nothing."""

from __future__ import annotations

from tests.reliability.ledger import Ledger


def told(count: int) -> tuple[Ledger, list[int]]:
    ledger = Ledger("counter/a")
    return ledger, [ledger.tell() for _ in range(count)]


def test_any_subset_in_any_number_of_incarnations_is_in_order() -> None:
    ledger, (a, b, c, d) = told(4)
    ledger.observe(1, a)
    ledger.observe(1, a + c)
    ledger.observe(2, d)
    assert ledger.violations == []
    assert ledger.confirmed == a + c + d
    assert ledger.sent & ~ledger.confirmed == b


def test_a_tell_that_arrived_twice_is_noticed() -> None:
    ledger, (a, b) = told(2)
    ledger.observe(1, a + a + b)
    assert "twice" in ledger.violations[0]


def test_a_tell_that_two_incarnations_got_is_noticed() -> None:
    ledger, (a,) = told(1)
    ledger.observe(1, a)
    ledger.observe(2, a)
    assert "process 1 got, too" in ledger.violations[0]


def test_a_tell_that_is_gone_again_is_noticed() -> None:
    ledger, (a, b) = told(2)
    ledger.observe(1, a + b)
    ledger.observe(1, b)
    assert "lost" in ledger.violations[0]


def test_a_refused_tell_that_arrived_is_noticed() -> None:
    ledger, (a,) = told(1)
    ledger.refuse(a)
    ledger.observe(1, a)
    assert "refused" in ledger.violations[0]
