"""Tables of cards: what may be broken where there is little room."""

from __future__ import annotations

from casty_notebook.views.reprs.html import STYLE, code, facts, table


def test_words_stay_whole_where_a_table_is_narrow_and_only_long_ones_are_broken() -> None:
    shown = facts("Location", [("state", "connected, crimson"), ("type", "casty_notebook.demo.virtual_actors:counter")])
    assert "<td>connected, crimson</td>" in shown
    assert '<td class="casty-long">casty_notebook.demo.virtual_actors:counter</td>' in shown
    assert '<td class="casty-number">3</td>' in table("Connections", ("name", "members"), [("prod", 3)], 1)
    assert code("casty://" + "x" * 40) == f"<code>casty://{'x' * 40}</code>"
    assert "td code,div.casty-nb td.casty-long{overflow-wrap:anywhere}" in STYLE
