"""Building blocks of what a cell shows as HTML: real tables, one scoped style, and nothing that is not escaped.

Colours are those of the front end (JupyterLab and Notebook, then VS Code), else the page's own. They only repeat what
words and marks say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

from casty_notebook.printable import printable
from casty_notebook.views.reprs.plain import clipped
from casty_notebook.views.theme import BAD, MARKS

__all__ = [
    "MOST_ROWS",
    "PLACE",
    "STYLE",
    "Markup",
    "code",
    "details",
    "element",
    "facts",
    "fragment",
    "joined",
    "reach",
    "state",
    "table",
]

MOST_ROWS = 200
"""Rows of one table; the caption then says "200 of n". Longer ones are what DataFrames are for."""

LONG_WORD = 24

# Our class is named twice where Jupyter's own rule has two (`:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon td`) and would win.
STYLE = """
.casty-nb{--casty-line:var(--jp-border-color2,var(--vscode-panel-border,rgba(128,128,128,.4)));
--casty-faint:var(--jp-content-font-color2,var(--vscode-descriptionForeground,inherit));
--casty-good:var(--jp-success-color1,var(--vscode-testing-iconPassed,#2e8b57));
--casty-bad:color-mix(in srgb,BAD 78%,var(--jp-content-font-color1,var(--vscode-foreground,currentColor)));
--casty-open:var(--jp-warn-color1,var(--vscode-testing-iconQueued,#b8860b));
color:var(--jp-content-font-color1,var(--vscode-foreground,inherit));
font-family:var(--jp-content-font-family,var(--vscode-font-family,system-ui,sans-serif));
font-size:var(--jp-content-font-size1,var(--vscode-font-size,.9em));overflow-x:auto}
div.casty-nb table{border-collapse:collapse;border:0;margin:.2em 0 .6em;background:none;color:inherit}
div.casty-nb caption{caption-side:top;text-align:left;font-weight:600;padding:.2em 0;color:inherit}
div.casty-nb tr{background:none}
div.casty-nb.casty-nb table tr th,div.casty-nb.casty-nb table tr td{text-align:left}
div.casty-nb th,div.casty-nb td{vertical-align:top;padding:.2em 1em .2em 0;max-width:60em;
overflow-wrap:break-word;white-space:normal;border:0;border-bottom:1px solid var(--casty-line);color:inherit}
div.casty-nb th{font-weight:600}
div.casty-nb td code,div.casty-nb td.casty-long{overflow-wrap:anywhere}
div.casty-nb th[scope=row]{font-weight:400;color:var(--casty-faint)}
div.casty-nb.casty-nb table tr td.casty-number{text-align:right;font-variant-numeric:tabular-nums}
div.casty-nb code{font-family:var(--jp-code-font-family,var(--vscode-editor-font-family,monospace));
background:none;color:inherit;padding:0}
div.casty-nb p{margin:.2em 0}
div.casty-nb .casty-good{color:var(--casty-good)}
div.casty-nb .casty-bad{color:var(--casty-bad)}
div.casty-nb .casty-open{color:var(--casty-open)}
div.casty-nb .casty-faint{color:var(--casty-faint)}
""".replace("BAD", BAD)
"""Everything is under one class, so that the notebook's own tables keep their looks, and the other way round."""


PLACE = "casty-nb tex2jax_ignore mathjax_ignore"
"""Classes of the element that holds our HTML. The second (for MathJax 2) and the third (for 3 and 4) keep ``$`` from starting a
formula."""


class Markup(str):
    """HTML. Any other string is text, and is escaped where it is put in."""

    __slots__ = ()


def _text(value: object) -> Markup:
    return value if isinstance(value, Markup) else Markup(escape(printable(clipped(str(value)))))


def joined(parts: Iterable[object], between: str = "") -> Markup:
    """Put text and markup side by side."""
    return Markup(str(_text(between)).join(_text(part) for part in parts))


def element(tag: str, *parts: object, **attributes: str) -> Markup:
    """One element; attributes are named as Python can: ``class_``, ``aria_hidden``.

    Examples
    --------
    >>> element("p", "1 < 2", class_="casty-faint")
    '<p class="casty-faint">1 &lt; 2</p>'
    """
    written = "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(printable(value))}"' for name, value in attributes.items())
    return Markup(f"<{tag}{written}>{joined(parts)}</{tag}>")


def code(value: object) -> Markup:
    """What can be copied into a cell: addresses, names, reprs."""
    return element("code", value)


def fragment(*parts: object) -> str:
    """All that one value shows, with the style it needs: outputs are moved, saved and cleared one by one."""
    return str(joined([Markup("<style>" + STYLE.strip() + "</style>"), element("div", *parts, class_=PLACE)]))


def facts(caption: object, rows: Iterable[tuple[str, object]]) -> Markup:
    """A table of one thing: what is known in the first column, what it is in the second."""
    lines = (element("tr", element("th", label, scope="row"), _words(value)) for label, value in rows)
    return element("table", element("caption", caption), element("tbody", *lines))


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[object]], total: int, *, most: int = MOST_ROWS
) -> Markup:  # fmt: skip
    """A table of many things, of `total` rows; numbers are set to the right, the first column heads the rows."""
    shown = [
        element("tr", element("th", first, scope="row"), *(_cell(value) for value in others))
        for first, *others in islice(rows, most)
    ]
    if len(shown) < total:
        caption = f"{caption} ({len(shown):,} of {total:,} shown)"
    head = element("tr", *(element("th", heading, scope="col") for heading in headings))
    return element("table", element("caption", caption), element("thead", head), element("tbody", *shown))


def _cell(value: object) -> Markup:
    if isinstance(value, int):
        return element("td", f"{value:,}", class_="casty-number")
    return _words(value)


def _words(value: object) -> Markup:
    # A column may be made as narrow as its longest word; only a longer one than this is broken.
    is_long = not isinstance(value, Markup) and any(len(word) > LONG_WORD for word in str(value).split())
    return element("td", value, class_="casty-long") if is_long else element("td", value)


def details(summary: str, lines: Iterable[str]) -> Markup:
    """Folded away until somebody wants to know."""
    items = (element("li", code(line)) for line in lines)
    return element("details", element("summary", summary), element("ol", *items))


def state(kind: str, words: object) -> Markup:
    """Words with a mark of their own shape: ``good``, ``bad`` or ``open``."""
    mark = element("span", MARKS[kind], class_=f"casty-{kind}", aria_hidden="true")
    return joined([mark, " ", words])


def reach(reachable: bool | None) -> Markup:
    """Our own view of a node."""
    if reachable is None:
        return state("open", "not known yet")
    return state("good", "reachable") if reachable else state("bad", "not reachable")
