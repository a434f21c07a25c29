"""What is known of one sharded type: where its shards are, and the envelopes that wait for one to be located."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.census import Census
from casty_notebook.backends.sharded.session.state import Outgoing, insert_in_order
from casty_notebook.errors import UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import ShardAllocation
from casty_notebook.values.envelope import entity_shard

if TYPE_CHECKING:
    from casty_notebook.backends.sharded.session.state import Generation, Link, Peer

__all__ = ["Question", "ShardTable", "Waiting"]

FRESH = 5.0
"""A coordinator's own answer outranks a snapshot for so long: gossip reaches our node a second later (PROTOCOL section 6.1)."""

SILENT = 20
"""Unanswered questions until the pauses between them grow: a cluster answers none until it has noticed that a node is dead."""

TRACE = 20
"""Questions and answers of a shard that are kept: those of about five seconds."""


class Question:
    """The question where a shard lives, repeated every `shard_retry` as long as an envelope waits for the answer.

    After `SILENT` questions without any answer the pauses double, up to `shard_retry_cap`. An answer that names an owner which
    we cannot reach makes them short again, and a change in the cluster makes the next question due at once. It is kept for a
    while after the last envelope has given up, so that the next one does not begin with short pauses.
    """

    __slots__ = (
        "answers", "asked_at", "asked_of", "attempts", "count", "first_at", "last", "last_at", "name", "retry_at", "trace",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        self.name = ""
        """The end of the path that the answer comes to; only the nodes that were asked know it."""
        self.trace: deque[tuple[float, str]] = deque(maxlen=TRACE)
        """(time, what was asked or answered), for errors to quote."""
        self.first_at = now
        self.attempts = 0
        self.count = 0
        """Questions in all."""
        self.answers = 0
        """Answers that named an owner which we cannot reach."""
        self.last: NodeAddress | None = None
        """The owner that the last of them named."""
        self.last_at = float("-inf")
        self.retry_at = float("-inf")
        self.asked_at = float("-inf")
        self.asked_of: NodeAddress | None = None

    def asked(self, node: NodeAddress, now: float, settings: Settings) -> None:
        self.attempts += 1
        self.count += 1
        self.asked_of, self.asked_at = node, now
        self.trace.append((now, f"asked {node}"))
        doublings = min(max(0, self.attempts - SILENT), 10)
        self.retry_at = now + min(settings.shard_retry_cap, settings.shard_retry * 2.0**doublings)

    def answered(self, node: NodeAddress, now: float, settings: Settings) -> None:
        """The answer named an owner that we cannot reach."""
        self.answers += 1
        self.last, self.last_at = node, now
        self.trace.append((now, f"answer: {node}, which cannot be reached"))
        self.attempts = 0
        self.retry_at = min(self.retry_at, self.asked_at + settings.shard_retry)

    def overtaken(self) -> None:
        """The cluster has changed: ask again at once, whoever did not answer or named a lost owner may know better now."""
        self.attempts = 0
        self.last_at = self.retry_at = float("-inf")


class Waiting:
    """Envelopes for one shard, in order, while its location is asked for."""

    __slots__ = ("items", "question")

    def __init__(self, question: Question) -> None:
        self.items: dict[int, Outgoing] = {}
        self.question = question


class ShardTable:
    """unknown --envelope--> locating --location--> located --(owner unreachable)--> locating.

    The snapshot's own mapping is read in place (no copy for each of four snapshots a second); only what a coordinator
    answered us directly is kept beside it.
    """

    __slots__ = (
        "_answers", "_snapshot", "carriers", "census", "num_shards", "questions", "queued", "shard_type", "waiting", "ways",
    )  # fmt: skip

    def __init__(self, shard_type: str, num_shards: int) -> None:
        self.shard_type = shard_type
        self.num_shards = num_shards
        self.waiting: dict[int, Waiting] = {}
        self.questions: dict[int, Question] = {}
        """What was asked of a coordinator and has no useful answer yet."""
        self.carriers: dict[int, int] = {}
        """The link that last took an envelope for a shard."""
        self.queued: dict[int, Peer] = {}
        """The node for whose link an envelope of a shard waited last."""
        self.ways: dict[int, tuple[Link, Generation]] = {}
        """Of each shard, the link by which an envelope has just left and the identity that its reply comes to. Until something
        changes, the next envelope goes the same way and nothing is looked up."""
        self.census = Census(shard_type, num_shards)
        self._snapshot: Mapping[int, ShardAllocation] = {}
        self._answers: dict[int, tuple[NodeAddress, float]] = {}

    def shard_of(self, entity_id: str) -> int:
        try:
            return entity_shard(entity_id, self.num_shards)
        except UnicodeEncodeError:
            raise UnsendableMessage(
                f"the entity id {entity_id!r} has a lone surrogate in it, half a character: no text for a node"
            ) from None

    def adopt(self, allocations: Mapping[int, ShardAllocation], now: float) -> None:
        """Take a snapshot's allocations of this type."""
        if allocations is self._snapshot:
            return
        before, self._snapshot = self._snapshot, allocations
        for shard, (node, at) in list(self._answers.items()):
            if self._is_over(shard, node, now - at < FRESH, before, allocations):
                del self._answers[shard]
        for shard, question in self.questions.items():
            if allocations.get(shard) != before.get(shard):
                question.overtaken()
        self.census.count(allocations)

    @staticmethod
    def _is_over(
        shard: int, node: NodeAddress, fresh: bool, before: Mapping[int, ShardAllocation], after: Mapping[int, ShardAllocation]
    ) -> bool:
        """Whether snapshots overrule a coordinator's own answer.

        They do if they listed the owner that it named and then dropped the shard, or if it is old and they list the shard. One
        that no snapshot has ever listed keeps its answer: some are allocated and never listed (PROTOCOL section 6.4).
        """
        former = before.get(shard)
        if fresh:
            return former is not None and former.primary == node and shard not in after
        return former is not None or shard in after

    def locate(self, shard: int, now: float) -> NodeAddress | None:
        """The owner as far as known. Absence from a snapshot does not mean unallocated (PROTOCOL section 6.4)."""
        answer = self._answers.get(shard)
        if answer is not None and now - answer[1] < FRESH:
            return answer[0]
        allocation = self._snapshot.get(shard)
        if allocation is not None:
            return allocation.primary
        return answer[0] if answer is not None else None

    def is_settled(self, shard: int) -> bool:
        """Whether only the snapshot says where the shard is, so that `locate` gives the same until the next one."""
        return shard not in self._answers

    def replicas(self, shard: int) -> tuple[NodeAddress, ...]:
        allocation = self._snapshot.get(shard)
        return allocation.replicas if allocation is not None else ()

    def located(self, shard: int, node: NodeAddress, now: float) -> None:
        """A coordinator named a reachable owner."""
        if 0 <= shard < self.num_shards:
            self._answers[shard] = (node, now)
            self.questions.pop(shard, None)

    def was_refused(self, shard: int, now: float, within: float) -> bool:
        """A coordinator has just named an owner that we cannot reach."""
        question = self.questions.get(shard)
        return question is not None and now - question.last_at < within

    def question(self, shard: int, now: float) -> Question:
        question = self.questions.get(shard)
        if question is None:
            question = self.questions[shard] = Question(now)
        return question

    def forget_questions(self, now: float, pause: float) -> None:
        """Forget questions that no envelope waits for, `pause` seconds after they could have been repeated."""
        for shard, question in list(self.questions.items()):
            if shard not in self.waiting and question.retry_at + pause < now:
                del self.questions[shard]

    def wait(self, outgoing: Outgoing, shard: int, now: float) -> Waiting:
        waiting = self.waiting.get(shard)
        if waiting is None:
            waiting = self.waiting[shard] = Waiting(self.question(shard, now))
        insert_in_order(waiting.items, outgoing)
        return waiting
