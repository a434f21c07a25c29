"""Every limit and timeout of the client in one place, each with its reason. Times are seconds, sizes bytes.

And what counts as a number where one is given: a timeout of ``nan`` is neither late nor early, ever.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass, fields
from typing import Any

from casty_notebook.errors import MisuseError

__all__ = ["Settings", "checked_count", "checked_seconds"]

LONGEST = 1e9
"""Seconds, 31 years: what every system's timers can hold."""


def checked_seconds(name: str, value: Any, *, zero: bool = False, most: float = LONGEST) -> float:
    """A time that somebody gave.

    Raises
    ------
    MisuseError
        If it is no number (a text, a bool), or none that can be waited for: ``nan``, ``inf``, below 0 or, unless `zero`, 0.

    Examples
    --------
    >>> checked_seconds("timeout", 5)
    5.0
    """
    if type(value) in (int, float) and 0 < value <= most:  # nearly every one, without a look at what else may be a number
        return float(value)
    if not isinstance(value, numbers.Real) or _is_bool(value):
        raise MisuseError(f"{name} must be a number of seconds, not {value!r}")
    number = float(value)
    if 0 < number <= most or (zero and number == 0):
        return number
    allowed = f"from 0 to {most:,.0f} seconds" if zero else f"above 0 and at most {most:,.0f} seconds"
    raise MisuseError(f"{name} must be {allowed}, not {value!r}")


def checked_count(name: str, value: Any, least: int | None = 1, most: int | None = None) -> int:
    """A whole number that somebody gave, `least` and `most` included.

    Raises
    ------
    MisuseError
        If it is another kind of value (a text, a float, a bool), or outside.

    Examples
    --------
    >>> checked_count("concurrency", 100)
    100
    """
    if not isinstance(value, numbers.Integral) or _is_bool(value):
        raise MisuseError(f"{name} must be a whole number, not {value!r}")
    number = int(value)
    if (least is not None and number < least) or (most is not None and number > most):
        allowed = f"at least {least:,}" if most is None else f"from {least:,} to {most:,}"
        raise MisuseError(f"{name} must be {allowed}, not {value!r}")
    return number


def _is_bool(value: object) -> bool:
    """Numpy's counts as well, which is no number to Python."""
    return type(value).__name__ in ("bool", "bool_")


MAY_BE_ZERO = frozenset(
    {
        "contact_stagger", "eager_links", "settle_time", "idle_before_switch", "generation_interval", "backoff_patience",
        "close_timeout", "story_length",
    }
)  # fmt: skip
"""Settings whose zero means something: no head start, no wait, nothing kept."""

LONGEST_FRAME = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and timeouts. Change one with ``dataclasses.replace(Settings(), ask_timeout=2.0)``.

    Raises
    ------
    MisuseError
        For a value that is no number, or none that can work: ``nan``, ``inf``, below 0, and 0 where that would stop everything.
    """

    # --- wire: the protocol has no limit but a u32 (PROTOCOL section 1.1), so a receiver must impose its own
    max_frame: int = 64 * 1024 * 1024
    """Longest frame accepted or sent; a node's largest honest frame is a snapshot (about 16 bytes a shard)."""
    max_header: int = 256 * 1024
    """Longest envelope header: three URIs; 64 KiB each is already absurd."""

    # --- codec: what one payload may build
    max_depth: int = 200
    """Nesting of a payload. Honest messages stay below 20; the interpreter's own limit is 1,000."""
    max_items: int = 5_000_000
    """Values in one payload, so that a small frame cannot become a large heap (a memo bomb)."""
    max_payload: int = 256 * 1024 * 1024
    """Bytes after decompression, so that a small frame cannot become a large one (a zip bomb)."""
    max_memory: int = 80 * 1024 * 1024
    """What one received payload may make this process hold: itself and all that is built from it, as estimated while it is
    built. The longest frame, and 16 MiB; raise it together with `max_frame`, or for replies of very many small objects."""

    max_work: float = 4.0
    """Seconds of processor time that reading one payload may take, as counted while it is read. The largest honest ones take
    two; nobody waits longer than `ask_timeout` for the answer anyway."""

    # --- dialling (PROTOCOL section 8: nodes themselves use 2 s and 2 s)
    connect_timeout: float = 2.0
    resolve_timeout: float = 5.0
    """For a name to resolve; what a resolver gives its first server before it asks the second."""
    handshake_timeout: float = 2.0
    """A 0.15–0.21 node answers a handshake in about 1 ms; one of 0.14 never does (PROTOCOL section 1.4)."""
    contact_stagger: float = 0.25
    """Head start of a contact point before the next is tried beside it (RFC 8305 recommends 250 ms)."""
    eager_links: int = 128
    """Connect to every member up to this many, beyond it on demand: an observer must not load a large cluster."""
    max_members: int = 5_000
    """Members of a cluster that is believed. Each costs a place in every table and a look at every change; Akka's own largest
    clusters have 2,400."""
    dial_burst: int = 256
    """Dials at one time: every member of a cluster up to `eager_links`, and as many again under a fresh identity."""
    dial_rate: float = 50.0
    """Dials a second beyond `dial_burst`. Members are what a node says they are: it is not to make us knock on doors of its
    choice by the thousand."""
    max_links: int = 1024
    """Connections of one client, whatever messages and refs ask for."""

    # --- through a bastion (only with ssh=)
    ssh_login_timeout: float = 8.0
    """TCP and login together; less than `connect` waits, so that its error can say what happened."""
    ssh_keepalive: float = 4.0
    """Time between two questions to a silent bastion; two without an answer end the SSH connection."""
    ssh_pause_cap: float = 2.0
    """Longest pause after a bastion that could not be reached."""
    ssh_pause_cap_refused: float = 30.0
    """Longest pause after a login that was refused: bastions lock out who knocks often with the wrong key."""

    # --- liveness (PROTOCOL section 6.1: silence is not death)
    liveness_window: float = 10.0
    """A node that was silent for so long, and did not answer the one probe in it, is suspect."""
    probe_timeout: float = 2.0
    """Wait for the answer to a probe. The probe goes out this long before the window ends."""
    subscription_silence: float = 3.0
    """Silence of a subscription in a cluster of two or more, where a push is due every 0.8 s, before a probe."""
    layout_probe: float = 0.4
    """Wait for the answer to a subscription in the newer class layout before trying the older (PROTOCOL section 7)."""
    encoding_probe: float = 0.1
    """The same for each rarer encoding, where the serializer is not known: there are 17 of them."""
    backoff_first: float = 0.1
    backoff_cap: float = 0.8
    """Longest pause between dials of a node in its first `backoff_patience` seconds, or while no node is reached."""
    backoff_cap_long: float = 5.0
    backoff_patience: float = 60.0
    settle_time: float = 0.3
    """Longest wait, once, for the first connections to all members before the user's messages go out."""
    generation_interval: float = 10.0
    """At most one re-dial of healthy nodes under a fresh identity in this time, so that a flapping node costs them nothing."""
    idle_before_switch: float = 2.0
    """A node's older connection hands over to its newer one after so long without traffic (order cannot suffer then)."""

    # --- routing and asks
    ask_timeout: float = 5.0
    fail_fast: bool = False
    """Fail an ask at once while its owner cannot be reached, instead of holding it until its own timeout."""
    shard_retry: float = 0.5
    """Pause before a shard's location is asked for again; doubles up to `shard_retry_cap` where nobody answers for long."""
    shard_retry_cap: float = 4.0
    tell_expiry: float = 30.0
    """How long a tell may wait for a route before it is dropped and counted."""
    max_buffered: int = 10_000
    """Envelopes waiting for a route. The newest beyond it is refused."""
    max_buffered_bytes: int = 64 * 1024 * 1024
    """Bytes waiting for one socket that takes no more, about 1 KiB for each envelope included. The newest is refused."""
    max_pending_asks: int = 100_000
    max_shard_types: int = 10_000

    # --- memory of the past
    story_length: int = 50
    """Lines of (event, effects) kept for errors to quote."""
    close_timeout: float = 2.0
    """Longest wait for unsubscribing and flushing on close."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, zero = getattr(self, field.name), field.name in MAY_BE_ZERO
            if field.type == "float":
                object.__setattr__(self, field.name, checked_seconds(field.name, value, zero=zero))
            elif field.type == "int":
                object.__setattr__(self, field.name, checked_count(field.name, value, least=0 if zero else 1))
            elif field.type == "bool" and not isinstance(value, bool):
                raise MisuseError(f"{field.name} must be True or False, not {value!r}")
        checked_count("max_frame", self.max_frame, most=LONGEST_FRAME)
        if self.probe_timeout >= self.liveness_window:
            raise MisuseError(
                f"probe_timeout ({self.probe_timeout:g} s) must be below liveness_window ({self.liveness_window:g} s), at "
                "the end of which the probe is waited for"
            )
