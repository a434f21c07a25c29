"""`doctor`: what is wrong with a connection, and what to do about it, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

from casty_notebook.address import ClusterURI
from casty_notebook.advice import said_here
from casty_notebook.client.choice import examine_address
from casty_notebook.client.options import ConnectOptions
from casty_notebook.client.profiles import SIGN, resolved
from casty_notebook.console import fitting
from casty_notebook.loops.background import background_loop
from casty_notebook.net.ssh import SSHGateway
from casty_notebook.printable import printable
from casty_notebook.topology.check_result import Finding, Verdict
from casty_notebook.views.reprs.html import Markup, element, fragment, joined

if TYPE_CHECKING:
    from casty_notebook.client.blocking import BlockingClient

__all__ = ["CheckUp", "doctor"]

WITHIN = 5.0
"""Seconds for everything; the parts have shorter bounds of their own."""

_MARKS = {Verdict.ok: "✓", Verdict.warn: "!", Verdict.fail: "✗", Verdict.skip: "–"}
_KINDS = {Verdict.ok: "good", Verdict.warn: "open", Verdict.fail: "bad", Verdict.skip: "open"}


@dataclass(frozen=True, slots=True, repr=False)
class CheckUp(Sequence[Finding]):
    """Everything that was looked at, in order; shows itself as a table with a verdict and a fix on each line.

    Examples
    --------
    >>> CheckUp("casty://shop@10.0.1.10:25520", (
    ...     Finding("address", Verdict.ok, "10.0.1.10 needs no resolving", subject="10.0.1.10:25520"),
    ...     Finding("TCP", Verdict.fail, "connection refused", "see that the node runs", "10.0.1.10:25520"),
    ... ), 0.01)
    casty://shop@10.0.1.10:25520: 1 fail, 1 ok (0.0 s)
      ✓ ok    address  10.0.1.10:25520: 10.0.1.10 needs no resolving
      ✗ fail  TCP      10.0.1.10:25520: connection refused
                       → see that the node runs
    """

    uri: str
    findings: tuple[Finding, ...]
    seconds: float

    @overload
    def __getitem__(self, place: int) -> Finding: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, place: int | slice) -> Finding | tuple[Finding, ...]:
        return self.findings[place]

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def ok(self) -> bool:
        """Nothing failed; there may be warnings."""
        return not self.of(Verdict.fail)

    def of(self, verdict: Verdict | str) -> tuple[Finding, ...]:
        """The findings with that verdict."""
        return tuple(finding for finding in self.findings if finding.verdict == verdict)

    def about(self, check: str) -> tuple[Finding, ...]:
        """The findings of one check."""
        return tuple(finding for finding in self.findings if finding.check == check)

    @property
    def summary(self) -> str:
        """How many of each verdict, the worst first."""
        counts = ((verdict, len(self.of(verdict))) for verdict in (Verdict.fail, Verdict.warn, Verdict.skip, Verdict.ok))
        return ", ".join(f"{count} {verdict}" for verdict, count in counts if count) + f" ({self.seconds:.1f} s)"

    def __repr__(self) -> str:
        return fitting("\n".join([f"{printable(self.uri)}: {self.summary}", *self._lines()]))

    def _lines(self) -> Iterator[str]:
        width = max((len(finding.check) for finding in self.findings), default=0)
        for finding in self.findings:
            yield f"  {_MARKS[finding.verdict]} {finding.verdict:<4}  {printable(finding.check):<{width}}  {_said(finding)}"
            if finding.fix:
                yield f"  {'':<6}  {'':<{width}}  → {printable(finding.fix)}"

    def _repr_html_(self) -> str:
        heads = (element("th", heading, scope="col") for heading in ("check", "verdict", "found", "what to do"))
        caption = element("caption", f"{printable(self.uri)}: {self.summary}")
        body = element("tbody", *map(_row, self.findings))
        return fragment(element("table", caption, element("thead", element("tr", *heads)), body))


def _said(finding: Finding) -> str:
    return (f"{printable(finding.subject)}: " if finding.subject else "") + printable(finding.text)


def _row(finding: Finding) -> Markup:
    mark = element("span", _MARKS[finding.verdict], class_=f"casty-{_KINDS[finding.verdict]}", aria_hidden="true")
    return element(
        "tr", element("th", finding.check, scope="row"), element("td", joined([mark, " ", str(finding.verdict)])),
        element("td", _said(finding)), element("td", printable(finding.fix)),
    )  # fmt: skip


def doctor(target: str | ClusterURI | BlockingClient, *, shards: Mapping[str, int] | None = None, **options: Any) -> CheckUp:
    """Examine the way to a cluster, step by step, and say what is wrong and what to do. Takes less than five seconds.

    Parameters
    ----------
    target
        ``casty://SYSTEM@HOST:PORT[,HOST:PORT…]``, ``@prod`` (a profile, see `connect`), or a connection that is open.
    shards
        Numbers of shards to look at; those of an open connection are known.
    **options
        For an address: those of `connect` that say how nodes are reached: address_map, serializer, compression, tls,
        ssh, settings.

    Returns
    -------
    CheckUp
        Also where nothing can be reached: what is found is never raised.

    Raises
    ------
    MisuseError, InvalidAddress
        If the arguments themselves cannot be used.
    """
    loop = background_loop()
    if isinstance(target, str) and target.startswith(SIGN):
        target, options = resolved(target, {**options, "shards": shards})
        shards = options.pop("shards", None)
    if isinstance(target, str | ClusterURI):
        parsed = target if isinstance(target, ClusterURI) else ClusterURI.parse(target)
        uri, examination = str(parsed), _of_address(parsed, shards, options)
    else:
        uri, examination = target.uri, target.backend.examine(shards)
    findings, seconds = loop.run(_bounded(examination))
    said = (replace(each, text=said_here(each.text), fix=said_here(each.fix)) for each in findings)
    return CheckUp(uri, tuple(said), seconds)


async def _of_address(uri: ClusterURI, shards: Mapping[str, int] | None, options: dict[str, Any]) -> list[Finding]:
    given = ConnectOptions.of(options)
    gateway = SSHGateway(given.ssh, given.settings) if given.ssh is not None else None
    try:
        return await examine_address(uri, given, gateway, shards)
    finally:
        if gateway is not None:
            await gateway.close()


async def _bounded(examination: Coroutine[Any, Any, list[Finding]]) -> tuple[list[Finding], float]:
    clock = asyncio.get_running_loop().time
    started = clock()
    try:
        async with asyncio.timeout(WITHIN):
            findings = await examination
    except TimeoutError:
        fix = "look at the machines' load, or connect with -v for the whole story"
        findings = [Finding("doctor", Verdict.fail, f"not done within {WITHIN:g} s", fix)]
    return findings, clock() - started
