"""Free ports for tests, chosen as the demo does: away from those that systems give to outgoing connections."""

from casty_notebook.demo.ports import free_port, free_ports

__all__ = ["free_port", "free_ports"]
