"""Clients of the kinds of cluster there are, one folder each; none imports another.

Start in the folder of the kind: `sharded` speaks with casty 0.15 to 0.21, `virtual` with 0.30. Beside them lies what both use:
checked arguments, the circuit breaker of a node, what an examination says.
"""
