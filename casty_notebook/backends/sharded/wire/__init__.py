"""Bytes to envelopes and back, without a socket: frames, the handshake, the envelope header.

Knows the framing of PROTOCOL sections 1 and 2; no cluster, no message class, no clock.
Start reading at `FrameReader` for the way in and at `EnvelopeHeader` for the way out.
"""

from casty_notebook.backends.sharded.wire.envelope import (
    Envelope,
    EnvelopeHeader,
    decode_envelope,
    encode_envelope,
    sender_system,
    target_path,
)
from casty_notebook.backends.sharded.wire.frames import HANDSHAKE, MAX_FRAME, MESSAGE, FrameReader, encode_frame
from casty_notebook.backends.sharded.wire.handshake import MAX_HANDSHAKE, decode_handshake, encode_handshake

__all__ = [
    "HANDSHAKE",
    "MAX_FRAME",
    "MAX_HANDSHAKE",
    "MESSAGE",
    "Envelope",
    "EnvelopeHeader",
    "FrameReader",
    "decode_envelope",
    "decode_handshake",
    "encode_envelope",
    "encode_frame",
    "encode_handshake",
    "sender_system",
    "target_path",
]
