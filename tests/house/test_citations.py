"""What a comment cites can be read in the repository."""

from __future__ import annotations

import re

import pytest

from tests.house.source import ROOT
from tests.house.test_order import kept_files

PAGES = {
    "PROTOCOL": "docs/protocol-sharded.md",
    "VIRTUAL": "docs/protocol-virtual.md",
    "DESIGN": "docs/architecture.md",
}

CITATION = re.compile(
    r"\b(PROTOCOL|VIRTUAL|DESIGN)[\s#]+"
    r"(?:sections?[\s#]+([0-9]+(?:\.[0-9]+)*(?:(?:,| and| to)\s+[0-9]+(?:\.[0-9]+)*)*)|appendix[\s#]+([A-Z]))"
)


def headings(page: str) -> set[str]:
    """The numbers of a page's sections; the rows of a list in section N count as N.1, N.2 …"""
    found, section = set(), ""
    for line in (ROOT / page).read_text("utf-8").splitlines():
        if heading := re.match(r"#+ (?:Appendix )?([0-9]+(?:\.[0-9]+)*|[A-Z])[. ]", line):
            section = heading[1]
            found.add(section)
        elif row := re.match(r"([0-9]+)\. ", line):
            found.add(f"{section}.{row[1]}")
    return found


def citations() -> list[tuple[str, str, str]]:
    """(file, page, section) of every citation in code, tests and texts."""
    return [
        (str(file.relative_to(ROOT)), match[1], number)
        for file in kept_files()
        if file.suffix in {".py", ".md", ".js", ".ipynb", ".toml"}
        for match in CITATION.finditer(file.read_text("utf-8"))
        for number in re.findall(r"[0-9]+(?:\.[0-9]+)*|[A-Z]", match[2] or match[3])
    ]


@pytest.mark.parametrize("name", PAGES)
def test_every_cited_section_exists(name: str) -> None:
    known = headings(PAGES[name])
    assert [(file, number) for file, page, number in citations() if page == name and number not in known] == []


def test_citations_are_found_at_all() -> None:
    # The wire room cites the protocol on its first lines; a pattern that no longer matches would pass the test above.
    assert {file for file, page, _ in citations() if page == "PROTOCOL"} >= {"casty_notebook/backends/sharded/wire/frames.py"}
