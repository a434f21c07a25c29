"""Objects read in one go are those that the opcodes alone would have made, with the same bounds."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.backends.sharded.codec.pickle.machine import Machine
from casty_notebook.backends.sharded.codec.pickle.reader import loads
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from tests.backends.sharded.codec.test_pickle_shards import nodes, outcome, placed
from tests.values.table import USER_CLASSES, Amount, Basket, Colour, Empty, Slotted, codec, plain_loads, table

casty_state = pytest.importorskip("casty.cluster.state")
casty_topology = pytest.importorskip("casty.cluster.topology")

ROLES = ["web", "entities", "", "größer", "a" * 300]


def members(rng: random.Random, count: int) -> list[Any]:
    """As gossip may leave them: names and roles that are one object or several, ports of every width."""
    shared = frozenset({"web"})
    made = []
    for number in range(count):
        host = rng.choice((f"10.0.0.{number}", "127.0.0.1", f"knoten-ü{number}", "h" * 250))
        address = casty_state.NodeAddress(host, rng.choice((0, 255, 256, 25520, 65535)))
        roles = shared if rng.random() < 0.2 else frozenset(rng.sample(ROLES, rng.randint(0, 3)))
        status = rng.choice(list(casty_state.MemberStatus))
        made.append(casty_state.Member(address, status, roles, rng.choice((f"node-{number}", "n" * 300, "ü", host))))
    return made


def services(rng: random.Random, homes: list[Any]) -> frozenset[Any]:
    made = (
        casty_state.ServiceEntry(rng.choice(("payment", f"s{number}")), rng.choice(homes), f"/payment-{number}")
        for number in range(rng.choice((0, 1, 2, 70)))
    )
    return frozenset(made)


def snapshot(rng: random.Random) -> bytes:
    each = members(rng, rng.choice((1, 2, 5, 60, 400)))
    homes = [member.address for member in each]
    tables = {"t": placed(range(rng.choice((0, 30))), homes, rng.choice((0, 1)))}
    registry = services(rng, homes)
    return pickle.dumps(casty_topology.TopologySnapshot(frozenset(each), homes[0], tables, 1, frozenset(), registry), 5)


FIELDS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.integers(0, 300), st.floats(allow_nan=False), st.text(max_size=5),
    st.sampled_from(["EUR", "x" * 300, "\x94"]), st.frozensets(st.sampled_from(ROLES)), st.lists(st.integers(), max_size=2),
    st.sampled_from(Colour), st.builds(Amount, st.integers(0, 9), st.sampled_from(["EUR", "€"])), st.just(Empty()),
)  # fmt: skip
OBJECTS = st.one_of(
    st.builds(Amount, FIELDS, FIELDS), st.builds(Basket, FIELDS, FIELDS, FIELDS), st.builds(Slotted, FIELDS, FIELDS),
    st.builds(Basket, st.just("me"), st.builds(Amount, st.builds(Amount, st.builds(Amount, FIELDS))), FIELDS),
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(OBJECTS, max_size=12), st.integers(2, 5), st.booleans())
def test_objects_of_the_users_are_the_same_both_ways_and_cost_the_same(made: list[Any], protocol: int, twice: bool) -> None:
    payload = pickle.dumps([*made, made[0]] if twice and made else made, protocol)
    plain = outcome(payload, *USER_CLASSES, bulk=False)
    assert plain is not None
    assert outcome(payload, *USER_CLASSES, bulk=True) == plain


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_members_are_the_same_both_ways_and_cost_the_same(seed: int) -> None:
    payload = snapshot(random.Random(seed))
    plain = outcome(payload, bulk=False)
    assert plain is not None
    assert outcome(payload, bulk=True) == plain


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_damaged_members_are_refused_or_read_the_same_both_ways(seed: int) -> None:
    rng = random.Random(seed)
    payload = bytearray(snapshot(rng))
    end = payload.index(b"leader") if rng.random() < 0.5 else len(payload)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(min(60, end), min(end, len(payload)))
        match rng.choice(["set", "set", "cut", "double"]):
            case "set":
                payload[at] = rng.choice((*b"hjKMJ)}(ub\x81\x94\x85\x8c\x91", rng.randrange(60), rng.randrange(256)))
            case "cut":
                del payload[at : at + rng.choice((1, 2, 3, 5, 20))]
            case "double":
                payload[at:at] = payload[at - rng.choice((1, 2, 5, 23)) : at]
    assert outcome(bytes(payload), bulk=True) == outcome(bytes(payload), bulk=False)


HOMES = nodes(300)
MANY = {
    "members": [casty_state.Member(a, casty_state.MemberStatus.up, frozenset({"web"}), f"node-{a.host}") for a in HOMES],
    "members without roles": [casty_state.Member(a, casty_state.MemberStatus.up, frozenset(), f"node-{a.host}") for a in HOMES],
    "services": [casty_state.ServiceEntry("payment", a, f"/payment-{a.host}") for a in HOMES],
    "the user's": [Amount(n, f"currency-{n}") for n in range(300)],
}


@pytest.mark.parametrize("what", MANY)
def test_objects_of_one_class_are_read_in_one_go(what: str) -> None:
    payload = pickle.dumps(MANY[what], 5)
    built: list[Machine] = []
    build = Machine.build

    def counted(machine: Machine) -> Any:
        built.append(machine)
        return build(machine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Machine, "build", counted)
        read = loads(payload, table(*USER_CLASSES), Settings())
    assert read == plain_loads(payload, *USER_CLASSES)
    assert len(built) < 20


def test_a_reference_to_what_was_forgotten_reads_the_pickle_again() -> None:
    each = members(random.Random(2), 30)
    state = each[7].__dict__
    payload = pickle.dumps([*each, state], 5)
    assert loads(payload, table(), Settings()) == plain_loads(payload)


def test_a_member_of_very_many_roles_is_counted_as_it_is_read() -> None:
    home = nodes(1)[0]
    each = [casty_state.Member(home, casty_state.MemberStatus.up, frozenset({"web"}), "a")]
    each.append(casty_state.Member(home, casty_state.MemberStatus.up, frozenset(map(str, range(20_000))), "b"))
    payload = pickle.dumps([*each, each[0], nodes(2)[1]], 5)
    assert loads(payload, table(), Settings()) == plain_loads(payload)
    for bulk in (True, False):
        with pytest.raises(UndecodableMessage, match="max_memory"):
            loads(payload, table(), Settings(max_memory=300_000), bulk=bulk)


def test_members_stay_within_memory_and_depth() -> None:
    homes = [casty_state.Member(a, casty_state.MemberStatus.up, frozenset({"web"}), f"n{a.host}") for a in nodes(2000)]
    payload = pickle.dumps(homes, 5)
    for limits in (Settings(max_memory=700_000), Settings(max_items=4000), Settings(max_depth=2)):
        for bulk in (True, False):
            with pytest.raises(UndecodableMessage):
                loads(payload, table(), limits, bulk=bulk)
    assert len(codec().decode(payload)) == 2000
