"""Event loops: the background thread's, the one a client lives on, timers on them, and `allow_nested`.

Knows no client. Start reading at `background`.
"""
