"""Questions to many, and one question many times: the tables of what came back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from casty_notebook.client.blocking import BlockingClient

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Experiments"]


class Experiments(BlockingClient):
    """A blocking client whose answers are DataFrames."""

    def ask_many(self, targets: Iterable[Any] | str, message: Any, *, fields: bool = False, **options: Any) -> pd.DataFrame:
        """Ask many targets the same: one row each, in the order given; failures are rows. Ctrl-C keeps what has arrived.

        Parameters
        ----------
        targets
            A pattern (``"counter/user-{1..100}"``), a service (all its instances), a collection of targets, or, with
            ``shard_type="counter"``, a collection of entity ids, for example a DataFrame's column.
        message
            As in `ask`.
        fields
            Show the replies' fields as columns in place of ``reply``.
        **options
            Those of `BlockingClient.answers`: shard_type, timeout, concurrency (100), retry, fail_fast, reply_field,
            progress, summary, on_answer.

        Returns
        -------
        DataFrame
            target, node, shard, reply, latency_ms, error; ``attrs["summary"]`` counts them.

        Raises
        ------
        ReadOnly, MisuseError, NoSuchService
            If it cannot work for any target; nothing was sent then.
        """
        from casty_notebook.tables.answers import answers

        return answers(self.answers(targets, message, **options), cluster=self.name, fields=fields)

    def collect(
        self, target: Any, message: Any, *, count: int | None = None, seconds: float | None = None, fields: bool = False,
        **options: Any,
    ) -> pd.DataFrame:  # fmt: skip
        """Listen (see `listen`) for some time, or to so many messages. Ctrl-C keeps what has arrived.

        Parameters
        ----------
        count, seconds
            When to end, whichever comes first; without both after 10 seconds.
        fields
            Show the messages' fields as columns in place of ``message``.
        **options
            timeout, retry, limit, reply_field, as in `listen`, and progress.

        Returns
        -------
        DataFrame
            time, node, message, error; ``attrs["summary"]`` counts received, dropped and refused.
        """
        from casty_notebook.backends.contract import label
        from casty_notebook.tables.heard import heard

        rows, received, dropped = self.heard(target, message, count=count, seconds=seconds, **options)
        counts: dict[str, Any] = {"target": label(target), "received": received, "dropped": dropped}
        return heard(rows, cluster=self.name, fields=fields, **counts)

    def sample(
        self, target: Any, message: Any, *, count: int = 100, every: float = 0.1, **options: Any
    ) -> pd.DataFrame:  # fmt: skip
        """Ask one target the same again and again, and measure. Ctrl-C keeps what has arrived.

        Parameters
        ----------
        count
            How often, at most 100,000.
        every
            Seconds from one ask to the next, whether the first is answered or not; 0 asks again as soon as it is.
        **options
            timeout, fail_fast, reply_field, progress, as in `ask_many`.

        Returns
        -------
        DataFrame
            at_s, node, latency_ms, error; ``attrs`` has percentiles, a summary, and a sparkline. `plot_latency` draws it.

        Raises
        ------
        ReadOnly, MisuseError
            If it cannot work; nothing was sent then.
        """
        from casty_notebook.tables.latency import samples

        return samples(self.samples(target, message, count=count, every=every, **options), cluster=self.name)
