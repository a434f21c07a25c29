"""What to try, in the words of the place where it is read: advice is written for Python, and magics and shells have flags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

__all__ = ["DOCTOR", "IN_A_SHELL", "IN_MAGICS", "Words", "advice_in", "said_here", "spoken", "words_here"]

DOCTOR = "casty_notebook.doctor(…)"
"""How an error names the examination of the way to a cluster."""

type Words = Mapping[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _flag(found: re.Match[str]) -> str:
    return f"--{found[1].replace('_', '-')}"


def _example(found: re.Match[str]) -> str:
    (there, port), (here, local) = found.group(1, 2), found.group(3, 4)
    wrapped = [f"[{host}]" if ":" in host else host for host in (there, here)]
    return f"--map {wrapped[0]}:{port}={wrapped[1]}:{local}"


_BOTH: Words = {
    re.compile(r"\bshards=\{'([^'\s]+)': (\w+)\}"): r"--shards \1=\2",
    re.compile(r"\baddress_map=\{\('([^']+)', (\d+)\): \('([^']+)', (\d+)\)\}"): _example,
    re.compile(r"\baddress_map=(?=[\s,;.)]|$)|(?<=\bin )address_map\b|(?<=\bcorrect )address_map\b"): "--map",
    re.compile(r"\btls=TLS\(certfile, keyfile, cafile\)"): "--tls certfile=PATH,keyfile=PATH,cafile=PATH",
    re.compile(r"\b(ssh|tls)=(?=[\s,;.)]|$)"): _flag,
    re.compile(r"\b(force|retry|fail_fast|send_main)=True\b"): _flag,
    re.compile(r"\breply_field='(\w+)'"): r"--reply-field \1",
    re.compile(r"\bby reply_field\b"): "by --reply-field",
    re.compile(r"\bquestions=\[…\] naming it"): "--question naming it",
    re.compile(r"\b(serializer|compression)='(\w+)'"): r"--\1 \2",
}
IN_A_SHELL: Words = {
    re.compile(re.escape(DOCTOR)): "casty-notebook doctor",
    re.compile(r"\bcluster\.(members|shards|services|problems|activations|loads|events)\b"): r"casty-notebook \1",
    re.compile(r"\bcluster\.(traffic|node_log)\b"): r"cluster.\1 (in Python)",
    **_BOTH,
}
IN_MAGICS: Words = {
    re.compile(re.escape(DOCTOR)): "%casty_doctor",
    re.compile(r"\bcluster\.(members|shards|services|problems|activations|events)\b"): r"%casty_\1",
    **_BOTH,
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


_HERE: ContextVar[Words] = ContextVar("casty_notebook.advice", default=MappingProxyType({}))
"""Carried into what a place starts: the connection that a magic opens logs in the words of magics."""


@contextmanager
def spoken(words: Words) -> Iterator[None]:
    """Within this, advice is read in a place with these words."""
    token = _HERE.set(words)
    try:
        yield
    finally:
        _HERE.reset(token)


def words_here() -> Words:
    """The words of this place, for what is to be said later, or elsewhere, to whoever reads here."""
    return _HERE.get()


def said_here(text: str) -> str:
    """`text` in the words of the place that it is asked for in; as it is in Python.

    Examples
    --------
    >>> with spoken(IN_MAGICS):
    ...     said_here("see cluster.members; address_map= is the way to it")
    'see %casty_members; --map is the way to it'
    >>> said_here("see cluster.members")
    'see cluster.members'
    """
    return advice_in(_HERE.get(), text)
