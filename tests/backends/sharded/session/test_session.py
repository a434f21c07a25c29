"""One session against a simulated cluster: time is a number, and nothing waits."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.events import Close
from casty_notebook.backends.sharded.session.messages import SubscribeTopology
from casty_notebook.backends.sharded.session.targets import ActorTarget
from casty_notebook.errors import (
    AskTimeout,
    ClientClosed,
    NodeUnreachable,
    Overloaded,
    ShardCountMismatch,
    SystemNameMismatch,
)
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState
from casty_notebook.topology.snapshot import MemberStatus
from casty_notebook.values.envelope import entity_shard
from casty_notebook.values.targets import EntityName
from tests.backends.sharded.session.world import SYSTEM, World, node


def all_on(number: int) -> dict[str, dict[int, NodeAddress]]:
    """All shards of counter on one node."""
    return {"counter": dict.fromkeys(range(100), node(number))}


def ready(**options: object) -> World:
    """A world with counter registered and the first snapshot in."""
    world = World(**options)  # type: ignore[arg-type]
    world.register("counter", 100)
    world.run(0.1)
    return world


def test_the_first_snapshot_comes_through_the_first_contact_point() -> None:
    world = World()
    world.run(0.1)
    assert world.session.snapshot is not None
    assert world.session.contact == node(1)


def test_every_member_gets_one_link_under_one_identity() -> None:
    world = World(contacts=[node(1)])
    world.run(0.1)
    assert sorted(address for address, _ in world.links.values()) == [node(1), node(2), node(3)]
    assert len({identity for _, identity in world.links.values()}) == 1


def test_a_dead_contact_point_costs_no_more_than_its_head_start() -> None:
    world = World(contacts=[node(9), node(2)])
    world.run(0.02)
    assert world.session.snapshot is not None
    assert world.session.contact_attempts()[0].outcome == "connection refused"


def test_a_mute_contact_point_is_overtaken_within_a_second() -> None:
    world = World()
    world.nodes[node(1)].frozen = True
    world.run(0.3)
    assert world.session.snapshot is not None


def test_a_contact_that_shakes_hands_but_never_pushes_is_overtaken() -> None:
    world = World()
    world.nodes[node(1)].silent_topology = True
    world.run(1.5)
    assert world.session.snapshot is not None
    assert world.session.contact == node(2)


class Tunnelled(World):
    """`leads` says at which node an address ends; `dialled` is what was."""

    def __init__(self, leads: dict[NodeAddress, NodeAddress], **options: Any) -> None:
        self.leads = leads
        self.dialled: list[NodeAddress] = []
        super().__init__(**options)

    def _connect(self, link: int, address: NodeAddress, identity: NodeAddress) -> None:
        self.dialled.append(address)
        super()._connect(link, self.leads.get(address, address), identity)


def test_a_way_to_a_node_that_has_come_to_lead_to_another_is_tried_once() -> None:
    mouth = node(99)
    world = Tunnelled({mouth: node(1)}, nodes=(1, 2), contacts=[mouth])
    world.gossip()
    world.run(2.0)
    assert world.dialled == [mouth, node(2)]
    world.leads[mouth] = node(2)
    for _ in range(4):  # every other time the other of the two ways is taken
        world.cut(node(1))
        world.run(3.0)
    assert world.dialled.count(mouth) == 2
    assert world.session.health(world.now)[node(1)].state is LinkState.live


def test_an_ask_made_before_the_first_snapshot_waits_for_it() -> None:
    world = World()
    world.register("counter", 100)
    ask = world.ask("counter/user-42")
    world.run(0.1)
    assert world.replies[ask] == f"reply from {world.allocations['counter'][87]}"


def test_a_located_shard_is_reached_with_zero_hops() -> None:
    world = ready(shards=all_on(2))
    ask = world.ask("counter/user-42")
    world.run(0.01)
    assert world.replies[ask] == f"reply from {node(2)}"
    assert [path for path, _ in world.nodes[node(2)].inbox] == ["/_region-counter"]


def test_an_unallocated_shard_is_asked_of_the_leader_and_envelopes_keep_their_order() -> None:
    world = ready()
    for number in range(5):
        world.tell("counter/alice", number)
    world.run(0.1)
    assert world.delivered("alice") == [0, 1, 2, 3, 4]


def test_a_killed_owner_fails_its_waiting_asks_at_once_and_says_that_they_may_have_run() -> None:
    world = ready(shards=all_on(2))
    world.nodes[node(2)].answers_asks = False
    ask = world.ask("counter/user-42")
    world.run(0.01)
    world.kill(node(2))
    error = world.failures[ask]
    assert isinstance(error, NodeUnreachable)
    assert error.report.may_have_run
    assert error.report.owner == str(node(2))


def test_asks_to_a_dead_owner_are_held_until_the_leader_names_another_and_go_out_once() -> None:
    world = ready(shards=all_on(2))
    world.gossip()
    world.kill(node(2))
    asks = [world.ask("counter/user-42") for _ in range(5)]
    world.run(2.0)
    assert not world.failures
    world.allocations["counter"] = dict.fromkeys(range(100), node(3))
    world.run(0.6)
    assert [world.replies[ask] for ask in asks] == [f"reply from {node(3)}"] * 5
    assert world.delivered("user-42") == asks


def test_an_ask_that_is_held_in_vain_tells_the_whole_story_at_its_timeout() -> None:
    world = ready(shards=all_on(2))
    world.gossip()
    world.kill(node(2))
    ask = world.ask("counter/user-42", timeout=3.0)
    world.run(3.1)
    error = world.failures[ask]
    assert isinstance(error, AskTimeout)
    assert not error.report.may_have_run
    said = f"{error.report.cause} {error.report.advice}"
    for word in (f"its node {node(2)} cannot be reached (connection refused)", "asked", f"answers named {node(2)}", "fail_fast"):
        assert word in said, word
    assert any("shard 87: asked" in line for line in error.report.story)
    assert any(f"shard 87: answer: {node(2)}" in line for line in error.report.story)


def test_asks_that_are_to_fail_fast_do_so_until_the_leader_names_another() -> None:
    world = ready(shards=all_on(2))
    world.gossip()
    world.kill(node(2))
    first = world.ask("counter/user-42", fail_fast=True)
    world.run(0.01)
    failed = world.failures[first]
    assert isinstance(failed, NodeUnreachable)
    assert not failed.report.may_have_run
    for shard in world.allocations["counter"]:
        world.allocations["counter"][shard] = node(3)
    world.run(0.6)
    second = world.ask("counter/user-42", fail_fast=True)
    world.run(0.01)
    assert world.replies[second] == f"reply from {node(3)}"


def asked_for(world: World, shard: int) -> list[float]:
    return [at for at, asked in world.located if asked == shard]


def test_one_question_per_shard_goes_to_the_coordinator_however_many_asks_wait_and_come() -> None:
    """The pause between two is `shard_retry`, also while every answer names the dead node, whoever comes and goes."""
    world = ready(shards=all_on(2))
    world.gossip()
    world.kill(node(2))
    start = world.now
    for _ in range(100):
        for _ in range(20):
            world.ask("counter/user-42", timeout=0.3)
        world.run(0.05)
    times = [at for at in asked_for(world, 87) if at >= start]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) == pytest.approx(5.0 / Settings().shard_retry, abs=2)
    assert min(pauses) > 0.95 * Settings().shard_retry
    assert max(pauses) < 1.2 * Settings().shard_retry


def test_a_shard_that_the_cluster_frees_is_asked_for_at_once_also_after_a_long_silence() -> None:
    """A leader that does not answer is asked with growing pauses; what the cluster moves ends them."""
    world = ready(shards=all_on(2))
    world.gossip()
    world.kill(node(2))
    world.hosted = set()
    ask = world.ask("counter/user-42", timeout=60.0)
    world.run(20.0)
    last = asked_for(world, 87)[-1]
    world.run(max(0.0, last + 0.6 - world.now))
    world.hosted = {"counter"}
    world.members[node(2)] = MemberStatus.down
    world.allocations["counter"] = dict.fromkeys(range(87), node(3))
    world.push()
    world.run(0.1)
    assert asked_for(world, 87)[-1] > last
    assert ask in world.replies


def test_survivors_are_asked_in_turn_while_no_leader_is_known() -> None:
    """Each knows what it has heard: the answer of one is no reason not to ask the next."""
    world = ready(nodes=[1, 2, 3, 4], contacts=[node(3)], shards=all_on(1))
    world.gossip()
    world.kill(node(1))
    world.ask("counter/user-42", timeout=10.0)
    world.run(3.0)
    assert {to for at, to in world.questioned if at > 0.5} == {node(2), node(3), node(4)}


def test_an_ask_with_retry_survives_the_death_of_its_node() -> None:
    world = ready(shards=all_on(2))
    world.gossip()
    world.nodes[node(2)].answers_asks = False
    ask = world.ask("counter/user-42", retry=True)
    world.run(0.01)
    world.kill(node(2))
    world.run(1.0)
    world.allocations["counter"] = dict.fromkeys(range(100), node(3))
    world.run(1.5)
    assert world.replies[ask] == f"reply from {node(3)}"


def test_a_killed_contact_is_replaced_within_a_second_and_live_nodes_never_fail() -> None:
    world = ready(contacts=[node(1)], shards=all_on(3))
    world.gossip()
    world.kill(node(1))
    before = len(world.published)
    asks = []
    for _ in range(100):
        asks.append(world.ask("counter/user-42"))
        world.run(0.01)
    assert world.session.contact in (node(2), node(3))
    assert len(world.published) > before
    assert all(ask in world.replies for ask in asks)


def test_a_dead_leader_is_replaced_by_who_will_be_leader() -> None:
    world = ready()
    world.gossip()
    world.kill(node(1))
    ask = world.ask("counter/user-42")
    world.run(1.0)
    assert ask not in world.failures
    world.leader = node(2)
    world.members[node(1)] = MemberStatus.down
    world.run(2.0)
    assert world.replies[ask].startswith("reply from")


def test_tells_to_a_dead_owner_wait_in_order_and_arrive_once_when_it_is_back() -> None:
    world = ready(shards=all_on(2))
    world.gossip()
    world.kill(node(2))
    for number in range(3):
        world.tell("counter/user-42", number)
    world.run(5.0)
    world.start(node(2))
    world.run(3.0)
    world.tell("counter/user-42", 3)
    world.run(0.1)
    assert world.delivered("user-42") == [0, 1, 2, 3]
    assert world.session.buffered == 0


def test_the_only_node_restarted_is_found_again_within_a_second() -> None:
    world = ready(nodes=[1], shards=all_on(1))
    world.kill(node(1))
    world.run(20.0)
    world.start(node(1))
    before = len(world.published)
    world.run(1.0)
    assert len(world.published) > before
    ask = world.ask("counter/user-42")
    world.run(0.01)
    assert ask in world.replies


def test_a_reconnect_never_presents_an_identity_that_the_node_may_have_refused() -> None:
    world = ready()
    old = {identity for _, identity in world.links.values()}
    world.cut(node(2))
    world.run(1.0)
    new = {identity for address, identity in world.links.values() if address == node(2)}
    assert new
    assert not new & old


def test_a_quiet_single_node_is_probed_once_a_window_and_never_dialled_again() -> None:
    world = ready(nodes=[1])
    dials, probes = world.nodes[node(1)].dials, len(world.published)
    world.run(60.0)
    assert world.nodes[node(1)].dials == dials
    assert 6 <= len(world.published) - probes <= 8
    assert world.session.counters["probes"] == 1


def test_a_frozen_node_is_noticed_within_the_window_and_not_stormed_when_it_wakes() -> None:
    world = ready(shards={"counter": {s: node(2 if s % 2 else 3) for s in range(100)}})
    world.gossip()
    world.run(5.0)
    world.freeze(node(2))
    world.run(10.0)
    assert world.session.health(world.now)[node(2)].state is LinkState.suspect
    quick = world.ask(_entity_on(world, node(2)), fail_fast=True)
    world.run(0.01)
    assert isinstance(world.failures[quick], NodeUnreachable)
    fine = world.ask(_entity_on(world, node(3)))
    world.run(0.01)
    assert fine in world.replies
    world.run(5.0)
    dials = world.nodes[node(2)].dials
    world.thaw(node(2))
    world.run(3.0)
    assert world.session.health(world.now)[node(2)].state is LinkState.live
    assert world.nodes[node(2)].dials - dials <= 2


def test_a_node_that_is_suspect_is_not_asked_for_its_topology_until_it_says_something() -> None:
    world = ready(nodes=(1,))
    world.freeze(node(1))
    world.run(40.0)
    assert world.session.health(world.now)[node(1)].state is LinkState.suspect
    asked = [outgoing for _, outgoing in world.nodes[node(1)].backlog if isinstance(outgoing.message, SubscribeTopology)]
    assert len(asked) == 2, "while it was only doubted"
    world.thaw(node(1))
    world.run(1.0)
    assert world.session.contact == node(1)


def test_an_ask_that_times_out_in_silence_has_its_node_looked_at_at_once() -> None:
    world = ready(shards=all_on(2))
    world.freeze(node(2))
    world.run(0.5)
    world.ask("counter/user-42", timeout=0.5)
    world.run(0.5 + Settings().probe_timeout + 0.1)
    assert world.session.health(world.now)[node(2)].state is LinkState.suspect


def test_a_node_that_the_cluster_finds_unwell_is_looked_at_at_once() -> None:
    world = ready(shards=all_on(1))
    world.gossip(0.2)
    world.freeze(node(2))
    world.run(3.0)
    probes = world.session.counters["probes"]
    world.unreachable = frozenset({node(2), node(3)})
    world.run(0.3 + Settings().probe_timeout)
    health = world.session.health(world.now)
    assert (health[node(2)].state, health[node(3)].state) == (LinkState.suspect, LinkState.live)
    assert world.session.counters["probes"] == probes + 2
    world.run(3.0)
    assert world.session.counters["probes"] == probes + 2


def test_a_timeout_of_a_node_that_says_other_things_is_no_reason_to_look() -> None:
    world = ready(shards=all_on(1))
    world.gossip(0.2)
    world.nodes[node(1)].answers_asks = False
    probes = world.session.counters["probes"]
    world.ask("counter/user-42", timeout=1.0)
    world.run(1.5)
    assert world.session.counters["probes"] == probes


def test_a_frozen_contact_is_replaced() -> None:
    world = ready()
    world.gossip()
    world.freeze(node(1))
    world.run(6.0)
    assert world.session.contact != node(1)
    world.thaw(node(1))
    world.run(3.0)
    assert world.nodes[node(1)].subscribers == set()


def test_a_flapping_node_does_not_make_healthy_ones_be_dialled_again_and_again() -> None:
    world = ready()
    world.gossip()
    before = world.nodes[node(3)].dials
    for _ in range(20):
        world.cut(node(2))
        world.run(1.5)
    assert world.nodes[node(3)].dials - before <= 4


def test_shards_that_the_cluster_takes_from_a_dead_node_are_asked_for_at_once() -> None:
    world = World(nodes=[1, 2], contacts=[node(1)], shards=all_on(2))
    # Known from the coordinator's answer only, which outlives the snapshots that do not mention the shard.
    world.hidden = {("counter", shard) for shard in range(100)}
    world.register("counter", 100)
    world.ask("counter/user-42")
    world.run(0.1)
    world.kill(node(2))
    world.run(0.3)
    refused = world.ask("counter/user-42", fail_fast=True)
    world.run(0.01)
    assert isinstance(world.failures[refused], NodeUnreachable)
    world.members[node(2)] = MemberStatus.down
    world.allocations["counter"] = {}
    world.push()
    world.run(0.01)
    ask = world.ask("counter/user-42", fail_fast=True)
    world.run(0.01)
    assert world.replies[ask] == f"reply from {node(1)}"


def test_a_node_that_is_cut_off_four_times_in_a_row_fails_no_ask_made_meanwhile() -> None:
    world = ready(shards=all_on(2))
    world.gossip()
    asks = []
    for _ in range(4):
        world.cut(node(2))
        asks.append(world.ask("counter/user-42"))
        world.run(1.0)
    assert world.failures == {}
    assert set(asks) <= world.replies.keys()


def test_a_node_that_is_cut_off_again_and_again_is_down_in_the_end() -> None:
    world = ready(shards=all_on(2))
    world.gossip()
    for _ in range(8):
        world.cut(node(2))
        world.run(1.0)
    world.cut(node(2))
    assert world.session.health(world.now)[node(2)].state is LinkState.down
    ask = world.ask("counter/user-42", fail_fast=True)
    world.run(0.05)
    assert isinstance(world.failures[ask], NodeUnreachable)


def test_after_a_loss_all_nodes_share_a_fresh_identity_again_and_old_links_go() -> None:
    world = ready()
    world.gossip()
    world.run(11.0)
    world.cut(node(2))
    world.run(30.0)
    assert len(world.links) == 3
    assert len({identity for _, identity in world.links.values()}) == 1


def test_where_an_old_link_goes_the_newer_carries_envelopes_from_that_moment_on() -> None:
    world = ready(shards=all_on(3))
    world.gossip()
    world.run(11.0)
    world.cut(node(2))  # which gives everybody a link under a fresh identity
    ends = -1
    for _ in range(1000):
        world.run(0.001)
        before, ends = ends, sum(address == node(3) for address, _ in world.links.values())
        if ends < before:
            break
    assert (before, ends) == (2, 1)
    ask = world.ask("counter/user-42")
    world.run(0.01)
    assert ask in world.replies


def test_unsubscribing_is_made_up_for_when_a_lost_contact_comes_back() -> None:
    world = ready()
    world.gossip()
    assert len(world.nodes[node(1)].subscribers) == 1
    world.cut(node(1))
    world.run(3.0)
    subscriptions = sum(len(place.subscribers) for place in world.nodes.values())
    assert subscriptions == 1


def test_what_is_owed_for_a_ref_is_not_paid_once_that_ref_is_subscribed_again() -> None:
    world = ready(nodes=(1, 2))
    world.gossip()
    world.run(5.0)
    world.freeze(node(1))
    world.freeze(node(2))
    world.run(15.0)
    assert world.session.contact is None
    world.thaw(node(1))
    world.run(1.0)
    assert world.session.contact == node(1)
    # A fresh identity goes to the other node first, and then to this one: with a new link debts are paid.
    world.thaw(node(2))
    world.cut(node(2))
    identities = set()
    for _ in range(1000):
        world.run(0.001)
        identities |= {identity for address, identity in world.links.values() if address == node(1)}
        assert world.nodes[node(1)].subscribers
    assert len(identities) == 2


def test_closing_leaves_no_subscription_and_no_link() -> None:
    world = ready()
    world.feed(Close())
    world.run(1.0)
    assert world.closed
    assert world.links == {}
    assert all(place.subscribers == set() for place in world.nodes.values())


def test_closing_fails_what_waits() -> None:
    world = ready(shards=all_on(2))
    world.nodes[node(2)].answers_asks = False
    ask = world.ask("counter/user-42")
    world.run(0.1)
    world.session.peers._named.add(node(9))
    unsent = world.ask(ActorTarget(node(9), "/x"))
    world.feed(Close())
    error = world.failures[ask]
    assert isinstance(error, ClientClosed)
    assert error.report.may_have_run
    assert not world.failures[unsent].report.may_have_run  # type: ignore[attr-defined]


def test_a_repeated_ask_that_fails_in_the_end_says_that_an_earlier_try_may_have_run() -> None:
    world = ready(shards=all_on(2))
    world.nodes[node(2)].answers_asks = False
    ask = world.ask("counter/user-42", timeout=1.0, retry=True)
    world.run(0.1)
    world.kill(node(2))
    world.run(2.0)
    error = world.failures[ask]
    assert isinstance(error, AskTimeout)
    assert error.report.may_have_run


def test_another_system_name_ends_the_session_and_names_both() -> None:
    world = World(nodes=[1])
    world.nodes[node(1)].system = "other"
    ask = world.ask(ActorTarget(node(1), "/x"))
    world.run(0.1)
    error = world.failures[ask]
    assert isinstance(error, SystemNameMismatch)
    assert "'other'" in str(error)
    assert repr(SYSTEM) in str(error)


def test_another_number_of_shards_is_refused() -> None:
    world = ready()
    with pytest.raises(ShardCountMismatch, match="num_shards=100"):
        world.register("counter", 50)


def test_a_shard_id_outside_the_number_of_shards_is_reported_once_and_asks_go_on() -> None:
    world = World(shards={"counter": {120: node(1), 87: node(2)}})
    world.register("counter", 100)
    world.gossip()
    ask = world.ask("counter/user-42")
    world.run(3.0)
    assert ask in world.replies
    (said,) = world.reports
    assert "shard 120" in said
    late = World(shards={"counter": {120: node(1)}})
    late.run(0.1)
    late.register("counter", 100)
    ask = late.ask("counter/user-42")
    late.run(0.1)
    assert ask in late.replies
    assert len(late.reports) == 1


def test_a_number_of_shards_that_is_too_large_is_reported_as_soon_as_that_is_likely() -> None:
    world = World(shards={"counter": {shard: node(1) for shard in range(0, 100, 10)}})
    world.register("counter", 200)
    world.gossip()
    world.run(1.0)
    (said,) = world.reports
    assert "'counter' was given as 200 shards" in said
    assert "below 91" in said
    assert "1 in" in said


def test_shards_that_only_we_have_asked_for_say_nothing_of_their_number() -> None:
    world = World(shards={"counter": dict.fromkeys(range(5), node(1))})
    world.register("counter", 100)
    for number in range(100):
        world.ask(f"counter/{number}")
    world.gossip()
    world.run(1.0)
    assert len(world.replies) == 100
    assert len(world.reports) == 1


def test_a_full_buffer_refuses_the_newest_and_keeps_the_rest() -> None:
    world = World(contacts=[node(9)], settings=Settings(max_buffered=3))
    world.register("counter", 100)
    for number in range(3):
        world.tell("counter/alice", number)
    last = world.ask("counter/alice")
    assert isinstance(world.failures[last], Overloaded)
    world.tell("counter/alice", 4)
    assert isinstance(world.rejected[0], Overloaded)
    assert world.session.counters["overflowed"] == 2
    assert world.session.buffered == 3


def test_an_ask_that_times_out_takes_its_buffered_envelope_along() -> None:
    world = World(contacts=[node(9)])
    world.register("counter", 100)
    ask = world.ask("counter/alice", timeout=1.0)
    world.run(1.1)
    error = world.failures[ask]
    assert isinstance(error, AskTimeout)
    assert "connection refused" in str(error)
    assert world.session.buffered == 0


def test_a_timeout_on_a_reachable_node_says_that_it_may_have_run() -> None:
    world = ready(shards=all_on(2))
    world.nodes[node(2)].answers_asks = False
    ask = world.ask("counter/user-42", timeout=1.0)
    world.run(1.1)
    report = world.failures[ask].report  # type: ignore[attr-defined]
    assert report.may_have_run
    assert report.owner_health == "live"
    assert report.shard == 87


def test_a_type_that_nobody_hosts_is_named_in_the_timeout() -> None:
    world = ready()
    world.register("cuonter", 100)
    ask = world.ask("cuonter/alice", timeout=2.0)
    world.run(2.1)
    assert "shows no shards of 'cuonter'" in str(world.failures[ask])


def test_unsent_envelopes_of_a_lost_link_are_routed_again_in_order() -> None:
    world = ready(shards=all_on(2))
    world.stuck = {link for link, (address, _) in world.links.items() if address == node(2)}
    for number in range(4):
        world.tell("counter/user-42", number)
    asked = world.ask("counter/user-42")
    world.cut(node(2))
    world.run(2.0)
    assert world.delivered("user-42") == [0, 1, 2, 3, asked]
    assert asked in world.replies


def test_a_snapshot_without_a_shard_does_not_lose_it() -> None:
    world = ready(shards=all_on(2))
    world.hidden = {("counter", 87)}
    world.push()
    world.run(0.1)
    ask = world.ask("counter/user-42")
    world.run(0.1)
    assert world.replies[ask] == f"reply from {node(2)}"


def test_every_failure_quotes_the_story() -> None:
    world = ready(shards=all_on(2))
    world.kill(node(2))
    ask = world.ask("counter/user-42", fail_fast=True)
    world.run(0.01)
    assert any("LinkLost" in line for line in world.failures[ask].report.story)  # type: ignore[attr-defined]


def test_a_chosen_identity_is_the_only_one_ever_presented() -> None:
    chosen = type(node(1))("127.0.0.1", 4000)
    world = ready(fixed=chosen)
    world.cut(node(2))
    world.run(20.0)
    assert set(world.identities) == {chosen}


def _entity_on(world: World, address: object) -> EntityName:
    table = world.allocations["counter"]
    number = next(n for n in range(1000) if table[entity_shard(f"e{n}", 100)] == address)
    return EntityName("counter", f"e{number}")
