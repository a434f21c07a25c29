"""A user's function is called in order on a thread of its own, and can stall and break nothing."""

from __future__ import annotations

import logging
import threading

import pytest

from casty_notebook.client import subscriptions
from casty_notebook.client.subscriptions import Subscription
from tests.support.waiting import wait_until


def test_everything_comes_in_order_on_one_thread_that_is_not_the_callers() -> None:
    came: list[tuple[int, int]] = []
    with Subscription(lambda each: came.append((each, threading.get_ident())), "test") as subscription:
        for start in range(0, 100, 10):
            subscription.offer(range(start, start + 10))
        wait_until(lambda: len(came) == 100)
    assert [each for each, _ in came] == list(range(100))
    assert {thread for _, thread in came}.isdisjoint({threading.get_ident()})
    assert repr(subscription) == "<Subscription of test: stopped, called 100 times>"


def test_what_a_function_raises_is_logged_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(each: int) -> None:
        raise SystemExit if each == 2 else ValueError(f"no {each}")

    with caplog.at_level(logging.ERROR, "casty_notebook.client"), Subscription(fail, "fail") as subscription:
        subscription.offer([1, 2, 3])
        wait_until(lambda: subscription.failed == 3)
    assert [record.getMessage() for record in caplog.records] == [
        "fail raised ValueError; it is called again, and is not logged again"
    ]


def test_a_function_that_does_not_keep_up_loses_the_oldest_and_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    began, go_on, came = threading.Event(), threading.Event(), []

    def slow(each: int) -> None:
        came.append(each)
        began.set()
        go_on.wait(10)

    with Subscription(slow, "slow") as subscription:
        subscription.offer([-1])
        assert began.wait(10)
        subscription.offer(range(subscriptions.LIMIT + 5))
        assert subscription.dropped == 5
        go_on.set()
        wait_until(lambda: len(came) == subscriptions.LIMIT + 1)
    assert came[:2] == [-1, 5]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_nothing_is_called_after_it_was_stopped_not_even_by_the_function_itself() -> None:
    came: list[int] = []
    ended = threading.Event()

    def once(each: int) -> None:
        came.append(each)
        subscription.stop()
        ended.set()

    told: list[str] = []
    subscription = Subscription(once, "once").stopped_by(lambda: told.append("stopped"))
    subscription.offer([1, 2, 3])
    assert ended.wait(10)
    subscription.offer([4])
    subscription.stop()
    wait_until(lambda: not any("casty-notebook once" in thread.name for thread in threading.enumerate()))
    assert (came, told) == ([1], ["stopped"])
