"""No payload costs more than its bytes are worth: by a generator of the worst for each entry of the codec's tables."""

from __future__ import annotations

import pickle
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from casty_notebook.backends.sharded.codec.pickle import standard_types as constructors
from casty_notebook.backends.sharded.codec.pickle.standard_types import Constructor
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from tests.hostile.work import GENERATORS, UNCOVERED, walking_ints
from tests.values.table import codec

SMALL = 64 * 1000
PATIENCE = 1.5
"""Seconds of processor time for 64 KB, which are a tenth of one by count. The attacks took 3 to 60."""
PATIENCE_ZIPPED = 2 * Settings().max_work
"""What is compressed may become as much as any payload may cost; counted time is half of a busy machine's."""


def read(name: str, size: int) -> None:
    """As a client does; refused or not."""
    serializer, compression, make = GENERATORS[name]
    payload = make(size)
    started = time.thread_time()
    with suppress(UndecodableMessage):
        codec(serializer=serializer, compression=compression).decode(payload)
    assert time.thread_time() - started < (PATIENCE if compression is None else PATIENCE_ZIPPED)


def test_every_entry_of_the_codec_s_tables_has_a_generator_of_its_worst_payload() -> None:
    assert not UNCOVERED


@pytest.mark.parametrize("name", GENERATORS)
def test_the_worst_payload_of_64_kb_takes_a_tenth_of_a_second_at_most(name: str) -> None:
    read(name, SMALL)


def calls_of(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], Callable[[], None]]:
    counted: Counter[str] = Counter()
    known = constructors.BUILDERS[name]

    def build(*args: Any) -> Any:
        counted["calls"] += 1
        counted["arguments"] += len(args)
        return known.build(*args)

    counting = Constructor(build, known.cost, known.per_byte, known.weigh, known.weight)
    monkeypatch.setitem(constructors.BUILDERS, name, counting)
    return counted, lambda: read(name, SMALL)


def test_a_path_of_twenty_thousand_shared_parts_is_never_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, attack = calls_of("pathlib.PurePosixPath", monkeypatch)
    attack()
    assert counted["arguments"] <= counted["calls"] * constructors.MOST_ARGUMENTS


def test_fractions_of_large_numbers_are_paid_by_the_square_of_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, attack = calls_of("fractions.Fraction", monkeypatch)
    attack()
    assert counted["calls"] < 500  # of 9,000 that the payload asks for


def test_a_zone_is_read_from_its_file_once_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import zoneinfo

    asked: Counter[str] = Counter()
    known = constructors._read_zone
    monkeypatch.setattr(constructors, "_read_zone", lambda name: (asked.update([name]), known(name))[1])
    constructors._zones().pop("UTC", None)
    for _ in range(3):
        codec().decode(pickle.dumps([zoneinfo.ZoneInfo("UTC")] * 3))
    assert asked["UTC"] == 1


def test_zones_that_do_not_exist_are_forgotten_beyond_a_bound() -> None:
    for at in range(1200):
        constructors._zone(f"Nowhere/Zone{at}", 1)
    assert len(constructors._zones()) <= 1000


# --- keys ------------------------------------------------------------------------------------------------------------

FORMS: dict[str, Callable[[list[int]], Any]] = {
    "dict": dict.fromkeys, "set": set, "frozenset": frozenset, "tuples": lambda keys: {(1, key): None for key in keys},
}  # fmt: skip


def written(keys: list[int], form: str) -> bytes:
    eights = [b"\x8a\x08" + key.to_bytes(8, "little") for key in keys]
    return b"\x80\x05" + {
        "dict": b"}(" + b"".join(key + b"N" for key in eights) + b"u.",
        "dict, one by one": b"}" + b"".join(key + b"Ns" for key in eights) + b".",
        "dict, after text": b"}(" + b"".join(b"\x8c\x04%04dN" % n for n in range(99)) + b"u(" + b"N".join(eights) + b"Nu.",
        "Counter": b"ccollections\nCounter\n)R(" + b"".join(key + b"K\x01" for key in eights) + b"u.",
    }[form]


@pytest.mark.parametrize("form", ["dict", "dict, one by one", "dict, after text", "Counter"])
def test_ints_that_walk_through_each_other_s_places_are_refused(form: str) -> None:
    keys = list(walking_ints(20_000))
    assert len(set(keys)) == 20_000
    assert max(keys) < 2**61
    with pytest.raises(UndecodableMessage, match="chosen to collide"):
        codec().decode(written(keys, form))


HONEST: dict[str, Callable[[], list[int]]] = {
    "consecutive": lambda: list(range(40_000)),
    "in any order": lambda: random.Random(3).sample(range(40_000), 40_000),
    "a few thousand in any order": lambda: random.Random(3).sample(range(10_000), 10_000),
    "one after the other, from two places": lambda: [*range(20_000), *range(10**6, 10**6 + 5000)],
    "some of them": lambda: random.Random(3).sample(range(100_000), 30_000),
    "at random": lambda: list(map(random.Random(3).getrandbits, [60] * 30_000)),
    "negative": lambda: list(range(-20_000, 20_000)),
    "multiples of 4,096": lambda: [n * 4096 for n in range(30_000)],
    "snowflakes": lambda: [n << 22 for n in range(30_000)],
    "milliseconds": lambda: [1_700_000_000_000 + n * 1000 for n in range(30_000)],
    "beyond 64 bits": lambda: [2**80 + n for n in range(5000)],
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("form", FORMS)
def test_honest_numbers_are_read_in_any_container(form: str, name: str) -> None:
    made = FORMS[form](HONEST[name]())
    assert codec().decode(pickle.dumps(made, 5)) == made


def test_floats_and_mixed_keys_are_read() -> None:
    made: dict[Any, int] = {n / 7: n for n in range(20_000)}
    made |= {f"k{n}": n for n in range(5000)}
    made |= {n: n for n in range(-5000, 0)}
    assert codec().decode(pickle.dumps(made, 5)) == made


def test_a_key_that_doubles_itself_is_refused_before_it_is_hashed() -> None:
    levels = b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(20))
    with pytest.raises(UndecodableMessage, match="a key of"):
        codec().decode(b"\x80\x05()\x94" + levels + b"1}h\x14Ns.")


def test_a_payload_that_would_take_seconds_is_refused_with_the_setting_s_name() -> None:
    payload = pickle.dumps([{"a": n, "b": [n]} for n in range(100_000)])
    assert len(codec().decode(payload)) == 100_000
    with pytest.raises(UndecodableMessage, match=r"Settings\.max_work"):
        codec(max_work=0.05).decode(payload)


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_a_long_tree_of_numbers_and_lists_is_read_as_a_short_one_is(serializer: str) -> None:
    made = [[n, n / 7, -n, {"a": [n]}, [], 2**60 + n] for n in range(20_000)]
    mine = codec(serializer=serializer)
    assert mine.decode(mine.encode(made)) == made
