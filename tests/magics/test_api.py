"""Every magic as a function, in a process that has no shell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import Balance, Deposit, GetBalance, GetCount, Increment
from casty_notebook.errors import MisuseError
from casty_notebook.magics import api
from casty_notebook.views.cluster import Cluster


@pytest.fixture
def cluster(demo_cluster: DemoCluster) -> Iterator[Cluster]:
    made = api.casty_connect(
        demo_cluster.uri, name="functions", shards=demo_cluster.shards, messages=demo_cluster.messages
    )
    assert isinstance(made, Cluster)
    yield made
    made.close()


def test_the_functions_use_the_current_connection(cluster: Cluster) -> None:
    assert api.casty_ask("account/functions", Deposit(4)) == Balance("functions", 4)
    api.casty_tell("counter/functions", Increment(2))
    assert api.casty_ask("counter/functions", GetCount) == 2
    assert len(api.casty_members()) == 3
    assert set(api.casty_services()["service"]) == {"payment"}
    assert list(api.casty_events().columns)[:2] == ["time", "kind"]
    assert api.casty_where("counter/functions").shard_type == "counter"
    assert set(api.casty_shards("counter")["type"]) == {"counter"}
    table = api.casty_ask_many(["account/functions", "account/other"], GetBalance)
    assert [reply.amount for reply in table["reply"]] == [4, 0]


def test_a_range_is_many_targets_here_too(cluster: Cluster) -> None:
    assert list(api.casty_ask_many("counter/functions-{1..3}", GetCount)["reply"]) == [0, 0, 0]
    table = api.casty_ask_many(["counter/{9..8}", "counter/x"], GetCount)
    assert list(table["target"]) == ["counter/9", "counter/8", "counter/x"]


def test_a_tell_to_everyone_reaches_each_instance(cluster: Cluster) -> None:
    assert len(api.every_instance(["payment", "counter/1"])) == 3
    api.casty_tell("payment", Increment(1), everyone=True)


def test_the_functions_raise_this_packages_own_errors(cluster: Cluster) -> None:
    with pytest.raises(MisuseError, match="Did you mean functions"):
        api.casty_members(connection="function")
    with pytest.raises(MisuseError, match=r"Did you mean counter/1\?"):
        api.casty_ask("countr/1", GetCount)


def test_a_closed_connection_is_no_longer_the_current_one(cluster: Cluster) -> None:
    cluster.close()
    with pytest.raises(MisuseError, match="not connected"):
        api.casty_members()


def test_a_connection_without_a_demo_says_so(cluster: Cluster) -> None:
    with pytest.raises(MisuseError, match="has no demo cluster"):
        api.casty_demo()
