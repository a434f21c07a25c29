"""Every scenario of the report, in the order of the table: name, how to run it, and with what it may run at the same time.

To read one, go to its module: `starting` (contact points, many clients, coming and going), `losing` (nodes end),
`silence` (nobody ends, but nothing comes).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from tests.reliability import losing, silence, starting
from tests.reliability.clients import Maker
from tests.reliability.outcomes import Outcome

__all__ = ["SCENARIOS", "Scenario"]

type Scenario = Callable[[Maker], Awaitable[Outcome]]

SCENARIOS: dict[str, Scenario] = {
    **{
        f"first-contact-{kind.replace(' ', '-')}": partial(starting.dead_first_contact, kind=kind)
        for kind in starting.DEAD_CONTACTS
    },
    "contact-killed": losing.contact_killed,
    "other-killed": losing.other_node_killed,
    "leader-killed": losing.leader_killed,
    "only-restarted": losing.only_node_restarted,
    "only-restarted-idle": partial(losing.only_node_restarted, idle=True),
    "frozen": silence.node_frozen,
    "quiet": silence.quiet_cluster,
    "rolling-restart": losing.rolling_restart,
    "ten-kills": losing.ten_kills,
    "cut": silence.cut_inside_a_frame,
    "half-open": silence.half_open,
    "ten-clients": starting.ten_clients,
    "client-restarted": starting.client_restarted,
    "cycles": starting.connect_close_cycles,
}
