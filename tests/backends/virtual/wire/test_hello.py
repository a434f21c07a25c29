"""What a node may answer to a hello, and what ends in a named error."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from casty_notebook.backends.virtual.wire.hello import decode_ack
from casty_notebook.errors import ProtocolError


def test_an_acknowledgement_names_the_node_and_its_life() -> None:
    address, life = decode_ack(msgpack.packb(["10.0.1.10:25520", bytes(16), None]))
    assert (str(address), life) == ("10.0.1.10:25520", bytes(16))


@pytest.mark.parametrize(
    "fields",
    [
        ["no address", bytes(16), None], ["a..b:1", bytes(16), None], ["h:99999", bytes(16), None], ["h:1", b"", None],
        ["h:1", bytes(16), "lz4"], [1, 2, 3], [],
    ],
)  # fmt: skip
def test_any_other_is_an_error_of_the_protocol(fields: list[Any]) -> None:
    with pytest.raises(ProtocolError):
        decode_ack(msgpack.packb(fields))
