"""What a script and a DataFrame have to send, as the nodes get it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from casty_notebook import Cluster
from casty_notebook.demo import DemoCluster
from tests.support.scripts import after_connecting, run_script

DEFINED = """
from dataclasses import dataclass
from casty_notebook.demo.messages import Increment

@dataclass(frozen=True)
class Add(Increment):
    pass
"""

NODE = f"""
{DEFINED}
import __main__
Add.__module__ = "__main__"
__main__.Add = Add
"""
"""The node's own script has the class as well."""


def test_a_script_may_insist_on_sending_a_class_of_its_own(start_cluster: Callable[..., DemoCluster], tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(NODE)
    demo = start_cluster(1, app=app)
    script = DEFINED + after_connecting("""
        cluster = connected("plain")
        try:
            cluster.tell("counter/main", Add(2))
        except errors.UnsendableMessage as error:
            print("this script" in str(error), "send_main=True" in str(error))
        insists = casty_notebook.connect(uri, shards={"counter": 100}, name="insists", send_main=True)
        insists.tell("counter/main", Add(2))
        print(insists.ask("counter/main", GetCount))
    """)
    done = run_script(script, demo.uri)
    assert done.stdout.splitlines() == ["True True", "2"], done.stderr


def test_the_sum_of_a_column_arrives_as_a_number(any_bank: Cluster) -> None:
    bank = any_bank.module("bank.messages")
    column = pd.Series([1, 2])
    told = any_bank.ask("bank-account/alice", bank.Describe(value=[column.sum(), {"mean": column.mean()}, np.float32(0.5)]))
    assert told == "builtins.list(3, dict(mean: 1.5), 0.5)"
