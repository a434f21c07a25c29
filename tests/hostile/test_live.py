"""Each kind of attack on a connected `Cluster`, while another one in the same process is asked: nobody else is to notice.

Attackers are processes of their own (`tests.hostile.attacker`), so what is late is so by the victim's fault.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from casty_notebook import Cluster, connect
from casty_notebook.demo import messages
from tests.hostile.attacker import FLOODS, NAMES_THAT_FAIL, attacker
from tests.hostile.meanwhile import Attack, answered_meanwhile, asked_honestly

MB = 1 << 20
PAYLOADS: dict[str, tuple[str, str]] = {
    "paths of shared parts": ("pickle", f"pathlib.PurePosixPath:{MB}"),
    "fractions": ("pickle", f"fractions.Fraction:{MB}"),
    "time zones by pickle": ("pickle", f"zoneinfo.ZoneInfo._unpickle:{MB // 2}"),
    "decimals": ("pickle", f"decimal.Decimal:{MB}"),
    "datetimes": ("pickle", f"datetime.datetime:{2 * MB}"),
    "chosen ints as keys": ("pickle", f"pickle: dict of chosen ints:{MB}"),
    "tuples as keys": ("pickle", f"pickle: dict of tuples:{MB}"),
    "objects": ("pickle", f"pickle: stand-ins:{2 * MB}"),
    "tuples that double as keys": ("pickle", f"pickle: dict of tuples that double:{MB}"),
    "untagged objects in JSON": ("json", f"tree: untagged:{4 * MB}"),
    "frozensets of tuples in JSON": ("json", f"tree: frozensets of tuples:{4 * MB}"),
    "stand-ins in msgpack": ("msgpack", f"tree: stand-ins in msgpack:{2 * MB}"),
    "untagged maps in msgpack": ("msgpack", f"tree: untagged in msgpack:{2 * MB}"),
}
"""Of a reply: serializer, and what is asked of the attacker. Of these sizes each once stood the loop for seconds."""

@pytest.fixture(scope="module")
def hostile() -> Iterator[dict[str, str]]:
    """URIs of one attacker for each serializer."""
    with ExitStack() as stack:
        yield {name: f"casty://demo@{stack.enter_context(attacker(name))}" for name in ("pickle", "json", "msgpack")}


def attacked(uri: str, serializer: str) -> Cluster:
    return connect(uri, name="attacked", shards={"counter": 100}, messages=[messages], serializer=serializer)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_an_honest_cluster_is_answered_while_another_replies_with(kind: str, hostile: dict[str, str], honest: Cluster) -> None:
    serializer, name = PAYLOADS[kind]
    with attacked(hostile[serializer], serializer) as victim:
        attack = Attack(victim, f"counter/{name}", messages.GetCount)
        answered_meanwhile(honest, attack)
        assert attack.wait() is not None
        assert asked_honestly(victim) == "GetCount"


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A resolver that takes a second to say that it does not know a name of the attacker's; which ones it was asked for."""
    asked: set[str] = set()
    known = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **options: Any) -> Any:
        if str(host).endswith(NAMES_THAT_FAIL):
            asked.add(host)
            time.sleep(1.0)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known(host, *args, **options)

    monkeypatch.setattr("casty_notebook.net.name_lookup.socket.getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("kind", FLOODS)
def test_an_honest_cluster_is_answered_while_another_pushes(
    kind: str, hostile: dict[str, str], honest: Cluster, slow_names: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), attacked(hostile["pickle"], "pickle") as victim:
        attack = Attack(victim, f"counter/{kind}", messages.GetCount)
        answered_meanwhile(honest, attack)
        assert attack.wait() == "done"
        assert asked_honestly(victim) == "GetCount"
        assert victim.topology is not None
        assert {member.address for member in victim.topology.members} == {victim.topology.leader}
    assert kind != "failing names" or slow_names
    # asyncio's own loggers say so when a dial ended in a way that nobody expected.
    assert not [record for record in caplog.records if record.name == "asyncio"]
