"""Errors in one line, and the whole story on request."""

from __future__ import annotations

from IPython.core.error import UsageError

from casty_notebook.errors import AskTimeout, ContactAttempt, FailureReport, MisuseError, NoContactPoint
from casty_notebook.magics.usage import as_usage_error

REPORT = FailureReport(
    target="counter/user-42",
    cause="no reply within 2 s.",
    advice="Try again with -t 10.",
    shard=87,
    story=("ask -> locate", "tick -> give up"),
)


def test_ipython_is_given_exactly_a_usage_error_since_it_shows_subclasses_with_a_traceback() -> None:
    assert type(as_usage_error(MisuseError("no"))) is UsageError


def test_the_cause_comes_first() -> None:
    assert str(as_usage_error(AskTimeout(REPORT))).startswith("counter/user-42: no reply within 2 s. Try again")


def test_many_contact_points_are_one_line_that_says_how_many_more() -> None:
    attempts = tuple(ContactAttempt(f"10.0.0.{n}:25520", "refused") for n in range(5))
    text = str(as_usage_error(NoContactPoint("no contact point answered:", attempts)))
    assert text == (
        "no contact point answered: 10.0.0.0:25520: refused; 10.0.0.1:25520: refused; 10.0.0.2:25520: refused;"
        " and 2 more (-v shows them)"
    )


def test_verbose_shows_the_story_and_the_causes() -> None:
    error = AskTimeout(REPORT)
    error.__cause__ = OSError("connection reset")
    text = str(as_usage_error(error, verbose=True))
    assert "AskTimeout: counter/user-42" in text
    assert "  tick -> give up" in text
    assert "Caused by OSError: connection reset" in text


def test_a_long_error_is_cut_and_says_so() -> None:
    text = str(as_usage_error(MisuseError("x" * 5_000)))
    assert len(text) < 700
    assert "-v shows the rest" in text
