"""``python -m tests.reliability``: the report, for our client and, where casty is installed, for casty's own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from tests.reliability.clients import Maker, Ours, Theirs, has_theirs
from tests.reliability.outcomes import Outcome, table
from tests.reliability.scenarios import SCENARIOS, Scenario

LIMIT = 180.0
"""Seconds for one scenario of one client; the cycles of theirs take the longest."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"which ones: {', '.join(SCENARIOS)} (all)")
    parser.add_argument("--only", choices=["ours", "theirs"], help="one client instead of both")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.scenario if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    # What the clients log of the faults is not the report.
    logging.disable(logging.CRITICAL)
    makers: list[Maker] = []
    if options.only != "theirs":
        makers.append(Ours)
    if options.only != "ours" and has_theirs():
        makers.append(Theirs)
    outcomes = []
    for name in options.scenario or SCENARIOS:
        for maker in makers:
            outcomes.append(asyncio.run(_run(name, SCENARIOS[name], maker)))
            print(f"{name}: {' | '.join(outcomes[-1].cells()[1:])}", file=sys.stderr, flush=True)
    print(table(outcomes))
    return 0


async def _run(name: str, scenario: Scenario, maker: Maker) -> Outcome:
    client = getattr(maker, "name", "?")
    try:
        async with asyncio.timeout(LIMIT):
            return await scenario(maker)
    except TimeoutError as error:
        return Outcome(name, client, errors=[error], facts={"gave up": "the scenario did not come to its end"})


if __name__ == "__main__":
    sys.exit(main())
