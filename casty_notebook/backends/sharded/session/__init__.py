"""What we know of a cluster and what we want done: messages, subscription, health, routing, asks, one session over them.

Pure: `Session.handle(event, now) -> effects`; no clock, no IO, no randomness, and nothing known of bytes or classes on the wire.
Start reading at `session`, then `router`.
"""
