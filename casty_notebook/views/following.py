"""What a cell does with a cluster over time: wait for something, be called when something happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from casty_notebook.backends.contract import label
from casty_notebook.client.subscriptions import Subscription
from casty_notebook.client.watching import Pace, Watching
from casty_notebook.errors import ClientClosed, FailureReport, MisuseError, WaitTimeout
from casty_notebook.printable import printable
from casty_notebook.settings import checked_seconds
from casty_notebook.topology.events import Change, TopologyEvent
from casty_notebook.topology.mailboxes import Waiting
from casty_notebook.topology.problems import ASKS_WITHIN, Problem
from casty_notebook.topology.traffic import BUCKET, TrafficRow
from casty_notebook.values.refs import ActorRef, EntityRef
from casty_notebook.values.targets import expand_ranges
from casty_notebook.views.alarms.conditions import Condition, as_condition, is_so
from casty_notebook.views.alarms.problem_watch import ProblemWatch
from casty_notebook.views.bulk_asks import Experiments
from casty_notebook.views.past.recorder import Recorder
from casty_notebook.views.snapshot_tables import Pictured
from casty_notebook.views.watch.shown import reader

if TYPE_CHECKING:
    import pandas as pd

    from casty_notebook.views.alarms.bell import Bell
    from casty_notebook.views.watch.watch import Watch

__all__ = ["Following"]

KEPT = 1_000
"""Points of each target that a watch keeps: a quarter of an hour at one a second."""

type _Listener = Callable[[list[TopologyEvent]], None]


class Following(Pictured, Experiments):
    """Follows one open connection: see `Cluster`."""

    _recorder: Recorder
    _bell: Bell | None = None

    def current_problems(self) -> tuple[Problem, ...]:
        """What is wrong now, as the values that `problems` is the table of."""
        return self._problems()

    # --- our own asks -------------------------------------------------------------------------------------------------

    @property
    def traffic(self) -> pd.DataFrame:
        """Our own asks of the last hour, in stretches of five seconds: count, errors and percentiles by node, type and cause."""
        return self.traffic_table()

    def traffic_table(self, every: float = BUCKET) -> pd.DataFrame:
        """As `traffic`, in stretches of about so many seconds (5 at least), counted back from now."""
        from casty_notebook.tables.traffic import traffic

        every = max(BUCKET, checked_seconds("every", every))
        past, now = self._on_loop(lambda: (self.backend.traffic, self._recorder.clock()))
        return traffic(past.rows(every=every), self.backend.node_name, now, cluster=self.name)

    def plot_traffic(self, every: float = BUCKET, *, by: str = "node") -> Any:
        """Draw our own asks over time: how many a second, failed ones among them, and their p99. Returns matplotlib's two Axes.

        Parameters
        ----------
        every
            Seconds of one stretch.
        by
            A line for each ``node``, or each ``type``.

        Raises
        ------
        MisuseError
            If matplotlib is not installed.
        """
        from casty_notebook.views.plots.traffic import plot_traffic

        return plot_traffic(self.traffic_table(every), by=by)

    def _asks(self) -> list[TrafficRow]:
        return [] if self.closed else self._on_loop(lambda: self.backend.traffic).rows(within=ASKS_WITHIN)

    def _waiting(self) -> Sequence[Waiting]:
        return () if self.closed else self._on_loop(self._recorder.waiting)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def wait_until(self, condition: Any, timeout: float = 30.0) -> Any:
        """Wait until something is so; returns what the condition returned. Ctrl-C ends the wait.

        It is looked at whenever the cluster says something new or our view of a node changes, and else once a second.

        Parameters
        ----------
        condition
            A function of this cluster, called on this thread; or `member_is`, `answer_is`, `no_problems`.
        timeout
            Seconds; 0 looks once.

        Raises
        ------
        WaitTimeout
            If it was not so in time; says what was last seen.
        ClientClosed
            If the connection is closed.
        MisuseError
            If the condition is none, or asks what cannot be asked. What else a function raises passes.

        Examples
        --------
        >>> def restart_and_wait(cluster, restart):
        ...     restart("node-3")
        ...     cluster.wait_until(member_is("node-3", "up", reachable=True), timeout=60)
        ...     cluster.wait_until(lambda c: len(c.services) == 2)
        """
        timeout = checked_seconds("timeout", timeout, zero=True)
        looked_for = as_condition(condition)
        deadline = monotonic() + timeout
        while True:
            moment = self._recorder.moment
            self._check_open()
            began = monotonic()
            found = looked_for.look(self, deadline - began)
            if is_so(found):
                return found
            now = monotonic()
            if now >= deadline:
                raise WaitTimeout(self._not_so(looked_for, timeout))
            pause = min(deadline - now, max(0.0, looked_for.every - (now - began)))
            self._wait(self._recorder.changed(moment if looked_for.pushed else None, pause))

    def _not_so(self, condition: Condition, timeout: float) -> str:
        topology, problems = self.topology, self.current_problems()
        members = len(topology.members) if topology is not None else 0
        wrong = f"{len(problems):,} problem{'s' * (len(problems) != 1)}" if problems else "no problem"
        first = f" ({problems[0].subject}: {problems[0].text})" if problems else ""
        return (
            f"not within {timeout:g} s: {condition}. Last seen: {condition.seen}. "
            f"{self.name}: {members:,} member{'s' * (members != 1)}, {wrong}{first}"
        )

    # --- being called -------------------------------------------------------------------------------------------------

    def on_event(self, function: Callable[[TopologyEvent], object], *, kinds: str | Iterable[str] | None = None) -> Subscription:
        """Call a function with each event from now on, on a thread of its own, until it is stopped or the connection closed.

        Parameters
        ----------
        function
            Called with one `TopologyEvent` (time, kind, subject, before, after) at a time, in order. It may be slow, ask, and
            wait; beyond 1,000 that wait for it the oldest are dropped and counted. What it raises is logged once.
        kinds
            Only these, as `events` shows them: ``"lost"``, or ``["member_status", "shards_moved"]``. None: all.

        Returns
        -------
        Subscription
            ``stop()`` ends it; also a context manager.

        Raises
        ------
        MisuseError
            If there is no such kind of event, or `function` is none.
        ClientClosed
            If the connection is closed.

        Examples
        --------
        >>> def follow(cluster, page_somebody):
        ...     with cluster.on_event(lambda event: page_somebody(event.subject), kinds="lost"):
        ...         cluster.wait_until(lambda c: len(c.members) == 2, timeout=3600)
        """
        wanted = _kinds(kinds)

        def happened(events: list[TopologyEvent]) -> list[TopologyEvent]:
            return events if wanted is None else [event for event in events if event.kind in wanted]

        return self._subscribed(function, "on_event", lambda subscription: lambda events: subscription.offer(happened(events)))

    def on_problem(self, function: Callable[[Problem], object]) -> Subscription:
        """Call a function with each problem that appears from now on, on a thread of its own, as `on_event` does with events.

        Problems are looked for once a second. One that is there already has not appeared; one that comes and goes appears once a
        minute at most. Each kind has a time of grace before it is one.

        Parameters
        ----------
        function
            Called with one `Problem` (severity, kind, subject, since, says, text, remedy) at a time.

        Returns
        -------
        Subscription
            ``stop()`` ends it; also a context manager.

        Raises
        ------
        MisuseError
            If `function` is none.
        ClientClosed
            If the connection is closed.
        """
        self._check_open()
        subscription = _subscription(function, "on_problem")
        watch = ProblemWatch(self, lambda _all, new: subscription.offer(new), subscription.stop)
        return subscription.stopped_by(watch.stop)

    def bell(self) -> Bell:
        """Return what rings when a problem appears, one for each connection: show it in a cell, or let it be in a terminal.

        In a page its line turns red and, while nobody looks at the page, the title blinks; a button asks the browser for leave to
        show notifications, too. In a terminal the terminal's bell rings. ``stop()`` ends it, and so does the connection's end.
        """
        from casty_notebook.views.alarms.bell import Bell

        self._check_open()
        if self._bell is None or self._bell.stopped:
            self._bell = Bell(self)
        return self._bell

    # --- asking again and again ---------------------------------------------------------------------------------------

    def watch(
        self, targets: Iterable[Any] | str, message: Any, *, every: float = 1.0, field: str | None = None,
        seconds: float | None = None, keep: int = KEPT, everyone: bool = False, timeout: float | None = None,
        retry: bool = False, fail_fast: bool | None = None, reply_field: str = "reply_to", force: bool = False,
    ) -> Watch:  # fmt: skip
        """Ask again and again, and show the values as they change: a small live view, ``watch.data`` as a DataFrame.

        It ends with ``watch.stop()``, with the connection, or when no page shows it any more; what was seen stays.

        Parameters
        ----------
        targets
            As in `ask`, one or up to 100; a text may be a pattern (``"counter/user-{1..5}"``).
        message
            As in `ask`. It is asked each time: on a cluster of casty 0.30 the first ask may create the key, as any ask does.
        every
            Seconds from one ask of a target to the next. No second one leaves while the first has no answer.
        field
            Show a field of the reply (``"count"``, ``"stats.count"``) in its place.
        seconds
            End by itself after so long; None: not for that.
        keep
            Points kept of each target, 1,000; the oldest go.
        everyone
            All instances of a service, as they are now, in place of one at a time.
        timeout, retry, fail_fast, reply_field, force
            As in `ask`. A failure is a gap in the line, with its cause.

        Raises
        ------
        ReadOnly, MisuseError, NoSuchService, NoSuchType, ClientClosed
            If it cannot work as written.

        Examples
        --------
        >>> def follow(cluster):
        ...     watch = cluster.watch("counter/user-42", "shop.messages.GetCount", every=0.5)
        ...     cluster.wait_until(lambda _: len(watch.data) > 100, timeout=120)
        ...     return watch.data["number"].describe()
        """
        from casty_notebook.views.watch.watch import Watch

        asked = self.backend.question(message, reply_field)
        read = reader(field)
        found = [targets] if isinstance(targets, str | ActorRef | EntityRef) else targets
        spread = [each for target in found for each in (expand_ranges(target) if isinstance(target, str) else [target])]
        if everyone:
            spread = [each for target in spread for each in self.instances(target)]
        pace = Pace.of(len(spread), every, seconds, keep)
        timeout = timeout if timeout is None else checked_seconds("timeout", timeout)
        ask = partial(self.backend.ask, asked=asked, timeout=timeout, retry=retry, fail_fast=fail_fast, force=force)
        watching = Watching(self.backend, spread, ask, read, pace, force=force)
        self._wait(self._begin(watching))
        wanted = ", ".join(map(label, spread[:3])) + (f" and {len(spread) - 3} more" if len(spread) > 3 else "")
        try:
            return Watch(watching, self._loop, cluster=self.name, wanted=wanted + (f", its {field}" if field else ""))
        except BaseException:
            self._loop.soon(watching.stop, "it could not be shown")  # the caller gets no `Watch`, and so could not stop it
            raise

    async def _begin(self, watching: Watching) -> None:
        watching.at_end = self._recorder.listen(lambda _events: None, lambda: watching.stop("the connection was closed"))
        await watching.start()

    def _check_open(self) -> None:
        if self.closed:
            cause = "the connection is closed: nothing will happen any more."
            raise ClientClosed(FailureReport(self.name, cause, "Connect again."))

    def _subscribed(
        self, function: Callable[[Any], object], what: str, listening: Callable[[Subscription], _Listener]
    ) -> Subscription:
        self._check_open()
        subscription = _subscription(function, what)
        recorder = self._recorder
        stop = self._on_loop(lambda: recorder.listen(listening(subscription), subscription.stop))
        return subscription.stopped_by(lambda: self._loop.soon(stop))


def _subscription(function: Callable[[Any], object], what: str) -> Subscription:
    if not callable(function):
        raise MisuseError(f"{what} takes a function, not {type(function).__name__}")
    name = printable(getattr(function, "__qualname__", type(function).__name__))
    return Subscription(function, f"{what}({name})")


def _kinds(kinds: str | Iterable[str] | None) -> frozenset[str] | None:
    if kinds is None:
        return None
    given = [kinds] if isinstance(kinds, str) else list(kinds)
    for kind in given:
        if kind not in Change.__members__:
            raise MisuseError(f"no event is of kind {kind!r}; there are {', '.join(Change)}")
    return frozenset(map(str, given))
