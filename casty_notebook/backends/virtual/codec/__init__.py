"""Messages to values and back: msgpack trees, the user's classes, stand-ins (VIRTUAL sections 4 and 5). Pure.

Nothing received names code to run here, and every value is bounded by the cluster's own limit for one message. Start reading at
`values.write_message` and `values.ValueReader`; `protocol` has the cluster's own messages.
"""
