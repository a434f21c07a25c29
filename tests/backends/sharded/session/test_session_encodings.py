"""Finding the encoding of a cluster: a wrong guess is answered by silence and a line in the node's log."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.encodings import PICKLE, Encoding, guesses, known_encodings
from casty_notebook.backends.sharded.session.events import Close, Event, Received
from casty_notebook.backends.sharded.session.messages import SubscribeTopology
from casty_notebook.backends.sharded.session.state import Outgoing
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from tests.backends.sharded.session.world import World, node

ALL = guesses(["pickle", "json", "msgpack"], ["zlib", "gzip", "lz4", "bz2", "lzma"])
FLAT = PICKLE[1]
JSON = Encoding("pkg", "json")
LAST = ALL[-1]


class Speaking(World):
    """A cluster that understands and writes one encoding; `log` is what its nodes could not read."""

    def __init__(self, spoken: Encoding, **options: Any) -> None:
        self.spoken = spoken
        self.log: list[tuple[float, NodeAddress, Encoding, object]] = []
        options.setdefault("encodings", ALL)
        super().__init__(**options)

    def _arrive(self, link: int, outgoing: Outgoing) -> None:
        encoding = outgoing.encoding or self.session.subscription.likely
        if encoding == self.spoken:
            super()._arrive(link, outgoing)
        elif link in self.links:
            self.log.append((self.now, self.links[link][0], encoding, outgoing.message))

    def feed(self, event: Event) -> None:
        if isinstance(event, Received):
            flat = self.spoken.layout == "flat"
            hint = event.type_hint.replace("casty.cluster.", "casty.") if flat else event.type_hint
            event = dataclasses.replace(event, type_hint=hint, written=self.spoken.configuration)
        super().feed(event)

@pytest.mark.parametrize("spoken", ALL, ids=str)
def test_each_encoding_is_found_by_asking_one_node(spoken: Encoding) -> None:
    world = Speaking(spoken, nodes=(1,))
    world.run(4.0)
    assert world.session.subscription.encoding == spoken
    assert [encoding for _, _, encoding, _ in world.log] == list(ALL[: ALL.index(spoken)])
    assert len(world.nodes[node(1)].subscribers) == 1


def test_the_first_two_guesses_get_time_for_an_answer_and_the_rarer_ones_follow_quickly() -> None:
    world = Speaking(LAST, nodes=(1,))
    world.run(4.0)
    guessed = [at for at, _, _, message in world.log if isinstance(message, SubscribeTopology)]
    pauses = [later - earlier for earlier, later in itertools.pairwise(guessed)]
    likely, rarer = Settings().layout_probe, Settings().encoding_probe
    assert pauses == pytest.approx([likely, likely, *[rarer] * (len(ALL) - 4)])


@pytest.mark.parametrize("spoken", [PICKLE[0], FLAT, JSON, LAST], ids=str)
def test_all_that_is_sent_once_it_is_known_is_understood(spoken: Encoding) -> None:
    world = Speaking(spoken)
    world.register("counter", 100)
    early = world.ask("counter/user-42")
    world.run(4.0)
    wrong = len(world.log)
    late = world.ask("counter/user-99")
    world.gossip()
    world.run(5.0)
    assert {early, late} <= world.replies.keys()
    assert len(world.log) == wrong == world.session.subscription.wrong_guesses
    assert all(health.reachable for health in world.session.health(world.now).values())
    world.feed(Close())
    world.run(1.0)
    assert not any(place.subscribers for place in world.nodes.values())
    assert len(world.log) == wrong


def test_a_cluster_of_the_newest_layout_never_logs_a_guess() -> None:
    world = Speaking(PICKLE[0])
    world.gossip()
    world.run(5.0)
    assert not world.log
    assert not world.reports


def test_a_cluster_that_is_slow_in_everything_is_not_asked_in_another_encoding() -> None:
    world = Speaking(PICKLE[0])
    world.delay, world.greeting = 0.3, 0.3  # The first push takes 0.6 s, more than a quick node is given.
    world.run(5.0)
    assert world.session.snapshot is not None
    assert not world.log


def test_a_cluster_whose_nodes_are_slow_to_answer_was_not_found_by_asking() -> None:
    world = Speaking(PICKLE[0], nodes=(1,))
    world.run(0.0015)  # The handshake was answered, the subscription is on its way.
    world.delay = 0.5
    world.run(5.0)
    assert world.session.snapshot is not None
    assert world.session.subscription.wrong_guesses == len(world.log) == 1
    assert world.session.subscription.note == "pickle, though its nodes were slow to say so: 1 wrong guess is in its nodes' logs"
    assert not world.reports


def test_what_was_found_is_reported_once_with_what_to_pass() -> None:
    world = Speaking(JSON, nodes=(1,))
    world.run(20.0)
    assert world.reports == [
        "found by asking that 'test' is configured for json: 2 wrong guesses are in its nodes' logs as warnings; "
        "serializer='json' avoids that"
    ]


def test_the_older_layout_is_found_within_a_second_where_pickle_was_given() -> None:
    world = Speaking(FLAT, encodings=known_encodings("pickle", None))
    world.run(1.0)
    assert world.session.subscription.encoding == FLAT
    assert world.reports == [
        "found by asking that 'test' is configured for pickle in the class layout of casty 0.15: 1 wrong guess is in its "
        "nodes' logs as warnings; this process remembers it"
    ]


def test_what_was_remembered_is_tried_first() -> None:
    world = Speaking(LAST, encodings=(LAST, *ALL[:-1]))
    world.run(0.1)
    assert world.session.snapshot is not None
    assert not world.log


def test_a_known_configuration_is_never_guessed_at() -> None:
    world = Speaking(JSON, encodings=known_encodings("json", None))
    world.run(0.1)
    assert world.session.snapshot is not None
    assert not world.log
    deaf = Speaking(JSON, encodings=known_encodings("msgpack", None), nodes=(1,))
    deaf.run(10.0)
    assert {encoding.serializer for _, _, encoding, _ in deaf.log} == {"msgpack"}


def test_a_silent_node_is_said_to_be_so_with_what_was_tried() -> None:
    world = Speaking(JSON, encodings=PICKLE, nodes=(1,))
    world.run(3.0)
    (attempt,) = world.session.contact_attempts()
    assert attempt.outcome == (
        f"connected to {node(1)}, but no snapshot came: it hangs, or is not configured for pickle; serializer='auto' finds "
        "out for what"
    )
    unknown = Speaking(Encoding("pkg", "yaml"), encodings=ALL[:4], nodes=(1,))
    unknown.run(3.0)
    (attempt,) = unknown.session.contact_attempts()
    assert attempt.outcome.endswith("it hangs, or is configured for none of those tried (pickle, json, msgpack)")


def test_one_mute_node_costs_no_more_than_its_head_start() -> None:
    world = Speaking(PICKLE[0], contacts=[node(1), node(2)])
    world.nodes[node(1)].silent_topology = True
    world.run(3 * Settings().layout_probe + 0.1)
    assert world.session.snapshot is not None
    assert world.session.contact == node(2)


def test_a_node_that_never_answered_is_left_without_a_subscription() -> None:
    world = Speaking(JSON, nodes=(1,))
    world.nodes[node(1)].silent_topology = True
    world.run(3.0)
    assert world.nodes[node(1)].subscribers
    world.feed(Close())
    world.run(1.0)
    assert not world.nodes[node(1)].subscribers


def test_a_debt_is_paid_when_the_encoding_is_known_again() -> None:
    world = Speaking(JSON, nodes=(1,))
    world.run(2.0)
    dead = set(world.nodes[node(1)].subscribers)
    world.cut(node(1))
    world.run(2.0)
    left = world.nodes[node(1)].subscribers
    assert len(left) == 1
    assert not left & dead


def test_an_upgrade_to_the_newer_layout_is_followed() -> None:
    world = Speaking(FLAT, nodes=(1,))
    world.run(2.0)
    world.spoken = PICKLE[0]
    world.kill(node(1))
    world.start(node(1))
    world.run(10.0)
    assert world.session.subscription.encoding == PICKLE[0]
    assert world.session.snapshot_at is not None
    assert world.now - world.session.snapshot_at < 8.1


def test_after_silence_only_the_layout_is_in_doubt() -> None:
    world = Speaking(PICKLE[0], nodes=(1,))
    world.run(2.0)
    world.freeze(node(1))
    world.run(60.0)
    world.thaw(node(1))
    world.run(5.0)
    assert {encoding.configuration for _, _, encoding, _ in world.log} <= {("pickle", None)}
    assert world.session.subscription.encoding == PICKLE[0]


def test_an_ask_is_not_written_before_its_encoding_is_known() -> None:
    world = Speaking(LAST, nodes=(1,))
    world.register("counter", 100)
    ask = world.ask("counter/user-42", timeout=8.0)
    world.run(4.0)
    assert ask in world.replies
    assert all(type(message).__name__ == "SubscribeTopology" for *_, message in world.log)


def test_an_answer_that_was_refused_is_what_its_contact_point_is_said_to_have_given() -> None:
    world = Speaking(PICKLE[0], nodes=(1,))
    world.nodes[node(1)].silent_topology = True
    world.run(0.1)
    link = next(iter(world.links))
    error = UndecodableMessage("os.system is in no table")
    world.feed(Received(link, "/_topology_sub", "test", "casty.cluster.topology.TopologySnapshot", error))
    (attempt,) = world.session.contact_attempts()
    assert attempt.outcome == f"connected to {node(1)}, whose answer was refused: os.system is in no table"


def test_what_was_tried_is_what_nodes_were_asked_in_since_the_last_answer() -> None:
    world = Speaking(JSON, nodes=(1,))
    world.nodes[node(1)].silent_topology = True
    world.run(1.5)
    assert world.session.subscription.tried[:3] == ALL[:3]
    world.nodes[node(1)].silent_topology = False
    world.run(5.0)
    assert world.session.subscription.encoding == JSON
    assert world.session.subscription.tried == ()


def test_a_silent_node_is_asked_anew_in_every_encoding_one_soon_after_the_other() -> None:
    few = ALL[:4]
    world = Speaking(Encoding("pkg", "yaml"), encodings=few, nodes=(1,))
    world.run(10.0)
    asked = [(at, encoding) for at, _, encoding, message in world.log if isinstance(message, SubscribeTopology)][:8]
    assert [encoding for _, encoding in asked] == [*few, *few]
    # A pause between the rounds, and none like it within one.
    assert asked[4][0] - asked[3][0] >= Settings().probe_timeout - Settings().layout_probe
    assert asked[7][0] - asked[4][0] < Settings().probe_timeout
