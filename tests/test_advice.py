"""What an error advises can be typed where it is read."""

from __future__ import annotations

import pytest

from casty_notebook.advice import DOCTOR, IN_A_SHELL, IN_MAGICS, advice_in, said_here, spoken
from casty_notebook.loops.background import background_loop
from casty_notebook.magics import grammars

OPTIONS = {
    "shards={'counter': N}": "--shards counter=N",
    "shards={'a b/ü': N}": "shards={'a b/ü': N}",  # a flag could not hold it without quotes
    "use retry=True.": "use --retry.",
    "insist with force=True": "insist with --force",
    "fail_fast=True does not wait": "--fail-fast does not wait",
    "Connect with send_main=True if": "Connect with --send-main if",
    "Did you mean reply_field='to'?": "Did you mean --reply-field to?",
    "Name the field by reply_field, write": "Name the field by --reply-field, write",
    "leave out tls=": "leave out --tls",
    "pass tls=TLS(certfile, keyfile, cafile)": "pass --tls certfile=PATH,keyfile=PATH,cafile=PATH",
    "connect with questions=[…] naming it": "connect with --question naming it",
    "address_map= or ssh= is the way": "--map or --ssh is the way",
    "say so in address_map=": "say so in --map",
    "pass serializer='json'": "pass --serializer json",
    f"{DOCTOR} examines the way": "%casty_doctor examines the way",
    "correct address_map": "correct --map",
    "or the way to it in address_map": "or the way to it in --map",
    "dialled: address_map={('10.0.1.10', 25520): ('127.0.0.1', 9001)}": "dialled: --map 10.0.1.10:25520=127.0.0.1:9001",
    "dialled: address_map={('fe80::1', 25520): ('::1', 9001)}, or ssh=": "dialled: --map [fe80::1]:25520=[::1]:9001, or --ssh",
    "address_map= is for an address": "--map is for an address",
}


@pytest.mark.parametrize("python", OPTIONS)
def test_in_magics_and_shells_options_are_flags(python: str) -> None:
    assert advice_in(IN_MAGICS, python) == OPTIONS[python]
    assert advice_in(IN_A_SHELL, python) == OPTIONS[python].replace("%casty_doctor", "casty-notebook doctor")


def test_every_flag_that_is_named_exists() -> None:
    known = {spelling for name in grammars.__all__ for flag in getattr(grammars, name).flags for spelling in flag.names}
    named = {word.rstrip(".,?") for text in OPTIONS.values() for word in text.split() if word.startswith("--")}
    assert named
    assert named <= known


def test_attributes_of_a_cluster_are_the_commands_of_the_place() -> None:
    text = "see cluster.members; cluster.loads counts all; cluster.traffic has them over time"
    assert advice_in(IN_MAGICS, text) == "see %casty_members; cluster.loads counts all; cluster.traffic has them over time"
    assert advice_in(IN_A_SHELL, text) == (
        "see casty-notebook members; casty-notebook loads counts all; cluster.traffic (in Python) has them over time"
    )


def test_what_a_place_starts_speaks_as_it_does() -> None:
    heard: list[str] = []

    async def later() -> None:
        heard.append(said_here("leave out tls="))

    with spoken(IN_MAGICS):
        background_loop().run(later())
    background_loop().run(later())
    assert heard == ["leave out --tls", "leave out tls="]


def test_what_is_no_option_stays() -> None:
    text = "cart/ssh=bastion, Transfer(force=Truely, reply_field=3), my_shards={'a': 1}"
    assert advice_in(IN_MAGICS, text) == text
