"""Plain blocking calls on a client that lives on the background loop: asks, fan-out, progress, connections by name.

May know every backend's promise and no wire. Start reading at `blocking`.
"""
