"""What to try, in the words of the place where it is read: errors are written for Python, and magics and shells have flags."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["DOCTOR", "IN_A_SHELL", "IN_MAGICS", "advice_in"]

DOCTOR = "casty_notebook.doctor(…)"
"""How an error names the examination of the way to a cluster."""

type Words = Mapping[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _flag(found: re.Match[str]) -> str:
    return f"--{found[1].replace('_', '-')}"


_BOTH: Words = {
    re.compile(r"\bshards=\{'([^'\s]+)': (\w+)\}"): r"--shards \1=\2",
    re.compile(r"\baddress_map=(?=[\s,;.)]|$)|(?<=in )address_map\b"): "--map",
    re.compile(r"\b(ssh)=(?=[\s,;.)]|$)"): _flag,
    re.compile(r"\b(force)=True\b"): _flag,
}
IN_A_SHELL: Words = {re.compile(re.escape(DOCTOR)): "casty-notebook doctor", **_BOTH}
IN_MAGICS: Words = {
    re.compile(re.escape(DOCTOR)): "%casty_doctor",
    **_BOTH,
    re.compile(r"\b(retry|fail_fast|send_main)=True\b"): _flag,
    re.compile(r"\breply_field='(\w+)'"): r"--reply-field \1",
    re.compile(r"\bby reply_field\b"): "by --reply-field",
    re.compile(r"\btls=TLS\(certfile, keyfile, cafile\)"): "--tls VARIABLE, one with a TLS(certfile, keyfile, cafile)",
    re.compile(r"\b(tls)=(?=[\s,;.)]|$)"): _flag,
    re.compile(r"\bquestions=\[…\] naming it"): "--question naming it",
    re.compile(r"\b(serializer|compression)='(\w+)'"): r"--\1 \2",
}


def advice_in(words: Words, text: str) -> str:
    """`text` with what it says of keyword arguments said of flags.

    Examples
    --------
    >>> advice_in(IN_MAGICS, "its node is gone; if asking twice does no harm, use retry=True")
    'its node is gone; if asking twice does no harm, use --retry'
    >>> advice_in(IN_A_SHELL, "a type without entities yet needs its number of shards: shards={'counter': N}")
    'a type without entities yet needs its number of shards: --shards counter=N'
    """
    for python, here in words.items():
        text = python.sub(here, text)
    return text
