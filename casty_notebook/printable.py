"""Text from outside, made fit to be shown: the one place where it is decided what a terminal or a page gets to see.

Names, ids, replies and reasons come from the network and may hold anything. What can show itself passes through `printable`
where it becomes text for people: errors, reprs, log lines, cards, maps and the printed forms of tables. Values stay what they
are: an id that was read from a table is the id that the cluster knows, and can be asked.
"""

from __future__ import annotations

import re

__all__ = ["plainer", "printable", "printable_lines", "writable"]

# Letters and signs by Unicode's word, and yet nothing is seen of them: two names that differ in one would look alike.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0e\uffa0\U000e0100-\U000e01ef]")


def printable(text: str) -> str:
    r"""Return `text` in one line, with everything that cannot be seen written out.

    A node's name could otherwise clear the terminal, forge another cell's output, turn the reading direction, look like another
    name, or, by a lone surrogate, make the whole output undeliverable.

    Examples
    --------
    >>> print(printable("node-1"), printable("\x1b[2Jnode\u202e\nOut[7]: 42"))
    node-1 \x1b[2Jnode\u202e\nOut[7]: 42
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(_written_out, "".join(sign if sign.isprintable() else _escape(sign) for sign in text))


def printable_lines(text: str) -> str:
    r"""Return `text` as `printable` does, but with its lines: for what was put together of lines here.

    Examples
    --------
    >>> printable_lines("members\n\x1b[2J")
    'members\n\\x1b[2J'
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "\n".join(map(printable, text.split("\n")))


def writable(text: str) -> str:
    r"""Return `text` without lone surrogates, which a peer can send, and neither UTF-8 nor Arrow can hold.

    Examples
    --------
    >>> writable("node\ud800")
    'node\\ud800'
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


_PLAINER = str.maketrans({
    **dict(zip("▁▂▃▄▅▆▇█", "12345678", strict=True)), "×": "x", "✓": "+", "✗": "x", "✕": "x", "–": "-", "→": "->", "…": "...",
    "·": "|", "●": "*", "○": "o",
})  # fmt: skip


def plainer(text: str, encoding: str) -> str:
    r"""Return `text` as it can be written in `encoding`: our own signs by similar ones, anything else written out.

    Examples
    --------
    >>> plainer("▁▃█× → node-é", "ascii"), plainer("▁ node-é", "latin-1"), plainer("▁ node-é", "utf-8")
    ('138x -> node-\\xe9', '1 node-é', '▁ node-é')
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return plainer(text, "ascii")
    return text


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def _written_out(match: re.Match[str]) -> str:
    return _escape(match[0])
