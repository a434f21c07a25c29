"""Ports for tests: the demo's own choice, which keeps away from those of outgoing connections."""

from casty_notebook.demo.ports import free_port, free_ports

__all__ = ["free_port", "free_ports"]
