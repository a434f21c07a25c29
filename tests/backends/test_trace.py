"""What a client tells the function that it is given as `trace`: the same names from both backends, one end for each ask."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from casty_notebook import ClusterClient, ShardEnvelope, VirtualClient
from casty_notebook.backends.trace import Trace
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount, Increment
from casty_notebook.errors import AskTimeout, MisuseError, UnsendableMessage
from tests.backends.virtual.fake_node import TYPE, FakeNode
from tests.backends.virtual.messages import Get

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "trace.md"


class Heard:
    """All that was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        self.told.append((name, dict(info)))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    def ask(self, number: int) -> list[str]:
        """What was told of one ask."""
        return [name for name, info in self.told if info.get("ask") == number]


@dataclass
class Asker:
    """A client of either kind."""

    trace: Trace
    ask: Callable[[], Awaitable[Any]]
    """Asks what is answered."""
    unanswered: Callable[[float], Awaitable[Any]]
    unsendable: Callable[[], Awaitable[Any]]


@asynccontextmanager
async def sharded(trace: Any, demo: DemoCluster) -> AsyncIterator[Asker]:
    async with ClusterClient(contact_points=list(demo.contact_points), system_name="demo", trace=trace) as client:
        counter = client.entity_ref("counter", 100)
        await client.wait_for_topology()

        def ask(make: Callable[[Any], Any], timeout: float = 10.0) -> Awaitable[Any]:
            return client.ask(counter, lambda r: ShardEnvelope("traced", make(r)), timeout=timeout)

        yield Asker(
            client._trace, lambda: ask(GetCount), lambda t: ask(lambda _: Increment(0), t), lambda: ask(lambda r: lambda: r)
        )


@asynccontextmanager
async def virtual(trace: Any, _demo: DemoCluster) -> AsyncIterator[Asker]:
    async with (
        FakeNode() as node, VirtualClient(contact_points=[node.contact], cluster_name="shop", trace=trace) as client
    ):  # fmt: skip
        await client.wait_for_members()

        async def ask(message: Any, timeout: float = 10.0, *, silent: bool = False) -> Any:
            answers, node.answer = node.answer, (lambda _: None) if silent else node.answer
            try:
                return await client.ask(f"{TYPE}/traced", message, timeout=timeout)
            finally:
                node.answer = answers

        yield Asker(client._trace, lambda: ask(Get), lambda t: ask(Get, t, silent=True), lambda: ask(object()))


BACKENDS = pytest.mark.parametrize("backend", [sharded, virtual])


@BACKENDS
async def test_every_ask_has_a_beginning_and_one_end(backend: Any, demo_cluster: DemoCluster) -> None:
    heard = Heard()
    async with backend(heard, demo_cluster) as asker:
        await asker.ask()
        with pytest.raises(AskTimeout):
            await asker.unanswered(0.2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asker.unanswered(60.0), 0.2)
        with suppress(UnsendableMessage, MisuseError):
            await asker.unsendable()
        assert heard.ask(1) == ["ask.made", "ask.sent", "ask.replied"]
        assert heard.ask(2) == ["ask.made", "ask.sent", "ask.failed"]
        assert heard.ask(3) == ["ask.made", "ask.sent", "ask.cancelled"]
        assert asker.trace._asks == {}, "of what is over nothing is kept"
        assert heard.names.index("dial") < heard.names.index("link.opened") < heard.names.index("push")
    replied = dict(heard.told)["ask.replied"]
    assert replied["target"].endswith("counter/traced")
    assert replied["seconds"] > 0
    assert replied["node"] in [info["node"] for name, info in heard.told if name == "link.opened"]
    failed = next(info for name, info in heard.told if name == "ask.failed")
    assert isinstance(failed["error"], AskTimeout)


@BACKENDS
async def test_what_a_trace_raises_harms_nobody_and_is_logged_once(
    backend: Any, demo_cluster: DemoCluster, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(name: str, info: Mapping[str, Any]) -> None:
        raise SystemExit(name)

    async with backend(fault, demo_cluster) as asker:
        for _ in range(3):
            await asker.ask()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "the function given as trace raised SystemExit at dial; the client goes on"
    ]


@BACKENDS
async def test_without_a_trace_the_session_is_called_as_it_is(backend: Any, demo_cluster: DemoCluster) -> None:
    async with backend(None, demo_cluster) as asker:
        await asker.ask()
        assert asker.trace._asks == {}
        assert not asker.trace.listens


@BACKENDS
async def test_the_log_is_told_of_links_by_the_same_words(
    backend: Any, demo_cluster: DemoCluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "casty_notebook")
    async with backend(None, demo_cluster) as asker:
        await asker.ask()
    said = [record.getMessage() for record in caplog.records]
    assert any(re.fullmatch(r"link \d+: dialling 127\.0\.0\.1:\d+", line) for line in said)
    assert any(re.fullmatch(r"link \d+: 127\.0\.0\.1:\d+ has answered the handshake", line) for line in said)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(MisuseError, match="trace takes a function of a name and a mapping, not str"):
        VirtualClient(contact_points=[("127.0.0.1", 1)], trace="print")  # type: ignore[arg-type]


async def test_the_metrics_of_the_documentation_count(demo_cluster: DemoCluster) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(code.partition("cluster = ")[0], names)
    async with sharded(names["measure"], demo_cluster) as asker:
        await asker.ask()
        await asker.ask()
    assert names["counted"]["ask.replied"] == 2
    assert len(names["seconds"]["counter/traced"]) == 2
