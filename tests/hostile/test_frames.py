"""Hostile bytes where frames, handshakes and envelopes are due: the link is dropped or the frame refused, the client goes on."""

from __future__ import annotations

import json
import logging

import pytest

from casty_notebook import ClusterClient
from casty_notebook.backends.sharded.wire import encode_envelope, encode_frame, encode_handshake
from casty_notebook.errors import NoContactPoint
from casty_notebook.settings import Settings
from tests.hostile.test_payloads import ask, client_of
from tests.support.fake_node import FakeNode
from tests.support.waiting import wait_until_async

TARGET = "casty://demo-client@239.1.2.3:7/_ask/nobody"


def header(text: bytes, rest: bytes = b"\x80\x05N.") -> bytes:
    return encode_frame(1, len(text).to_bytes(4) + text + rest)


def envelope(**fields: object) -> bytes:
    whole = {"target": TARGET, "sender": "casty://demo@h:1/", "type_hint": "x", **fields}
    return header(json.dumps(whole).encode())


DEADLY = {
    "a length of 0": bytes(4),
    "a length of 0, and more": bytes(4) + encode_handshake(("10.0.0.1", 1)),  # type: ignore[arg-type]
    "a length of 4 GB": b"\xff\xff\xff\xff\x01",
    "a length of 2 GB": b"\x80\x00\x00\x00\x01",
    "one byte more than allowed": (Settings().max_frame + 1).to_bytes(4) + b"\x01",
    "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
    "all ones": b"\xff" * 5000,
}
"""After these nothing on the connection makes sense."""

HARMLESS = {
    "an unknown type": encode_frame(7, b"what no node sends"),
    "every unknown type": b"".join(encode_frame(kind, b"x") for kind in range(2, 256)),
    "a frame of nothing but its type": encode_frame(9, b""),
    "another handshake": encode_handshake(("10.0.0.1", 1)),  # type: ignore[arg-type]
    "a handshake that is none": encode_frame(0, b"\xff\xff"),
    "a path of nobody": envelope(),
    "a path of nobody, big": encode_envelope(TARGET, "casty://demo@h:1/", "x", bytes(8_000_000)),
    "an ask that is over": envelope(target="casty://demo-client@239.1.2.3:7/_ask/0123456789abcdef0"),
    "a ping of nobody": envelope(target="casty://demo-client@239.1.2.3:7/_ping/77"),
}
"""Ignored, as nodes do."""

MALFORMED = {
    "a message of nothing": encode_frame(1, b""),
    "half a header's length": encode_frame(1, b"\x00\x00"),
    "a header of 4 GB": encode_frame(1, b"\xff\xff\xff\xff{}"),
    "a header longer than its frame": encode_frame(1, b"\x00\x00\x00\xff{}"),
    "a header longer than allowed": header(b" " * (Settings().max_header + 1)),
    "a header that is not JSON": header(b"{target"),
    "a header that is not UTF-8": header(b'{"target": "\xff", "sender": "", "type_hint": ""}'),
    "a header that is a list": header(b"[1, 2]"),
    "a header that nests": header(b"[" * 100_000),
    "a header without a target": header(b'{"sender": "", "type_hint": ""}'),
    "a target that is a number": envelope(target=5),
    "a target that is null": envelope(target=None),
    "a target that is no URI": envelope(target="nobody"),
    "a target without a path": envelope(target="casty://demo@h:1/"),
    "a type hint that is a list": envelope(type_hint=[[]]),
    "a sender that is an object": envelope(sender={}),
}
"""Refused and reported; the connection is in order."""


@pytest.mark.parametrize("attack", DEADLY)
async def test_a_stream_that_is_damaged_is_dropped_with_its_reason_and_another_one_opened(attack: str) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        accepted = node.accepted
        node.send_raw(DEADLY[attack])
        await wait_until_async(lambda: node.accepted > accepted)
        assert await ask(client) == "GetCount"


@pytest.mark.parametrize("attack", HARMLESS)
async def test_what_is_for_nobody_is_ignored(attack: str, caplog: pytest.LogCaptureFixture) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        accepted = node.accepted
        node.send_raw(HARMLESS[attack])
        assert await ask(client) == "GetCount"
        assert node.accepted == accepted


@pytest.mark.parametrize("attack", MALFORMED)
async def test_a_malformed_envelope_is_reported_with_its_sender_and_the_link_stays(
    attack: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        accepted = node.accepted
        with caplog.at_level(logging.WARNING, "casty_notebook"):
            node.send_raw(MALFORMED[attack])
            assert await ask(client) == "GetCount"
        assert str(node.address) in caplog.text
        assert len(caplog.text) < 2000
        assert node.accepted == accepted


async def test_a_message_from_another_system_does_not_end_a_client_that_knows_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        for uri in node.subscribers:
            with caplog.at_level(logging.WARNING, "casty_notebook"):
                node.send_raw(encode_envelope(uri, "casty://evil@10.0.0.1:1/", "x", b"\x80\x05N."))
                assert await ask(client) == "GetCount"
        assert "'evil'" in caplog.text


async def test_a_frame_that_is_cut_in_the_middle_leaves_nothing_behind() -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        for cut in (1, 3, 4, 5, 40):
            accepted = node.accepted
            node.send_raw(encode_envelope(TARGET, "casty://demo@h:1/", "x", bytes(100))[:cut])
            for connection in list(node.connections):
                if connection.transport is not None:
                    connection.transport.close()
            await wait_until_async(lambda accepted=accepted: node.accepted > accepted)  # type: ignore[misc]
            assert await ask(client) == "GetCount"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff\xfe", b"[]", b"null", b'"x"', b"[" * 4000, b'{"host": null, "port": 1}', b'{"host": "a"}',
        b'{"host": [], "port": 1}', b'{"host": "a", "port": 70000}', b'{"host": "a", "port": -1}', b'{"host": "a", "port": 1e99}',
        b'{"host": "a\\u0000", "port": 1}', b'{"host": "' + b"a" * 3000 + b'", "port": 1}', b" " * 5000 + b"{}",
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
async def test_a_bad_handshake_is_refused_and_says_what_came(body: bytes) -> None:
    async with FakeNode() as node:
        node.greeting = encode_frame(0, body)
        settings = Settings(handshake_timeout=0.5)
        async with ClusterClient(contact_points=[node.address], system_name="demo", settings=settings) as client:
            with pytest.raises(NoContactPoint) as caught:
                await client.wait_for_topology(timeout=0.4)
            assert str(node.address) in str(caught.value)
            assert "handshake" in str(caught.value)
            node.greeting = None
            node.cut_all()
            await client.wait_for_topology(timeout=5.0)


