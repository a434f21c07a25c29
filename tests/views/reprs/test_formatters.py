"""A real shell learns to show our values, and forgets it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from casty_notebook.address import ActorAddress
from casty_notebook.client.blocking import Location
from casty_notebook.errors import AskTimeout, FailureReport
from casty_notebook.values.refs import ActorRef, EntityRef, ReplyRef
from casty_notebook.values.services import Listing, ServiceKey
from casty_notebook.values.standin import stand_in_class
from casty_notebook.views.reprs import formatters
from tests.support.shells import formatter_of
from tests.support.topologies import node, topology
from tests.views.reading import page
from tests.views.reprs.test_values import Nobody

SHOWN = {
    "Actor ref": ActorRef(ActorAddress("shop", "/pay", node(1))),
    "/_ask/1": ReplyRef("shop-client", "/_ask/1"),
    "Entity ref": EntityRef("cart", 100, Nobody()),
    "Service pay": Listing(ServiceKey("pay")),
    "Topology snapshot": topology(),
    "Location": Location("pay", None, None, None, None, None, (), reachable=None, status=None),
    "no reply came": AskTimeout(FailureReport("pay", "no reply came.")),
    "bank.Balance": stand_in_class("bank.Balance")(amount=3),
}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell(config=config)
    formatters.install(made)
    yield made
    formatters.uninstall(made)


def printers(shell: InteractiveShell) -> dict[type, Any]:
    table: dict[type, Any] = formatter_of(shell).formatters["text/html"].type_printers
    return table


def html(shell: InteractiveShell, value: object) -> str | None:
    shown: str | None = formatter_of(shell).format(value)[0].get("text/html")
    return shown


@pytest.mark.parametrize("word", SHOWN)
def test_each_of_our_values_is_shown_with_text_beside_it(shell: InteractiveShell, word: str) -> None:
    shown, _ = formatter_of(shell).format(SHOWN[word])
    assert word in page(shown["text/html"]).text
    assert shown["text/plain"]


def test_after_uninstall_our_values_are_plain_text_again(shell: InteractiveShell) -> None:
    formatters.uninstall(shell)
    assert [html(shell, value) for value in SHOWN.values()] == [None] * len(SHOWN)
    assert not {kind for kind in printers(shell) if kind.__module__.startswith("casty_notebook")}


def test_what_was_registered_before_is_restored_by_type_and_by_name(shell: InteractiveShell) -> None:
    formatters.uninstall(shell)
    formatter = formatter_of(shell).formatters["text/html"]
    formatter.for_type(ActorRef, lambda ref: "mine")
    formatter.for_type(f"{Listing.__module__}.{Listing.__qualname__}", lambda listing: "mine by name")
    formatters.install(shell)
    assert "mine" not in (html(shell, SHOWN["Actor ref"]) or "")
    assert "mine" not in (html(shell, SHOWN["Service pay"]) or "")
    formatters.uninstall(shell)
    assert html(shell, SHOWN["Actor ref"]) == "mine"
    assert html(shell, SHOWN["Service pay"]) == "mine by name"


def test_installing_twice_and_uninstalling_once_leaves_nothing(shell: InteractiveShell) -> None:
    formatters.install(shell)
    formatters.uninstall(shell)
    assert html(shell, SHOWN["Actor ref"]) is None
    formatters.uninstall(shell)


def test_what_somebody_registered_since_stays(shell: InteractiveShell) -> None:
    formatter_of(shell).formatters["text/html"].for_type(ActorRef, lambda ref: "theirs")
    formatters.uninstall(shell)
    assert html(shell, SHOWN["Actor ref"]) == "theirs"


def test_a_parent_class_of_ours_in_somebody_elses_table_is_not_copied(shell: InteractiveShell) -> None:
    formatters.uninstall(shell)
    formatter_of(shell).formatters["text/html"].for_type(Exception, lambda error: "any error")
    formatters.install(shell)
    assert "no reply came" in (html(shell, SHOWN["no reply came"]) or "")
    formatters.uninstall(shell)
    assert html(shell, SHOWN["no reply came"]) == "any error"
    assert AskTimeout.__mro__[1] not in printers(shell)
