"""Long payloads beside the loop."""

from __future__ import annotations

import asyncio

import pytest

from casty_notebook.backends.sharded.aio.payload_thread import PayloadThread


async def test_where_no_thread_was_to_be_had_the_next_payload_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was never started was taken for the worker: no long payload was ever read again."""

    def no_thread(_self: object) -> None:
        raise RuntimeError("can't start new thread")

    loop = asyncio.get_running_loop()
    worker, read = PayloadThread(loop), loop.create_future()
    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", no_thread)
        with pytest.raises(RuntimeError):
            worker.submit(lambda: 1, lambda _: None)
    worker.submit(lambda: 2, read.set_result)
    assert await asyncio.wait_for(read, 5) == 2
    worker.close()
