"""The room of everything that starts with ``%``, and of the functions of the same names.

A line becomes a frozen command (`commands`, `grammars`, `words`: pure), its expression a message (`evaluate`), and the
command one call of a function in `api`; `completion` (pure) and `matcher` offer what could come next. It may know every
room below it, but no sockets and no loop. Start reading at `commands`, then `casty_magics`; `extension` is what IPython
loads.
"""
