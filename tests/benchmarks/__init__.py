"""What this client costs, beside the official one and the floor. ``./dev bench``; start reading in `figures` and `groups`.

A group is a module with a ``GROUP`` and a ``measure(scale)``, which makes one round of all its sides, each in a process of its
own (`processes`, `rounds`), against targets (`targets`): a raw node, one real node, three. Nothing here asserts a time.
"""
