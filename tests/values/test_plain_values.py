"""Scalars of numpy and pandas travel as the plain values they are, in every serializer; more is refused with the remedy."""

from __future__ import annotations

import datetime
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from casty_notebook.errors import UnsendableMessage
from casty_notebook.values.plain_values import is_foreign, plain_value
from casty_notebook.values.standin import stand_in_class
from tests.values.table import Amount, codec

SERIALIZERS = ["pickle", "cloudpickle", "json", "msgpack"]

EVERYWHERE = [
    (np.int64(3), 3), (np.uint8(255), 255), (np.float64(2.5), 2.5), (np.float32(0.5), 0.5), (np.bool_(True), True),
    (np.str_("x"), "x"), (np.longdouble(1.5), 1.5), (pd.Series([1, 2]).sum(), 3), (pd.Series([0.5]).mean(), 0.5),
]  # fmt: skip

IN_PICKLE = [
    (np.bytes_(b"y"), b"y"),
    (np.complex64(1 + 2j), 1 + 2j),
    (np.datetime64("2026-01-02"), datetime.date(2026, 1, 2)),
    (np.datetime64("2026-01-02T03:04:05", "ns"), datetime.datetime(2026, 1, 2, 3, 4, 5)),
    (np.timedelta64(5000, "ns"), datetime.timedelta(microseconds=5)),
    (pd.Timestamp("2026-01-02"), datetime.datetime(2026, 1, 2)),
    (pd.Timestamp("2026-01-02", tz="UTC"), datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)),
    (pd.Timedelta("1s"), datetime.timedelta(seconds=1)),
]


def sent(serializer: str, message: Any) -> Any:
    mine = codec(Amount, serializer=serializer)
    payload = mine.encode(message)
    if "pickle" in serializer:
        named = {arg for _, arg, _ in pickletools.genops(payload) if isinstance(arg, str)}
        assert not {name for name in named if name.partition(".")[0] in ("numpy", "pandas")}
    return mine.decode(payload)


PLACES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "the message itself": (lambda value: value, lambda got: got),
    "an item": (lambda value: [0, value, value], lambda got: got[2]),
    "an item of a tuple": (lambda value: (value,), lambda got: got[0]),
    "a dict's value": (lambda value: {"key": value}, lambda got: got["key"]),
    "a dict's key": (lambda value: {value: 1}, lambda got: next(iter(got))),
    "a field": (Amount, lambda got: got.value),
    "a stand-in's field": (lambda value: stand_in_class("bank.Pay")(a=value), lambda got: got.a),
}
"""Where a value may be in a message, and where it then is in what was received."""


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("place", PLACES)
def test_a_scalar_goes_as_a_plain_value_wherever_it_is(serializer: str, place: str) -> None:
    put, take = PLACES[place]
    for value, plain in EVERYWHERE:
        got = take(sent(serializer, put(value)))
        assert got == plain
        assert type(got) is type(plain)


@pytest.mark.parametrize(("value", "plain"), IN_PICKLE)
def test_what_only_pickle_has_a_form_for_is_plain_there(value: Any, plain: Any) -> None:
    payload = codec().encode([value])
    got = pickle.loads(payload)
    assert got == [plain]
    assert type(got[0]) is type(plain)
    with pytest.raises(UnsendableMessage):
        codec(serializer="json").encode([value])


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (np.arange(3), "value.tolist()"), (np.array(3), "value.tolist()"), (pd.Series([1]), "value.tolist()"),
        (pd.Index([1]), "value.tolist()"), (pd.DataFrame({"a": [1]}), 'value.to_dict("records")'),
        (pd.Period("2026-01"), "plain Python values"), (np.dtype("i8"), "plain Python values"),
        (pd.NaT, "send None"), (pd.NA, "send None"), (np.datetime64("NaT", "s"), "send None"),
        (pd.Timestamp("2026-01-02T00:00:00.000000001"), "round it"), (np.timedelta64(1, "ns"), "round it"),
        (np.timedelta64(2, "Y"), "plain Python values"), (np.datetime64(10**6, "Y"), "round it"),
    ],
)  # fmt: skip
def test_what_has_no_plain_value_is_refused_with_the_remedy(serializer: str, value: Any, remedy: str) -> None:
    for message in (value, [value], stand_in_class("bank.Pay")(a=value)):
        with pytest.raises(UnsendableMessage) as refused:
            codec(serializer=serializer).encode(message)
        assert remedy in str(refused.value)


def test_a_class_of_such_a_package_is_known_without_importing_it() -> None:
    assert is_foreign(np.float64)
    assert is_foreign(type("Mine", (pd.DataFrame,), {}))
    assert not any(is_foreign(cls) for cls in (int, dict, Amount, datetime.datetime))


def test_the_kind_of_a_scalar_is_kept_and_its_value_exact() -> None:
    assert plain_value(np.uint64(2**64 - 1)) == 2**64 - 1
    assert str(plain_value(np.float64("-0.0"))) == "-0.0"


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_half_a_character_is_no_text_for_a_node_and_whole_ones_are(serializer: str) -> None:
    for text in ("\ud800", "a\udfffb", "\udc80" * 300):
        for message in (text, [text], {text: 1}, {"key": text}, Amount(1, text), stand_in_class("bank.Pay")(a=text)):
            with pytest.raises(UnsendableMessage, match=r"surrogate"):
                codec(serializer=serializer).encode(message)
    for text in ("🧺", "\\ud800", "é" * 300):
        assert sent(serializer, [text]) == [text]
