"""What cannot leave its process."""

from __future__ import annotations

import os
from typing import NoReturn, SupportsIndex

from casty_notebook.errors import Unpicklable

__all__ = ["ProcessBound"]


class ProcessBound:
    """Lives on sockets and threads of this process: refuses to be pickled or copied, which pools and schedulers try."""

    __slots__ = ()

    def __reduce_ex__(self, _protocol: SupportsIndex, /) -> NoReturn:
        raise Unpicklable(
            f"{type(self).__name__} cannot be pickled or copied: a connection belongs to the process that made it (here "
            f"{os.getpid()}). Pass its address on, and connect anew in the process or worker that needs it"
        )
