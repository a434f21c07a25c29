"""The reasons for which a test may skip on a build server. All tests are to run there: one that skips unnoticed is lost."""

from __future__ import annotations

import os
import re
import sys

import pytest

__all__ = ["ALLOWED", "fail_unless_allowed"]

ALLOWED = {
    r"no Python 3\.\d+ .*": "a machine has the Pythons that it has; what runs us is always among those that are tested",
    r"takes minutes: set CASTY_NOTEBOOK_BINDER=1": "makes Binder's whole environment; before a release (RELEASING)",
    r"root, for network namespaces, is not here": "hosted machines give another user; .ci/run is root's",
}
"""Reasons, as patterns of the whole text, and why each is none to fail."""


def everything_is_here() -> bool:
    """Whether this is a build server that has all that tests need: on Linux, where CI says "true" as GitHub's does.

    macOS has no network namespaces and no Debian packages; a developer's machine has what it has, and `./dev test` says so.
    """
    return sys.platform == "linux" and os.environ.get("CI") == "true"


def fail_unless_allowed(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a test, or of a file, that skips for a reason that is not in `ALLOWED`."""
    if not (everything_is_here() and report.skipped and isinstance(report.longrepr, tuple)):
        return
    file, line, said = report.longrepr
    reason = said.removeprefix("Skipped: ")
    if not any(re.fullmatch(pattern, reason) for pattern in ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"{file}:{line}: skipped, where everything is to run (tests/support/skips.py): {reason}"
