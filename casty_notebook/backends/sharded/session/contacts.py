"""What happened at each contact point, for the error that lists them, and whether going on makes sense."""

from __future__ import annotations

from collections.abc import Iterable

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.encodings import Encoding
from casty_notebook.errors import ContactAttempt

__all__ = ["Contacts"]

SILENT = "but no snapshot came"
ENOUGH = 2
"""Verdicts in a row that end the waiting: at the first one the node may have been restarting with other files."""


REFUSED = "connection refused"
ENOUGH_REFUSED = 4
"""Refusals in a row that end it: nodes that are only just starting may take their port in the half second that these take."""


class Contacts:
    """untried --reached | failed--> tried; of each the last outcome is kept, and how many verdicts came in a row."""

    def __init__(self, contacts: Iterable[NodeAddress]) -> None:
        self._outcomes: dict[NodeAddress, str] = {}
        self._verdicts = dict.fromkeys(contacts, 0)
        self._refused = dict.fromkeys(self._verdicts, 0)

    def reached(self, contact: NodeAddress, node: NodeAddress) -> None:
        self._outcomes[contact] = f"connected to {node}, {SILENT}"

    def refused(self, contact: NodeAddress, node: NodeAddress, why: str) -> None:
        self._outcomes[contact] = f"connected to {node}, whose answer was refused: {why}"

    def reached_twice(self, contact: NodeAddress, node: NodeAddress) -> None:
        self._outcomes.setdefault(contact, f"reached {node}, which is connected already")

    def followed(self, contact: NodeAddress, node: NodeAddress) -> None:
        self._outcomes[contact] = f"connected to {node}, snapshots come"

    def failed(self, contact: NodeAddress, reason: str, *, verdict: bool) -> None:
        self._outcomes[contact] = reason
        if contact in self._verdicts:
            # Any other outcome sets them back to 0, so that only failures in a row are counted.
            self._verdicts[contact] = self._verdicts[contact] + 1 if verdict else 0
            self._refused[contact] = self._refused[contact] + 1 if reason.startswith(REFUSED) else 0

    @property
    def hopeless(self) -> bool:
        """Each contact point gave a verdict twice in a row, or each refused again and again: waiting does not mend it."""
        refused = all(count >= ENOUGH_REFUSED for count in self._refused.values())
        return refused or all(count >= ENOUGH for count in self._verdicts.values())

    @property
    def verdict(self) -> ContactAttempt | None:
        """The first contact point whose last attempt ended in a verdict; the error begins with it."""
        stands = (contact for contact, count in self._verdicts.items() if count)
        return next((ContactAttempt(str(contact), self._outcomes[contact]) for contact in stands), None)

    def attempts(self, tried: tuple[Encoding, ...]) -> tuple[ContactAttempt, ...]:
        """Every outcome; with what silent nodes were asked in, `tried`."""
        silence = f": {_silence(tried)}"
        return tuple(
            ContactAttempt(str(contact), outcome + silence if outcome.endswith(SILENT) else outcome)
            for contact, outcome in tuple(self._outcomes.items())
        )


def _silence(tried: tuple[Encoding, ...]) -> str:
    """What a node that we reach may be silent about: it never says that it cannot read a message (PROTOCOL section 4.5)."""
    if not tried:
        return "it did not answer"
    names = list(dict.fromkeys(each.configured for each in tried))
    if len(names) == 1:
        return f"it hangs, or is not configured for {names[0]}; serializer='auto' finds out for what"
    return f"it hangs, or is configured for none of those tried ({', '.join(names)})"
