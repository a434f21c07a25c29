"""One name with everything that a terminal or a page would act upon, sent through every output that there is."""

from __future__ import annotations

import ast
import logging
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from anywidget import AnyWidget

from casty_notebook import errors, tables
from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.listener import Listener
from casty_notebook.backends.sharded.session.listening import Listening
from casty_notebook.backends.sharded.session.state import Ask, Outgoing
from casty_notebook.backends.sharded.session.targets import ActorTarget
from casty_notebook.backends.sharded.wire.envelope import Envelope
from casty_notebook.backends.virtual.aio.collections import Counter
from casty_notebook.client.blocking import Location
from casty_notebook.client.subscriptions import Subscription
from casty_notebook.client.watched import Point, Series
from casty_notebook.errors import AskTimeout, ContactAttempt, FailureReport, MisuseError, NoContactPoint, NodeDidNotStart
from casty_notebook.logs import room_logger
from casty_notebook.magics.connection_list import ConnectionList, ConnectionRow
from casty_notebook.magics.suggest import did_you_mean
from casty_notebook.magics.usage import as_usage_error
from casty_notebook.printable import printable
from casty_notebook.tables.latency import samples
from casty_notebook.topology.check_result import Finding, Verdict
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.recording_format import Label
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot
from casty_notebook.topology.traffic import TrafficRow
from casty_notebook.values.refs import ActorRef, EntityRef, ReplyRef
from casty_notebook.values.remote_error import RemoteError
from casty_notebook.values.services import Listing, ServiceInstance, ServiceKey
from casty_notebook.values.standin import StandIn, StandInClass, StandInModule, stand_in_class
from casty_notebook.views.alarms.bell import Bell
from casty_notebook.views.checkup import CheckUp
from casty_notebook.views.facts import Facts
from casty_notebook.views.live.svg_map import map_html
from casty_notebook.views.past.recording import Recording
from casty_notebook.views.report.writing import Source, as_page
from casty_notebook.views.reprs import formatters
from casty_notebook.views.reprs.cards import CardFacts, ShardFact, cluster_card_html, cluster_card_text
from casty_notebook.views.terminal.picture import picture_of
from casty_notebook.views.watch.shown import watch_html, watch_text
from tests.house.source import PACKAGE, files, tree

EVIL = "a\x1b[2J\x07\x9b1m\nOut[7]: 42\r\u202eb\u200b\u2028\ud800\u3164c"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NODE, OTHER = NodeAddress(EVIL, 1), NodeAddress("10.0.1.11", 2)
SNAPSHOT = TopologySnapshot(
    frozenset({Member(NODE, MemberStatus.up, frozenset({EVIL}), EVIL), Member(OTHER, MemberStatus.up, frozenset(), EVIL + "2")}),
    NODE, {EVIL: {0: ShardAllocation(NODE, (OTHER,))}}, 1, frozenset({OTHER}), frozenset({ServiceEntry(EVIL, NODE, "/" + EVIL)}),
)  # fmt: skip
HEALTH = {
    NODE: NodeHealth(LinkState.live, 0.001, "", None),
    OTHER: NodeHealth(LinkState.down, None, EVIL, 1.0),
}
REF = ActorRef(ActorAddress(EVIL, "/" + EVIL, NODE))
CARD = CardFacts.gather(
    Moment(NOW, SNAPSHOT, HEALTH), Facts(Label(EVIL, EVIL, EVIL, {EVIL: 9}), NOW, age=1.0, read_only=True), questions=(EVIL,),
)  # fmt: skip
CARD = replace(CARD, found=EVIL)
STAND_IN = StandIn(StandInClass(EVIL, EVIL), (EVIL,), {EVIL: EVIL})
REPORT = FailureReport(EVIL, EVIL, EVIL, owner=EVIL, story=(EVIL,))
PLACE = Location(EVIL, EVIL, EVIL, 0, EVIL, NODE, (OTHER,), True, EVIL)
CHECKED = CheckUp(EVIL, (Finding(EVIL, Verdict.fail, EVIL, EVIL, EVIL),), 0.1)
LISTED = ConnectionList((ConnectionRow(EVIL, EVIL, 1, True, marks=(EVIL,)),))
FOUND = Listing(ServiceKey(EVIL), frozenset({ServiceInstance(REF, NODE)}))
EVENT = TopologyEvent(NOW, "lost", EVIL, EVIL, EVIL)
PROBLEM = Problem("bad", "unreached", EVIL, NOW, EVIL, EVIL, EVIL)
ROW = SimpleNamespace(target=EVIL, node=EVIL, shard=1, reply=EVIL, latency=0.1, error=AskTimeout(REPORT), started=0.0)
FIELDS = SimpleNamespace(target=EVIL, node=EVIL, shard=1, reply={EVIL: EVIL}, latency=0.1, error=None, started=0.0)

SHOWN: dict[str, Callable[[], str]] = {
    "address.py NodeAddress.__str__": lambda: str(NODE),
    "address.py ActorAddress.__str__": lambda: str(REF.address),
    "backends/sharded/session/state.py Ask.__repr__": lambda: repr(_labelled(Ask)),
    "backends/sharded/session/state.py Outgoing.__repr__": lambda: repr(Outgoing(1, ActorTarget(NODE, EVIL), None, 1.0)),
    "backends/sharded/session/listening.py Listening.__repr__": lambda: repr(_labelled(Listening)),
    "values/services.py Listing.__repr__": lambda: repr(FOUND),
    "topology/snapshot.py TopologySnapshot.__repr__": lambda: repr(SNAPSHOT),
    "values/refs.py ActorRef.__repr__": lambda: repr(REF),
    "values/refs.py EntityRef.__repr__": lambda: repr(EntityRef(EVIL, 1, None)),  # type: ignore[arg-type]
    "values/refs.py ReplyRef.__repr__": lambda: repr(ReplyRef(EVIL, EVIL)),
    "values/remote_error.py RemoteError.__repr__": lambda: repr(RemoteError(STAND_IN._standin_cls, (EVIL,), {EVIL: EVIL})),
    "values/standin.py StandIn.__repr__": lambda: repr(STAND_IN),
    "values/standin.py StandInClass.__repr__": lambda: repr(StandInClass(EVIL, EVIL)),
    "values/standin.py StandInModule.__repr__": lambda: repr(StandInModule(EVIL)),
    "errors.py CastyNotebookError.__str__": lambda: str(MisuseError(f"there are: {EVIL}")),
    "errors.py ContactAttempt.__str__": lambda: str(ContactAttempt(EVIL, EVIL)),
    "errors.py NodeDidNotStart.__str__": lambda: str(NodeDidNotStart(printable(EVIL))),
    "errors.py NoContactPoint.__str__": lambda: str(NoContactPoint(EVIL, (ContactAttempt(EVIL, EVIL),))),
    "magics/connection_list.py ConnectionList.__repr__": lambda: repr(LISTED),
    "magics/connection_list.py ConnectionList._repr_html_": lambda: LISTED._repr_html_(),
    "backends/aio/listener.py Listener.__repr__": lambda: repr(_listener()),
    "backends/virtual/aio/collections.py _Collection.__repr__": lambda: repr(_labelled_collection()),
    "client/subscriptions.py Subscription.__repr__": lambda: repr(Subscription(print, EVIL)),
    "views/alarms/bell.py Bell.__repr__": lambda: repr(_bell()),
    "views/alarms/bell.py Bell._repr_mimebundle_": lambda: str(_bell()._repr_mimebundle_()[0]["text/html"]),
    "backends/contract.py Location.__repr__": lambda: repr(PLACE),
    "tables/table.py Table.__repr__": lambda: repr(tables.services(Moment(NOW, SNAPSHOT, HEALTH), cluster=EVIL)),
    "tables/problems.py ProblemTable.__repr__": lambda: repr(tables.problems([PROBLEM], cluster=EVIL)),
    "tables/problems.py ProblemTable._repr_html_": lambda: _as_html(tables.problems([PROBLEM], cluster=EVIL)),
    "tables/table.py Table._repr_html_": lambda: _as_html(tables.services(Moment(NOW, SNAPSHOT), cluster=EVIL)),
    "tables/table.py TableColumn.__repr__": lambda: repr(tables.members(Moment(NOW, SNAPSHOT), cluster=EVIL)["roles"]),
    "views/reprs/cards.py ShardFact.__str__": lambda: str(ShardFact(EVIL, 1, None)),
    "views/checkup.py CheckUp.__repr__": lambda: repr(CHECKED),
    "views/checkup.py CheckUp._repr_html_": lambda: CHECKED._repr_html_(),
    "views/past/recording.py Recording.__repr__": lambda: repr(_recording()),
    "views/live/topology_widget.py TopologyWidget.__repr__": lambda: repr(_recording().widget()),
    "views/live/topology_widget.py TopologyWidget._repr_mimebundle_": lambda: _bundle(),
    "views/terminal/picture.py Picture.__repr__": lambda: _pictured(),
    "backends/sharded/wire/envelope.py Envelope.__repr__": lambda: repr(Envelope(EVIL, EVIL, EVIL, b"", 0)),
}

ADDRESSES = {
    "backends/virtual/codec/values.py EntityKey.__str__", "backends/virtual/session/ring.py NodeId.__str__",
    "backends/sharded/session/targets.py ActorTarget.__str__",
    "address.py ClusterURI.__str__", "magics/targets.py TargetPattern.__str__",
    "values/targets.py EntityName.__str__", "values/targets.py ServiceName.__str__",
    "views/alarms/conditions.py Condition.__str__", "views/alarms/conditions.py _Called.__str__",
    "views/alarms/conditions.py _NoProblems.__str__",
    "views/alarms/conditions.py answer_is.__str__", "views/alarms/conditions.py member_is.__str__",
}  # fmt: skip
"""These write what is sent or read again; where it is shown, it is so within an error or a log line."""

NOTHING_FROM_OUTSIDE = {
    "backends/sharded/session/encodings.py Encoding.__str__", "backends/sharded/session/state.py Generation.__repr__",
    "backends/sharded/session/state.py Link.__repr__", "backends/sharded/session/state.py Peer.__repr__",
    "backends/sharded/codec/codec.py Codec.__repr__", "demo/cluster.py DemoCluster.__repr__",
    "demo/cluster.py DemoCluster._repr_html_", "demo/process.py DemoNode.__repr__",
    "backends/sharded/aio/client.py ClusterClient.__repr__", "net/ssh.py SSHGateway.__repr__",
    "backends/sharded/aio/structures.py _Structure.__repr__", "topology/shard_columns.py ShardColumn.__repr__",
    "backends/virtual/session/members.py Members.__repr__",
}  # fmt: skip
"""They show our own settings, numbers, and addresses, which show themselves printable."""

MADE_OF_OTHERS = {
    "client/listening.py BlockingListener.__repr__",
    "views/watch/watch.py Watch.__repr__", "views/watch/watch.py Watch._repr_mimebundle_",
    "views/cluster.py Cluster.__repr__", "views/cluster.py Cluster._repr_html_"}

OTHERS: dict[str, Callable[[], str]] = {
    "an error's headline": REPORT.headline,
    "an error's details": REPORT.details,
    "a magic's error": lambda: str(as_usage_error(AskTimeout(REPORT))),
    "a magic's error in full": lambda: str(as_usage_error(AskTimeout(REPORT), verbose=True)),
    "a suggestion": lambda: did_you_mean(EVIL, [EVIL]),
    "the names there are": lambda: did_you_mean("zzz", [EVIL], kind="services"),
    "the card as text": lambda: cluster_card_text(CARD),
    "the card as HTML": lambda: cluster_card_html(CARD),
    "a watch as text": lambda: watch_text(printable(EVIL), _watched(), NOW),
    "a watch as HTML": lambda: watch_html(EVIL, _watched(), NOW),
    "the report": lambda: _recording().report_page(note=EVIL),
    "the report of trouble": lambda: as_page(_reported()),
    "the map": lambda: map_html(_recording().widget().bridge.shown()),
    "members": lambda: _table(tables.members(Moment(NOW, SNAPSHOT, HEALTH), cluster=EVIL)),
    "shards": lambda: _table(tables.shards(Moment(NOW, SNAPSHOT, HEALTH), cluster=EVIL)),
    "problems": lambda: _table(
        tables.problems([Problem("bad", "unreached", EVIL, NOW, EVIL, EVIL, EVIL)], cluster=EVIL, moment=Moment(NOW, SNAPSHOT))
    ),
    "services": lambda: _table(tables.services(Moment(NOW, SNAPSHOT, HEALTH), cluster=EVIL)),
    "events": lambda: _table(tables.events([EVENT], cluster=EVIL)),
    "answers": lambda: _table(tables.answers([ROW], cluster=EVIL)),
    "answers by field": lambda: _table(tables.answers([FIELDS], cluster=EVIL, fields=True)),
    "history": lambda: _table(tables.history(_recording()._past().moments, cluster=EVIL)),
    "samples": lambda: _table(samples([ROW], cluster=EVIL)),
}

FORMATTED: list[Any] = [
    REF, AskTimeout(REPORT), EntityRef(EVIL, 1, None), FOUND, PLACE, NoContactPoint(EVIL, (ContactAttempt(EVIL, EVIL),)),  # type: ignore[arg-type]
    HEALTH[OTHER], RemoteError(STAND_IN._standin_cls, (EVIL,), {EVIL: EVIL}), STAND_IN, SNAPSHOT,
]  # fmt: skip


def _labelled[T: Ask](kind: type[T]) -> T:
    made = kind.__new__(kind)
    made._label = EVIL
    return made


def _as_html(table: Any) -> str:  # the stubs of pandas have no _repr_html_
    return str(table._repr_html_())


def _listener() -> Any:
    class Labelled(Listener[Any]):
        closed, received, dropped = True, 0, 0

        def __init__(self) -> None:
            self.label = EVIL

    return Labelled()


def _recording() -> Recording:
    past = History.restored([Moment(NOW, SNAPSHOT, HEALTH)], [EVENT])
    return Recording(past, Label(EVIL, EVIL, EVIL, {EVIL: 9}))


def _labelled_collection() -> Any:
    made: Any = Counter.__new__(Counter)
    made._connection, made.name = SimpleNamespace(name=EVIL), EVIL
    return made


def _bell() -> Any:
    class Told(Bell):
        def __init__(self) -> None:
            self._rung, self._name = 0, printable(EVIL)
            AnyWidget.__init__(self, problems=self._shown([PROBLEM], printable(EVIL), ended=False))

    return Told()


def _watched() -> list[Series]:
    answered, failed = Series(EVIL, 9), Series(EVIL, 9)
    answered.add(Point(NOW, EVIL, None, 0.1, EVIL), EVIL)
    answered.add(Point(NOW, EVIL + "2", None, 0.1, EVIL), EVIL)
    failed.add(Point(NOW, None, None, 0.1, EVIL, str(MisuseError(EVIL))))
    return [answered, failed]


def _reported() -> Source:
    bare = _recording()._reported()
    return replace(
        bare, problems=(PROBLEM,), card=CARD, counters={EVIL: 1}, attempts=(ContactAttempt(EVIL, EVIL),),
        traffic=(TrafficRow(1.0, 1.0, NODE, EVIL, EVIL, 1, 0.1, 0.1),),
    )  # fmt: skip


def _pictured() -> str:
    cluster: Any = SimpleNamespace(
        name=EVIL, closed=False, latest_moment=_recording()._past().latest, recent_events=(EVENT,), card=lambda: CARD,
        current_problems=lambda: (PROBLEM,),
    )  # fmt: skip
    return repr(picture_of(cluster))


def _bundle() -> str:
    data, _ = _recording().widget()._repr_mimebundle_()  # type: ignore[misc]
    return f"{data['text/plain']}\n{data['text/html']}"


def _table(table: Any) -> str:
    columns = "\n".join(repr(table[name]) for name in table)
    return "\n".join([repr(table), table.to_string(), table._repr_html_(), repr(table.tail(1)), columns])


def raw(text: str) -> list[str]:
    """What a terminal or page would act upon, or nobody would see."""
    signs = {sign for sign in text if unicodedata.category(sign)[0] == "C" or sign in "\u2028\u2029\u3164"}
    return sorted(signs - {"\n"}) + re.findall(r"^Out\[7\]: 42", text, re.MULTILINE)


@pytest.mark.parametrize("output", [*SHOWN, *OTHERS])
def test_every_output_is_printable(output: str) -> None:
    text = {**SHOWN, **OTHERS}[output]()
    assert raw(text) == []
    assert text.encode()
    assert "\\x1b" in text or "\\\\x1b" in text or output == "history"


@pytest.mark.parametrize("value", FORMATTED, ids=lambda value: type(value).__name__)
def test_every_card_of_a_value_is_printable_and_typesets_no_formula(value: Any) -> None:
    card = formatters._PRINTERS[type(value) if type(value) is not AskTimeout else errors.AskFailed](value)
    assert raw(card) == []
    assert "tex2jax_ignore" in card
    assert "mathjax_ignore" in card


def test_no_output_was_forgotten() -> None:
    known = {*SHOWN, *ADDRESSES, *NOTHING_FROM_OUTSIDE, *MADE_OF_OTHERS}
    found = {
        f"{file.relative_to(PACKAGE).as_posix()} {cls.name}.{method.name}"
        for file in files()
        for cls in ast.walk(tree(file))
        if isinstance(cls, ast.ClassDef)
        for method in cls.body
        if isinstance(method, ast.FunctionDef)
        and (method.name in ("__repr__", "__str__", "__format__") or method.name.startswith("_repr_"))
    }
    assert found == known, "a new way to show something: send the hostile name through it here"
    assert {name for name in tables.__all__ if name.islower()} <= set(OTHERS)
    assert {type(value).__mro__[0] for value in FORMATTED} - {AskTimeout} == set(formatters._PRINTERS) - {errors.AskFailed}


def test_every_log_line_passes_by() -> None:
    loggers = [
        file.relative_to(PACKAGE).as_posix()
        for file in files()
        if "nodeside" not in file.parts  # runs in nodes, with their loggers
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and node.attr == "getLogger"
    ]
    assert loggers == ["logs.py"], "ask room_logger for a logger: its lines are printable"


def test_what_is_shown_keeps_its_true_value() -> None:
    row = SimpleNamespace(target="counter/\x1b", node="n", shard=1, reply="\x1b", latency=0.1, error=None)
    table = tables.answers([row], cluster="prod")
    assert (table["target"].iloc[0], table["reply"].iloc[0]) == ("counter/\x1b", "\x1b")
    assert stand_in_class("a.B")(x="\x1b").x == "\x1b"


def test_a_log_line_is_one_printable_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "casty_notebook"):
        room_logger("casty_notebook.backends.sharded.aio.pump").warning("%s left", EVIL)
    assert raw(caplog.records[-1].getMessage()) == []
    assert "\n" not in caplog.records[-1].getMessage()
