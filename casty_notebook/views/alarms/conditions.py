"""What `Cluster.wait_until` can wait for: each looks at a cluster and keeps, in words, what it last saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from casty_notebook.backends.contract import Backend
from casty_notebook.errors import ClientClosed, ClusterError, MisuseError
from casty_notebook.settings import checked_seconds
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.snapshot import MemberStatus
from casty_notebook.values.short_repr import brief

__all__ = ["Condition", "answer_is", "as_condition", "is_so", "member_is", "no_problems"]

LOOK_AGAIN = 1.0
"""Seconds after which a condition is looked at without a push: ages and problems come with time alone."""


class Cluster(Protocol):
    """What is looked at: an open connection."""

    backend: Backend

    @property
    def moment(self) -> Moment | None: ...
    @property
    def ask(self) -> Callable[..., Any]: ...
    def current_problems(self) -> tuple[Problem, ...]: ...


class Condition(Protocol):
    """Something that may become true.

    Attributes
    ----------
    every
        Seconds after which it is looked at again, at the latest.
    pushed
        Whether it is looked at as soon as the cluster says something new; not what asks, which keeps to its own time.
    seen
        What the last look showed.
    """

    every: float
    pushed: bool
    seen: str

    def look(self, cluster: Cluster, within: float) -> Any:
        """Look once. Returns something true if the condition is fulfilled, else something false.

        Takes `within` seconds at most, as far as it can.
        """
        ...

    def __str__(self) -> str: ...


class _Called:
    """A function of the cluster."""

    every = LOOK_AGAIN
    pushed = True

    def __init__(self, function: Callable[[Cluster], Any]) -> None:
        self._function = function
        self.seen = "nothing"

    def look(self, cluster: Cluster, within: float) -> Any:  # noqa: ARG002 - what a user's function takes is its own
        try:
            found = self._function(cluster)
        except ClientClosed:
            raise
        except ClusterError as error:  # an ask in it that failed may succeed the next time
            self.seen = f"{type(error).__name__}: {error}"
            return None
        self.seen = f"it returned {brief(found)}"
        return found

    def __str__(self) -> str:
        name = getattr(self._function, "__name__", type(self._function).__name__)
        return "the condition" if name == "<lambda>" else f"{name}()"


class member_is:  # noqa: N801 - it reads as what it says: wait_until(member_is("node-3", "up"))
    """That a member has a status.

    Parameters
    ----------
    node
        Its name or address, as `members` shows it.
    status
        As `members` shows it: ``"up"``, ``"down"``, ``"suspect"``… ``"up"`` is met, too, by ``alive``, as clusters of casty 0.30
        call it, ``"removed"`` by a member that is not listed. None: any.
    reachable
        Whether our own connections reach it; None: no matter.

    Examples
    --------
    >>> print(member_is("node-3", "up", reachable=True))
    node-3 is up and reachable from here
    """

    every = LOOK_AGAIN
    pushed = True

    def __init__(self, node: str, status: str | MemberStatus | None = "up", *, reachable: bool | None = None) -> None:
        wanted = status.name if isinstance(status, MemberStatus) else status
        if wanted is not None and wanted not in MemberStatus.__members__:
            raise MisuseError(f"no member is ever {wanted!r}; it is one of {', '.join(MemberStatus.__members__)}")
        self._node, self._status, self._reachable = node, wanted, reachable
        self.seen = "nothing"

    def look(self, cluster: Cluster, within: float) -> bool:  # noqa: ARG002 - it asks nobody
        moment = cluster.moment
        members = moment.members if moment is not None else {}
        member = next((each for each in members.values() if self._node in (each.id, str(each.address))), None)
        if member is None:
            self.seen = f"no member {self._node} among {', '.join(each.id for each in members.values()) or 'none'}"
            return self._status == MemberStatus.removed.name and self._reachable is not True
        reach = moment.reach(member.address) if moment is not None else None
        self.seen = f"{self._node} is {member.status.name} and {_reached(reach)}"
        is_well = moment is not None and member.status.name == moment.kind.well
        well = self._status in (None, member.status.name) or (self._status == MemberStatus.up.name and is_well)
        return well and (self._reachable is None or reach is self._reachable)

    def __str__(self) -> str:
        reach = None if self._reachable is None else _reached(self._reachable)
        return f"{self._node} is {' and '.join(filter(None, [self._status, reach])) or 'a member'}"


def _reached(reach: bool | None) -> str:
    return "reachable from here" if reach else "not known to be reachable" if reach is None else "not reachable from here"


class answer_is:  # noqa: N801
    """That a target answers something. It is asked every so many seconds, never while an ask is open.

    Parameters
    ----------
    target, message
        As in `Cluster.ask`.
    expected
        The reply, or a function of the reply that says whether it is it.
    every
        Seconds from one ask to the next.
    **options
        Those of `Cluster.ask`: timeout, retry, fail_fast, reply_field, force.
    """

    pushed = False

    def __init__(self, target: Any, message: Any, expected: Any, *, every: float = 1.0, **options: Any) -> None:
        self.every = checked_seconds("every", every)
        self._target, self._message, self._expected, self._options = target, message, expected, options
        self.seen = "no answer yet"

    def look(self, cluster: Cluster, within: float) -> Any:
        patience = self._options.get("timeout") or cluster.backend.settings.ask_timeout
        try:
            reply = cluster.ask(self._target, self._message, **{**self._options, "timeout": min(patience, max(within, 0.05))})
        except ClientClosed:
            raise
        except ClusterError as error:
            self.seen = f"{type(error).__name__}: {error}"
            return False
        self.seen = f"it answered {brief(reply)}"
        # True, not the reply: 0 may be what was waited for.
        return bool(self._expected(reply) if callable(self._expected) else reply == self._expected)

    def __str__(self) -> str:
        expected = "as expected" if callable(self._expected) else brief(self._expected)
        return f"{self._target} answers {expected}"


class _NoProblems:
    """That nothing is wrong, as `Cluster.problems` sees it: what has just happened is none yet."""

    every = LOOK_AGAIN
    pushed = True

    def __init__(self) -> None:
        self.seen = "nothing"

    def look(self, cluster: Cluster, within: float) -> bool:  # noqa: ARG002 - it asks nobody
        found = cluster.current_problems()
        self.seen = "; ".join(f"{each.subject}: {each.text}" for each in found[:3]) or "no problem"
        if len(found) > 3:
            self.seen += f"; and {len(found) - 3} more"
        return not found

    def __str__(self) -> str:
        return "there is no problem"


def no_problems(cluster: Cluster) -> bool:
    """That nothing is wrong: ``cluster.wait_until(no_problems)``.

    What has just happened is no problem yet: each kind has a time of grace.
    """
    return _NoProblems().look(cluster, 0.0)


def is_so(found: object) -> bool:
    """Whether what a condition found fulfils it: a table does if it has rows.

    Raises
    ------
    MisuseError
        For what is neither true nor false.
    """
    empty = getattr(found, "empty", None)
    if isinstance(empty, bool) and hasattr(found, "columns"):
        return not empty
    try:
        return bool(found)
    except Exception as error:
        kind = type(found).__qualname__
        raise MisuseError(f"the condition returned {kind}, which is neither true nor false ({error}); return a bool") from None


def as_condition(condition: Any) -> Condition:
    """What a user gave, as something that can be looked at.

    Raises
    ------
    MisuseError
        If it is no condition and no function.
    """
    if condition is no_problems:
        return _NoProblems()
    if hasattr(condition, "look"):
        found: Condition = condition
        return found
    if not callable(condition):
        raise MisuseError(
            f"wait_until takes a function of the cluster, member_is(…), answer_is(…) or no_problems, not {brief(condition)}"
        )
    return _Called(condition)
