"""Bytes to envelopes and back, without a socket: frames, the handshake, the envelope header.

Knows the framing of PROTOCOL sections 1 and 2; no cluster, no message class, no clock.
Start reading at `FrameReader` for the way in and at `EnvelopeHeader` for the way out.
"""

from casty_notebook.wire.envelope import (
    Envelope,
    EnvelopeHeader,
    decode_envelope,
    encode_envelope,
    sender_system,
    target_path,
)
from casty_notebook.wire.frames import HANDSHAKE, MAX_FRAME, MESSAGE, FrameReader, encode_frame
from casty_notebook.wire.generations import (
    HELLO_030,
    HTTP_REQUEST,
    MAX_ANSWER,
    PING_022,
    SILENT_014,
    explain_generation,
)
from casty_notebook.wire.handshake import MAX_HANDSHAKE, decode_handshake, encode_handshake, explain_first_bytes

__all__ = [
    "HANDSHAKE",
    "HELLO_030",
    "HTTP_REQUEST",
    "MAX_ANSWER",
    "MAX_FRAME",
    "MAX_HANDSHAKE",
    "MESSAGE",
    "PING_022",
    "SILENT_014",
    "Envelope",
    "EnvelopeHeader",
    "FrameReader",
    "decode_envelope",
    "decode_handshake",
    "encode_envelope",
    "encode_frame",
    "encode_handshake",
    "explain_first_bytes",
    "explain_generation",
    "sender_system",
    "target_path",
]
