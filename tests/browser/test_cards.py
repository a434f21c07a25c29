"""Cards in a real JupyterLab: aligned as they are written, and never taken for formulas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.browser.lab import Notebook
from tests.support.waiting import wait_until

CARD = """
%load_ext casty_notebook
from casty_notebook.values.standin import stand_in_class
stand_in_class("bank.Owed")(first="$x^2$", second="$$y$$ and \\\\(z\\\\)")
"""
FORMULA = "from IPython.display import HTML\nHTML('<p>$a^2$</p>')"


def test_what_a_reply_holds_is_no_formula_and_stands_at_the_left(
    open_notebook: Callable[..., Notebook], artifacts: Path
) -> None:
    notebook = open_notebook("lab", CARD.strip(), FORMULA)
    notebook.run(0)
    notebook.run(1)
    page = notebook.page
    # Once the formula of the second cell is typeset, the first had its chance.
    wait_until(lambda: page.locator(".jp-OutputArea-output mjx-container").count() == 1, 30, "a formula is typeset")
    card = page.locator(".jp-OutputArea-output table").first
    assert "$x^2$" in card.inner_text()
    assert "$$y$$" in card.inner_text()
    assert card.locator("mjx-container").count() == 0
    sides = card.locator("td, th").evaluate_all("cells => cells.map(cell => getComputedStyle(cell).textAlign)")
    page.screenshot(path=artifacts / "card.png")
    assert sides
    assert set(sides) <= {"left", "start"}
    page.screenshot(path=artifacts / "card.png")
