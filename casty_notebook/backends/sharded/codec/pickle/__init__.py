"""Pickles, read by a machine of our own and written by a writer of our own: start at `reader`, which builds what is allowed."""
