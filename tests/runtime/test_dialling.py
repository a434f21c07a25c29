"""Names, maps and refusals: whatever a dial meets, it ends in a reason, and keeps nobody else waiting."""

from __future__ import annotations

import pytest

from casty_notebook import SSH, connect
from casty_notebook.address import NodeAddress
from casty_notebook.cluster.contacts import ENOUGH_REFUSED, Contacts
from casty_notebook.errors import MisuseError, NoContactPoint
from casty_notebook.runtime.diagnosis import DialFailed
from casty_notebook.runtime.dialler import Dialler
from casty_notebook.runtime.resolving import Resolver
from casty_notebook.settings import Settings
from tests.support.ports import free_port


def test_a_password_inside_an_ssh_destination_is_refused_and_not_repeated() -> None:
    with pytest.raises(MisuseError) as caught:
        SSH("ops:hunter2@bastion.example")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["10.0.1.10:25520", ("10.0.1.10", "25520"), ("a..b", 1)])
def test_an_address_map_that_can_match_nothing_is_refused(key: object) -> None:
    with pytest.raises(MisuseError, match="address_map has the key"):
        Dialler(Settings(), {key: ("localhost", 9001)}, None, None)  # type: ignore[dict-item]


@pytest.mark.parametrize("host", ["a..b", "nul\0", "x" * 64])
async def test_a_host_that_cannot_be_is_a_dial_that_failed(host: str) -> None:
    with pytest.raises(DialFailed, match="cannot be a host"):
        await Dialler(Settings(), None, None, None).dial(NodeAddress(host, 1), None)  # type: ignore[arg-type]


async def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("casty_notebook.runtime.resolving.socket.getaddrinfo", fail)
    with pytest.raises(DialFailed, match="the name nowhere does not resolve"):
        await Resolver(5.0).look_up("nowhere")


def test_a_closed_port_ends_the_waiting_and_names_the_doctor() -> None:
    with pytest.raises(NoContactPoint, match=r"cannot be reached.*%casty_doctor"):
        connect(f"casty://shop@127.0.0.1:{free_port()}", name="closed", timeout=60)


def test_only_refusals_in_a_row_of_every_contact_point_end_the_waiting() -> None:
    one, two = NodeAddress("10.0.1.10", 1), NodeAddress("10.0.1.11", 1)
    contacts = Contacts([one, two])
    for _ in range(ENOUGH_REFUSED):
        contacts.failed(one, "connection refused", verdict=False)
    assert not contacts.hopeless
    for _ in range(ENOUGH_REFUSED):
        contacts.failed(two, "connection refused", verdict=False)
    assert contacts.hopeless
