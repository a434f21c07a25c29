"""Live views: a scene of what is shown, deltas of it, the bridge between threads, the widget.

Start at `topology_widget`; `bridge` is the one file that crosses threads.
"""
