"""Everything that may happen to a session, in any order: hypothesis looks for the order that breaks a promise.

`World` holds each effect against what the world is (only an open link is written to, an ask ends once), and has the session check
itself after every event; what is promised over a whole life is checked here.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from casty_notebook import Settings
from casty_notebook.backends.virtual.codec.protocol import Outcome, WrongOwner
from casty_notebook.backends.virtual.session.events import (
    AskCancelled,
    Close,
    Event,
    Leave,
    LinkHeard,
    LinkLeaving,
    LinkLost,
    LinkOpened,
    LinkRefused,
    Replied,
    Returned,
    TableCame,
    TellMade,
    Tick,
    Unsent,
)
from casty_notebook.backends.virtual.wire import Refusal
from tests.backends.virtual.session.world import TYPE, Node, World

KEYS = st.sampled_from(["a", "b", "c", "@10.0.1.1:25520/default", "@10.0.9.9:25520/default"])
PLACES = st.integers(0, 3)
LINKS = st.integers(0, 4)
OUTCOMES = st.sampled_from(["Value", "Missing", "Unknown", "Full", "TooLarge", "Failed"])
TIMEOUTS = st.sampled_from([0.1, 3.0, 30.0])


class Life(RuleBasedStateMachine):
    """The life of one session."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[int, float] = {}
        """Deadlines of all asks that were made, by number."""
        self.lasting: set[int] = set()
        """Of these, the listeners."""
        self.given_up: set[int] = set()
        self.lives = 0

    @initialize(nodes=st.integers(1, 4), contacts=st.integers(1, 2), in_flight=st.sampled_from([1, 3, 100]), few=st.booleans())
    def begin(self, nodes: int, contacts: int, in_flight: int, few: bool) -> None:
        # A session may hold little: then the bounds are met.
        bounds = Settings(max_buffered=3, max_pending_asks=4, max_links=2, eager_links=2) if few else Settings(eager_links=2)
        self.world = World(nodes, contacts=min(contacts, nodes), in_flight=in_flight, settings=bounds)

    def _link(self, place: int) -> int:
        """One of the links that there are; a number of none if there is no such."""
        links = [*self.world.links, *self.world.dials]
        return links[place] if place < len(links) else 1000 + place

    # --- the user ------------------------------------------------------------------------------------------------------

    @rule(key=KEYS, timeout=TIMEOUTS, retry=st.booleans(), fail_fast=st.booleans(), listens=st.booleans())
    def ask(self, key: str, timeout: float, retry: bool, fail_fast: bool, listens: bool) -> None:
        number = len(self.asked)
        self.asked[number] = self.world.now + timeout
        if listens:
            self.lasting.add(number)
        self.world.ask(number, key, timeout=timeout, retry=retry, fail_fast=fail_fast, listens=listens)

    @rule(key=KEYS, message=st.binary(max_size=1))
    def tell(self, key: str, message: bytes) -> None:
        told = TellMade(TYPE, key, "Add", message)
        if self.world.session.refusal_of_tell(told) is None:  # the pump asks first
            self.world.feed(told)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.asked)))
        if number in self.world.session._envelopes.asks:
            self.given_up.add(number)
        self.world.feed(AskCancelled(number))

    @rule()
    def leave(self) -> None:
        self.world.feed(Leave())

    @rule()
    def close(self) -> None:
        self.world.feed(Close())

    # --- time, and the world that goes on in it ------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 2.5, 11.0, 40.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule()
    def wake(self) -> None:
        """A tick comes, as late as it likes."""
        self.world.feed(Tick())

    @rule(dials=st.booleans(), tables=st.booleans(), messages=st.booleans())
    def nodes_answer(self, dials: bool, tables: bool, messages: bool) -> None:
        if dials:
            self.world.answer_dials()
        if tables:
            self.world.answer_syncs()
        if messages:
            self.world.answer_messages()

    # --- nodes ---------------------------------------------------------------------------------------------------------

    def _node(self, place: int) -> Node:
        return self.world.node(place % len(self.world.nodes))

    @rule(place=PLACES)
    def a_node_dies(self, place: int) -> None:
        self.world.kill(self._node(place))

    @rule(place=PLACES, seen=st.booleans())
    def a_node_is_started_anew(self, place: int, seen: bool) -> None:
        """Another life at the same address. Not `seen`: its machine lost power, so that the old connection hangs half-open."""
        node = self._node(place)
        if seen:
            self.world.kill(node)
        else:
            node.alive = False
        self.lives += 1
        new = Node(node.address, bytes([100 + self.lives % 100]) * 16)
        new.statuses = {new.id: "alive"}
        for other in self.world.nodes.values():
            other.statuses[node.id] = "dead"
            other.statuses[new.id] = "alive"
            new.statuses[other.id] = "alive"
        new.statuses.pop(node.id, None)
        self.world.nodes[node.address] = new

    @rule(place=PLACES)
    def a_node_freezes_or_thaws(self, place: int) -> None:
        node = self._node(place)
        node.frozen = not node.frozen

    @rule(place=PLACES, status=st.sampled_from(["alive", "leaving", "suspect", "dead", None]))
    def all_say_of_a_node(self, place: int, status: str | None) -> None:
        self.world.say(self._node(place), status)

    @rule(place=PLACES)
    def a_node_forgets_all_others(self, place: int) -> None:
        node = self._node(place)
        node.statuses = {node.id: "alive"}

    # --- links, ours and any others ------------------------------------------------------------------------------------

    @rule(link=LINKS)
    def a_link_is_heard(self, link: int) -> None:
        self.world.feed(LinkHeard(self._link(link)))

    @rule(link=LINKS)
    def a_node_says_goodbye(self, link: int) -> None:
        self.world.feed(LinkLeaving(self._link(link)))

    @rule(link=LINKS)
    def a_link_ends(self, link: int) -> None:
        ended = self._link(link)
        self.world.links.pop(ended, None)
        self.world.dials.pop(ended, None)
        self.world.feed(LinkLost(ended, "cut"))

    @precondition(lambda self: self.world.dials)
    @rule(place=PLACES)
    def a_dial_leads_to_another_node(self, place: int) -> None:
        """A tunnel, a name, an address map: who answers is not who was dialled."""
        node, link = self._node(place), next(iter(self.world.dials))
        del self.world.dials[link]
        self.world.links[link] = node
        self.world.feed(LinkOpened(link, node.address, node.incarnation))

    @precondition(lambda self: self.world.dials)
    @rule(name=st.sampled_from(["shop", "another", None]))
    def a_dial_is_refused(self, name: str | None) -> None:
        link = next(iter(self.world.dials))
        del self.world.dials[link]
        self.world.feed(LinkRefused(link, Refusal("no", cluster=name)))

    # --- what nodes may say, whether it makes sense or not -------------------------------------------------------------

    @rule(link=LINKS, place=PLACES)
    def a_table_comes_unasked(self, link: int, place: int) -> None:
        self.world.feed(TableCame(self._link(link), self.world.table(self._node(place))))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), kind=OUTCOMES)
    def asks_end_together(self, data: st.DataObject, kind: str) -> None:
        """One may be named twice, or be over already."""
        numbers = data.draw(st.lists(st.sampled_from(sorted(self.asked)), min_size=1, max_size=4))
        self.world.feed(Replied([Outcome(number, kind, b"\x07", "ValueError", "no") for number in numbers]))

    @precondition(lambda self: self.lasting)
    @rule(data=st.data())
    def a_listener_is_told(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.lasting)))
        before = len(self.world.heard)
        listens = number in self.world.session._envelopes.listening
        self.world.feed(Replied([Outcome(number, "Value", b"\x07")]))
        assert len(self.world.heard) == before + listens

    @rule(number=st.integers(900, 905))
    def an_answer_that_nobody_asked_for_comes(self, number: int) -> None:
        self.world.feed(Replied([Outcome(number, "Value", b"\x07")]))

    @precondition(lambda self: self.world.history)
    @rule(data=st.data(), link=st.one_of(st.none(), LINKS))
    def a_message_comes_back(self, data: st.DataObject, link: int | None) -> None:
        """By its own link, or by another one."""
        _, sent = data.draw(st.sampled_from(self.world.history[-6:]))
        by = sent.link if link is None else self._link(link)
        self.world.feed(Returned(by, WrongOwner(sent.number, sent.actor, sent.key, sent.message)))

    @rule(seq=st.integers(0, 30))
    def a_link_does_not_take_a_message(self, seq: int) -> None:
        self.world.feed(Unsent(seq, "too much waits", "send less"))

    # --- what is promised ----------------------------------------------------------------------------------------------

    @invariant()
    def each_ask_is_open_or_has_one_end(self) -> None:
        if not self.asked:
            return
        open_ones = set(self.world.session._envelopes.asks)
        over = self.world.answers.keys() | self.world.failures.keys()
        assert not open_ones & over
        assert open_ones | over | self.given_up == self.asked.keys()

    @invariant()
    def none_outlives_its_time(self) -> None:
        if hasattr(self, "world"):
            session = self.world.session
            late = [number for number in session._envelopes.asks if self.asked[number] < self.world.now - 0.001]
            assert set(late) <= self.lasting or session.deadline <= self.world.now, late

    @invariant()
    def the_bounds_hold(self) -> None:
        if hasattr(self, "world"):
            session, bounds = self.world.session, self.world.session.settings
            assert session.pending <= bounds.max_pending_asks
            assert len(self.world.links) + len(self.world.dials) <= bounds.max_links
            # What came back, or waits for its node's return, was taken before and is not refused now.
            assert session.waiting <= bounds.max_buffered + bounds.max_pending_asks

    def teardown(self) -> None:
        """Nothing is sent, dialled or woken after the end, whatever still comes."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.feed(Close())
        assert (world.closed, world.links, world.dials) == (True, {}, {})
        self.each_ask_is_open_or_has_one_end()
        said = [world.session.handle(event, world.now + 100) for event in self._afterwards()]
        kinds = {type(effect).__name__ for effects in said for effect in effects}
        assert kinds <= {"Hangup", "Report"}, kinds
        world.session.validate()

    def _afterwards(self) -> list[Event]:
        node = self._node(0)
        events: list[Event] = [
            Tick(), Close(), Leave(), Unsent(1, "", ""), LinkOpened(99, node.address, node.incarnation), LinkHeard(1),
            LinkLeaving(1), TableCame(1, self.world.table(node)), LinkLost(1, "cut"), Replied([Outcome(0, "Value", b"\x07")]),
        ]  # fmt: skip
        for effect in [each for _, each in self.world.history if each.number is None][-3:]:
            events.append(Returned(effect.link, WrongOwner(None, effect.actor, effect.key, effect.message)))
        return events



Life.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
