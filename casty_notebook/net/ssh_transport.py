"""An SSH channel as the transport of an asyncio protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

__all__ = ["Channel"]


class Channel(asyncio.Transport):
    """opening --connection_made--> open --connection_lost | abort--> ended.

    Stands between the two: asyncssh calls it as its session (what has ``made``, ``received``, ``lost`` in its name), the
    protocol as its transport. Other than asyncssh's own channel it takes writes after the end in silence, as every
    transport of asyncio does, and its `abort` does not wait for the other side's consent.

    Parameters
    ----------
    protocol
        Who is served.
    explain
        Makes the protocol's ``connection_lost`` argument of asyncssh's; None stays None (the node has closed).
    """

    def __init__(self, protocol: asyncio.Protocol, explain: Callable[[Exception], Exception]) -> None:
        super().__init__()
        self._protocol = protocol
        self._explain = explain
        self._channel: Any = None
        self._ended = False

    # --- what asyncssh calls ---------------------------------------------------------------------------------------

    def connection_made(self, channel: Any) -> None:
        self._channel = channel
        if self._ended:
            channel.abort()
        else:
            self._protocol.connection_made(self)

    def session_started(self) -> None:
        pass

    def data_received(self, data: bytes, _datatype: int | None = None) -> None:
        if not self._ended:
            self._protocol.data_received(data)

    def eof_received(self) -> bool:
        keep = not self._ended and bool(self._protocol.eof_received())
        if not keep:
            self.close()
        return keep

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(None if exc is None else self._explain(exc))

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    # --- what the protocol calls -----------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closing():
            self._channel.write(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self.is_closing():
            self._channel.write_eof()

    def close(self) -> None:
        """Flush, then close; the protocol hears of it when the other side has agreed."""
        if self._channel is not None:
            self._channel.close()

    def abort(self) -> None:
        """Close at once. Before the channel is open: refuse it as soon as it is."""
        if self._channel is not None:
            self._channel.abort()
        self._end(None)

    def is_closing(self) -> bool:
        return self._ended or self._channel is None or bool(self._channel.is_closing())

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 - there is nothing to know
        return default

    def get_write_buffer_size(self) -> int:
        return cast(int, self._channel.get_write_buffer_size())

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._channel.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        if not self._ended:
            self._channel.pause_reading()

    def resume_reading(self) -> None:
        if not self._ended:
            self._channel.resume_reading()

    def _end(self, exc: Exception | None) -> None:
        if not self._ended:
            self._ended = True
            if self._channel is not None:
                asyncio.get_running_loop().call_soon(self._protocol.connection_lost, exc)
