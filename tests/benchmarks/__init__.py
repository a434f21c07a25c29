"""Benchmarks: this client, the official one and the floor, side by side in one run.

Run with ``./dev bench``. Reported, never asserted as times: figures depend on the machine, ratios less so.
"""
