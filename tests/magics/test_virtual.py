"""The magics on a cluster of casty 0.30: the same lines, its own words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from tests.backends.virtual.cluster import VirtualCluster
from tests.magics.harness import Shell
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def shop() -> Iterator[VirtualCluster]:
    with VirtualCluster() as cluster:
        yield cluster


@pytest.fixture
def connected(bare_shell: Shell, shop: VirtualCluster) -> Shell:
    bare_shell.run("%load_ext casty_notebook")
    bare_shell.run(f"%casty_connect casty://shop@127.0.0.1:{shop.ports[0]};")
    bare_shell.run("%casty_ask --force shop.actors:counter/user-42 shop.actors.Get()")
    return bare_shell


def test_asking_telling_and_fanning_out_are_as_anywhere(connected: Shell) -> None:
    before = connected.run("%casty_ask counter/user-42 shop.actors.Get()")
    connected.run("%casty_tell counter/user-42 shop.actors.Add(amount=2)")
    assert connected.run("%casty_ask shop.actors:counter/user-42 shop.actors.Get()") == before + 2
    table = connected.run("%%casty_ask counter/user-{1..20}\nshop.actors.Get()")
    assert table.error.isna().all()
    assert table.node.nunique() > 1


def test_a_class_of_the_notebook_will_do_since_names_travel_and_modules_do_not(connected: Shell) -> None:
    connected.run("from dataclasses import dataclass\n@dataclass\nclass Add:\n    amount: int")
    assert isinstance(connected.run("%casty_ask counter/user-7 Add(3)"), int)


def test_tables_have_the_words_of_the_ring(connected: Shell) -> None:
    members = connected.run("%casty_members")
    assert {"opinions", "ring_share", "replica_share", "types", "incarnation"} <= set(members.columns)
    assert not {"leader", "roles", "shards"} & set(members.columns)
    assert members.ring_share.sum() == pytest.approx(1, abs=0.001)
    assert len(connected.run("%casty_shards")) == 1024
    wait_until(lambda: len(connected.run("%casty_services")) > 0)
    assert "module" in connected.run("%casty_services").columns


def test_where_says_slice_replicas_and_what_if_the_node_goes(connected: Shell) -> None:
    place = connected.run("%casty_where counter/never-asked")
    assert 0 <= place.shard < 1024
    assert place.heir == place.replicas[0]
    assert "ring slice" in repr(place)


def test_one_type_has_no_ring_of_its_own(connected: Shell) -> None:
    with pytest.raises(UsageError, match="leave out the type"):
        connected.run("%casty_shards counter")


def test_a_type_that_no_member_has_met_is_refused_with_what_is_near(connected: Shell) -> None:
    wait_until(lambda: len(connected.run("%casty_services")) > 0)
    with pytest.raises(UsageError, match="counter"):
        connected.run("%casty_ask countr/user-42 shop.actors.Get()")


def test_what_only_a_sharded_cluster_has_says_so(connected: Shell) -> None:
    connected.run("import casty_notebook")
    error = connected.attempt("casty_notebook.current().entity_ref('counter', 100)").error_in_exec
    assert "0.15 to 0.21" in str(error)


def test_types_and_members_are_completed(connected: Shell) -> None:
    wait_until(lambda: len(connected.run("%casty_services")) > 0)
    line = "%casty_ask coun"
    with provisionalcompleter():
        found = {each.text for each in connected.ip.Completer.completions(line, len(line))}
    assert "counter/" in found
    line = "%casty_ask counter@"
    with provisionalcompleter():
        found = {each.text for each in connected.ip.Completer.completions(line, len(line))}
    assert found
    assert found <= {f"counter@node-{number}" for number in (1, 2, 3)}


def test_a_pinned_type_is_asked_on_one_member_or_all(connected: Shell) -> None:
    node = connected.run("%casty_members").address[0]
    connected.run(f"%casty_ask --force shop.actors:pinned@{node} shop.actors.Who()")
    assert node in connected.run("%casty_ask pinned@node-1 shop.actors.Who()")
    wait_until(lambda: "pinned" in set(connected.run("%casty_services").type))
    everyone = connected.run("%casty_ask --all pinned shop.actors.Who()")
    assert everyone.error.isna().all()
    assert len(everyone) >= 1


def test_a_key_that_was_forgotten_is_told_once(connected: Shell, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing on the wire tells which types are pinned, and a node makes such a key for any type."""
    for _ in range(2):
        connected.run("%casty_ask counter shop.actors.Get()")
        connected.run("%casty_ask counter/user-1 shop.actors.Get()")
    (said,) = [record.getMessage() for record in caplog.records if "names no key" in record.getMessage()]
    assert said.startswith("counter names no key: asked is the one called 'default', pinned to ")
    assert said.endswith("A type that is not pinned wants counter/KEY; it has such a key now")


def test_the_doctor_knows_the_kind_corrects_the_name_and_asks_what_members_think(connected: Shell, shop: VirtualCluster) -> None:
    checked = connected.run(f"%casty_doctor casty://another-name@127.0.0.1:{shop.ports[1]}")
    assert checked.ok, repr(checked)
    (name,) = checked.about("cluster name")
    assert name.verdict == "warn"
    assert "'shop'" in name.text
    assert [each.text for each in checked.about("opinions")] == ["all members say the same of each other"]
    assert "3 of 3 reached" in checked.about("members")[0].text
    assert len(checked.about("round trip")) == 3
    assert connected.run("%casty_doctor").ok


def test_a_demo_of_casty_0_30_is_a_word_away(bare_shell: Shell) -> None:
    bare_shell.run("%load_ext casty_notebook\nfrom casty_notebook.demo.messages import *")
    cluster = bare_shell.run("%casty_connect --demo 0.30")
    assert cluster.kind.name == "virtual"
    wait_until(lambda: len(cluster.members) == 3)
    assert bare_shell.run("%casty_ask counter/user-42 GetCount") == 0
    assert "of casty 0.30" in bare_shell.out or len(bare_shell.run("%casty_members")) == 3
    bare_shell.run("%casty_disconnect")


def test_a_casty_that_no_demo_runs_is_refused_with_those_that_do(bare_shell: Shell) -> None:
    bare_shell.run("%load_ext casty_notebook")
    with pytest.raises(UsageError, match=r"'0\.30'"):
        bare_shell.run("%casty_connect --demo 0.14")
