"""Reads HTML as a browser's strictest reader would: every element closed, in order, and nothing that runs."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input"}
ALLOWED = {
    "caption", "code", "details", "div", "li", "ol", "p", "span", "strong", "style", "summary", "table", "tbody", "td",
    "th", "thead", "tr",
}  # fmt: skip
ATTRIBUTES = {"class", "scope", "aria-hidden"}


class Page(HTMLParser):
    """What a fragment shows: its tables cell by cell, its paragraphs, its whole text.

    Raises AssertionError for an element or an attribute that no view writes, and for one that is not closed in order.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.captions: list[str] = []
        self.rows: list[list[str]] = []
        self.paragraphs: list[str] = []
        self.scopes: list[str | None] = []
        self.styles = 0
        self.feed(source)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, f"<{tag}> was made of what was shown"
        assert {name for name, _ in attrs} <= ATTRIBUTES, attrs
        self.open.append(tag)
        self.styles += tag == "style"
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            if tag == "th":
                self.scopes.append(dict(attrs).get("scope"))
        elif tag == "caption":
            self.captions.append("")
        elif tag == "p":
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        last = self.open.pop() if self.open else None
        assert last == tag, f"</{tag}> where </{last}> was due"

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        elif "caption" in self.open:
            self.captions[-1] += data
        elif "p" in self.open:
            self.paragraphs[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def page(source: str) -> Page:
    """Read a fragment that must be safe, deliverable and scoped."""
    source.encode("utf-8")
    assert "\x1b" not in source
    assert "\u202e" not in source
    read = Page(source)
    assert read.styles == 1
    assert None not in read.scopes, "a heading must say what it heads"
    return read
