"""What a fuzzer needs to be worth its time, without one: the seeds are read as promised, what was found stays found."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from casty_notebook.backends.sharded.codec.pickle.scalars import SCALARS
from tests.fuzz import grammar, seeds, targets, virtual, virtual_targets
from tests.fuzz.targets import TARGETS, run
from tests.fuzz.watch import Watch

KEPT = sorted((Path(__file__).parent / "kept").glob("*"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("corpus")
    seeds.write_seeds(folder)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_what_was_once_found_is_a_value_or_a_promised_error_and_quick(path: Path) -> None:
    started = time.process_time()
    run(path.read_bytes())
    assert time.process_time() - started < 2.0


def test_every_seed_is_read_or_refused_as_promised(corpus: list[bytes]) -> None:
    assert len(corpus) > 500
    for seed in corpus:
        run(seed)


def test_seeds_reach_every_parser(corpus: list[bytes]) -> None:
    reached = {TARGETS[seed[0]].parse for seed in corpus}
    assert reached == {target.parse for target in TARGETS}


def test_damaged_seeds_are_read_or_refused_as_promised(corpus: list[bytes]) -> None:
    rng = random.Random(20)
    words = [word for word in seeds.words() if word]
    for _ in range(5000):
        data = bytearray(rng.choice(corpus)[:600])
        for _ in range(rng.randint(1, 5)):
            at = rng.randint(2, len(data))
            match rng.randrange(3):
                case 0:
                    data[at : at + 1] = bytes([rng.randrange(256)])
                case 1:
                    data[at:at] = rng.choice(words)
                case _:
                    del data[at : at + rng.randint(1, 9)]
        run(bytes(data))


def test_inputs_grown_from_the_grammar_are_read_or_refused_as_promised(tmp_path: Path) -> None:
    watch, recordings, rng = Watch(tmp_path), seeds.recordings(), random.Random(7)
    for _ in range(4000):
        watch(grammar.grown(rng, recordings))
    assert not list((tmp_path / "found").iterdir())


def test_the_grammar_reaches_every_kind_of_payload_and_is_read_as_often_as_refused() -> None:
    recordings, rng = seeds.recordings(), random.Random(8)
    read: Counter[str] = Counter()
    for _ in range(1500):
        data = grammar.grown(rng, recordings)
        target = TARGETS[data[0]]
        try:
            target.parse(0, data[2:])
        except target.promised:
            read[f"{target.parse.__name__} refused"] += 1
        else:
            read[f"{target.parse.__name__} read"] += 1
    kinds = [f"{name} {how}" for name in ("pickled", "as_json", "as_msgpack", "recorded") for how in ("read", "refused")]
    assert not [kind for kind in kinds if read[kind] < 5], read


def test_a_fault_is_not_taken_for_a_promised_error() -> None:
    def faulty(_variant: int, _data: bytes) -> None:
        raise IndexError

    with pytest.raises(IndexError):
        run(b"\x00\x00", (targets.Target(faulty),))


def test_the_dictionary_has_every_opcode(tmp_path: Path) -> None:
    path = tmp_path / "dictionary"
    seeds.write_dictionary(path)
    lines = path.read_text().splitlines()
    for opcode in SCALARS:
        assert f'"\\x{opcode[0]:02x}"' in lines



def test_inputs_grown_from_what_nodes_of_030_say_are_read_or_refused_as_promised(tmp_path: Path) -> None:
    watch = Watch(tmp_path, virtual_targets)
    for data in virtual.grown(seed=7, count=3000):
        watch(data)
    assert not list((tmp_path / "found").iterdir())


def test_what_nodes_of_030_say_is_read_as_often_as_it_is_refused() -> None:
    read: Counter[str] = Counter()
    for data in virtual.grown(seed=8, count=1500):
        target = virtual_targets.TARGETS[data[0]]
        try:
            target.parse(data[1], data[2:])
        except target.promised:
            read[f"{target.parse.__name__} refused"] += 1
        else:
            read[f"{target.parse.__name__} read"] += 1
    kinds = [f"{name} {how}" for name in ("answer", "message", "value") for how in ("read", "refused")]
    assert not [kind for kind in (*kinds, "stream read", "client read") if read[kind] < 5], read
