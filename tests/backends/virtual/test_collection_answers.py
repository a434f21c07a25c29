"""Collections whose keys answer what casty's do not: errors that say so, within bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.backends.virtual.aio.collection_parts import Call, Index, read_layout
from casty_notebook.backends.virtual.aio.collections import Structures
from casty_notebook.backends.virtual.codec.packing import pack
from casty_notebook.backends.virtual.codec.values import EntityKey, ValueReader
from casty_notebook.errors import MisuseError, UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.standin import StandIn, parts

DICT = pack(["dict", 3, "majority", 2, "entry-v1", "<class 'str'>", "<class 'int'>"])
ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 2**63) | st.binary(max_size=9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8,
)  # fmt: skip
MESSAGES = (
    "entry.Get", "entry.Put", "entry.Remove", "entry.Retire", "table.Segments", "table.Grow", "table_segment.Size",
    "table_segment.Scan", "table_segment.List", "table_segment.Unlist", "table_segment.Get",
)  # fmt: skip
SETTINGS = st.recursive(
    st.none() | st.integers(0, 9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(), inner),
)


class Liar:
    """A client whose cluster answers what it was told to, by the message's name; nothing of ours is in between."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.settings = Settings()
        self.reader = ValueReader()
        self.answers = answers
        self.asked = 0

    @property
    def members(self) -> Any:
        class Members:
            types = frozenset({"casty.collections:register.actor"})

        return Members()

    async def wait_for_members(self, timeout: float = 10.0) -> Any:
        return self.members

    async def ask(self, target: EntityKey | str, message: StandIn, **options: Any) -> Any:
        self.asked += 1
        assert self.asked < 100_000, "asked without end"
        return self.answers[parts(message)[0].qualname]


@given(SETTINGS)
def test_settings_of_another_form_are_refused(tree: Any) -> None:
    with pytest.raises(UndecodableMessage, match="came as"):
        read_layout("dict", "prices", pack(tree))


@pytest.mark.parametrize(
    "settings",
    [
        ["set", 3, "majority", 2, "entry-v1", "str", "int"], ["dict", 3, "few", 2, "entry-v1", "str", "int"],
        ["dict", 3, "majority", 10**6, "entry-v1", "str", "int"], ["dict", 3, "majority", 2, "entry-v2", "str", "int"],
        ["dict", 3, "majority", 2, "entry-v1", "str"], ["dict", 3, "majority", 2, "entry-v1", {"a": 1}, "int"],
    ],
)  # fmt: skip
def test_settings_that_casty_does_not_write_are_refused(settings: list[Any]) -> None:
    with pytest.raises(UndecodableMessage, match="the settings of the dict 'prices' came as"):
        read_layout("dict", "prices", pack(settings))


@given(st.fixed_dictionaries(dict.fromkeys(MESSAGES, ANSWERS)))
async def test_no_answer_breaks_a_map_or_has_it_ask_without_end(answers: dict[str, Any]) -> None:
    client = Liar({**answers, "register.Get": DICT, "entry.Contains": True})
    users: Any = Structures(client, lambda coroutine: coroutine, "liars").dict("prices")
    for call in (lambda: users.get("a"), lambda: users.put("a", 1), lambda: users.delete("a"), users.size, users.items):
        client.asked = 0
        try:
            await call()
        except (UndecodableMessage, MisuseError):
            continue


async def test_an_index_that_says_it_is_split_without_end_is_not_followed() -> None:
    client = Liar({"table.Segments": 1, "table_segment.Get": None})
    layout = read_layout("dict", "prices", DICT)
    with pytest.raises(UndecodableMessage, match="no segment of dict 'prices' holds a key"):
        await Index(Call(client, None, 5.0), layout).get(b"a")
    assert client.asked < 200
