"""A real cluster to play with: `DemoCluster` starts Casty nodes on loopback, each in a process of its own.

Only the node processes import casty (`node`, `actors`); the launcher (`cluster`, `process`) and the messages that
a notebook sends (`messages`) do not. Start reading in `cluster`; ``python -m casty_notebook.demo`` is the tour.
"""

from casty_notebook.demo.cluster import DemoCluster
from casty_notebook.demo.process import DemoNode

__all__ = ["DemoCluster", "DemoNode"]
