"""A client in a process of its own: ``python -m tests.networks.explorer TASK``, TASK and answer as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from casty_notebook import SSH, NodeAddress, connect
from casty_notebook.demo.messages import ProcessPayment, WhereAreYou
from casty_notebook.errors import NoContactPoint


def explore(task: dict[str, Any]) -> dict[str, Any]:
    """Connect as told, ask all over the cluster, and say what was seen."""
    address_map = {NodeAddress(*there): NodeAddress(*here) for there, here in task.get("address_map", ())}
    ssh = SSH(**task["ssh"]) if "ssh" in task else None
    try:
        cluster = connect(
            task["uri"], shards={"counter": 100}, address_map=address_map or None, ssh=ssh,
            timeout=task.get("timeout", 5.0),
        )  # fmt: skip
    except NoContactPoint as error:
        return {"attempts": [attempt.outcome for attempt in error.attempts]}
    with cluster:
        return {
            "members": sorted(cluster.members.address),
            "reachable": bool(cluster.members.reachable.all()),
            "answered": sorted({ask(cluster, n) for n in range(30)}),
            "payment": cluster.ask("payment", lambda r: ProcessPayment(7, r)).amount,
        }


def ask(cluster: Any, number: int) -> str:
    node: str = cluster.ask(f"counter/far-{number}", lambda r: WhereAreYou(r)).node
    return node


if __name__ == "__main__":
    print(json.dumps(explore(json.loads(sys.argv[1]))))
