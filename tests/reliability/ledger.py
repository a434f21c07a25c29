"""Proof of delivery: every tell adds a digit of its own to a counter, so that a count tells which of them it holds.

A counter lives in the memory of one node process and ends with it; when its shard moves, a new one begins at 0.
So the books are kept per incarnation (entity, process). In base four the digit of the n-th tell is 0 if that incarnation
never got it, 1 if it got it once, and more if it got it twice: nothing can cancel out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DIGITS", "Ledger"]

DIGITS = 500
"""Tells of one entity; the next ones go to another, so that the numbers stay short."""


def _digits(count: int) -> int:
    return count.bit_length() // 2 + 1


def _twice(count: int) -> int:
    """The digits of `count` above one, as a mask of their upper bits."""
    return count & int("10" * _digits(count), 2)


@dataclass
class Ledger:
    """What is known of the tells to one entity. Masks have digit n set to 1 for the n-th tell."""

    entity: str
    sent: int = 0
    refused: int = 0
    """Tells that the client said at once it would not take: they must be nowhere."""
    seen: dict[int, int] = field(default_factory=dict)
    """Process id -> tells that an ask has found there."""
    next: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return self.next >= DIGITS

    @property
    def confirmed(self) -> int:
        """Tells that an ask has found anywhere."""
        mask: int = 0
        for found in self.seen.values():
            mask |= found
        return mask

    def tell(self) -> int:
        """The amount of the next tell."""
        amount: int = 4**self.next
        self.next += 1
        self.sent |= amount
        return amount

    def refuse(self, amount: int) -> None:
        self.refused |= amount

    def observe(self, pid: int, count: int) -> None:
        """An incarnation says `count`. Whatever cannot be is a violation."""
        if doubled := _twice(count):
            self._accuse(pid, f"got tells twice: {doubled:x}")
            return
        if lost := self.seen.get(pid, 0) & ~count:
            self._accuse(pid, f"lost tells that it had: {lost:x}")
        if strange := count & ~self.sent:
            self._accuse(pid, f"holds what was never told: {strange:x}")
        if refused := count & self.refused:
            self._accuse(pid, f"holds what was refused: {refused:x}")
        for other, found in self.seen.items():
            if other != pid and (both := found & count):
                self._accuse(pid, f"holds what process {other} got, too: {both:x}")
        self.seen[pid] = self.seen.get(pid, 0) | count

    def _accuse(self, pid: int, what: str) -> None:
        if len(self.violations) < 10:
            self.violations.append(f"{self.entity} in process {pid} {what}")
