"""The neutral picture of a cluster: members, placements, services, health, moments, and what changed between two of them.

Pure values and functions; knows no protocol, no table, no view. Backends make it, everything above reads it.
Start reading at `moment` and `snapshot`, then `events` and `history`.
"""
