"""Clients of the kinds of cluster there are, one folder each: start in the folder of the kind. None imports another.

`virtual` speaks with casty 0.30. The client of casty 0.15 to 0.21 lives in the rooms `wire`, `codec`, `cluster` and `runtime`.
"""
