"""Snapshots, our own health view, events and answers as pandas DataFrames: values in, a table out, nobody is asked.

Every table has the same columns and dtypes whether it is full or empty, and says in `attrs` what it shows. Knows no
network; pandas is imported here and nowhere else. Start reading at `members`, then `columns` for what they share.
"""

from casty_notebook.tables.answers import answers
from casty_notebook.tables.events import events
from casty_notebook.tables.history import history
from casty_notebook.tables.members import members
from casty_notebook.tables.problems import problems
from casty_notebook.tables.services import services
from casty_notebook.tables.shards import shards

__all__ = ["answers", "events", "history", "members", "problems", "services", "shards"]
