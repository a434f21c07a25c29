"""Pages made from the source, so that they cannot fall behind it: every public name, every magic, every tutorial."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import casty_notebook
from casty_notebook.magics import grammars
from casty_notebook.magics.grammar import Grammar

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "docs/_generated"


def write_all() -> None:
    """Write every generated page; those that have not changed are left alone, so that Sphinx need not read them again."""
    pages = {"reference.md": reference(), "magics.md": magics()}
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    pages |= {f"tutorials/{file.stem}.md": tutorial(file) for file in notebooks}
    for name, text in pages.items():
        page = OUTPUT / name
        page.parent.mkdir(parents=True, exist_ok=True)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
    for image in (ROOT / "notebooks/images").glob("*.png"):
        copy = OUTPUT / "tutorials/images" / image.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(image.read_bytes())


def reference() -> str:
    """Every name of ``casty_notebook.__all__``, as its docstring has it."""
    return "# Reference\n\nThe public names of `casty_notebook`.\n\n" + "\n".join(map(_entry, casty_notebook.__all__))


def _entry(name: str) -> str:
    is_class = inspect.isclass(getattr(casty_notebook, name))
    lines = [f".. auto{'class' if is_class else 'function'}:: casty_notebook.{name}"]
    lines += ["   :members:"] if is_class else []
    return "\n".join([f"## {name}\n", "```{eval-rst}", *lines, "```\n"])


def magics() -> str:
    """Every magic, as ``%name?`` shows it."""
    return "# Magics\n\nWhat `%name?` shows of each.\n\n" + "\n".join(map(_magic, all_grammars()))


def all_grammars() -> list[Grammar]:
    """Every grammar that there is, in the order of its name."""
    found = (getattr(grammars, name) for name in grammars.__all__)
    return sorted((one for one in found if isinstance(one, Grammar)), key=lambda grammar: grammar.name.lstrip("%"))


def _magic(grammar: Grammar) -> str:
    rows = [(place.form, place.help) for place in grammar.positionals]
    rows += [(f"{', '.join(flag.names)} {flag.metavar}".rstrip(), flag.help) for flag in grammar.flags]
    parts = [f"## {grammar.name}\n", f"{grammar.summary}\n", f"```text\n{grammar.usage}\n```\n"]
    if rows:
        parts.append("| | |\n|---|---|\n" + "\n".join(f"| `{_cell(form)}` | {_cell(text)} |" for form, text in rows) + "\n")
    if grammar.examples:
        parts.append("```text\n" + "\n".join(grammar.examples) + "\n```\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    """Text inside a table, where a bar would end the cell."""
    return text.replace("|", "\\|")


def tutorial(file: Path) -> str:
    """One notebook as a page: its text, and its code without outputs, which are those of whoever runs it."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    sources = [("".join(cell["source"]).replace(".ipynb)", ".md)"), cell["cell_type"]) for cell in cells]
    return "\n\n".join(text if kind == "markdown" else f"```text\n{text}\n```" for text, kind in sources if text) + "\n"
