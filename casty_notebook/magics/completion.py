"""What can stand at the cursor of a magic's line. Pure: the line and the names known now → completions.

The grammars decide what may come next; the names are whatever the last snapshot and the user's namespace had.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.errors import MisuseError
from casty_notebook.magics.commands import CELL_COMMANDS, LINE_COMMANDS
from casty_notebook.magics.grammar import Flag, Grammar, Positional, looks_like_flag, takes_another
from casty_notebook.magics.lines import begins_comment
from casty_notebook.magics.words import Word, next_word, written
from casty_notebook.values.targets import EntityName, Exact, ServiceName, parse_target

__all__ = ["Completions", "Item", "KnownNames", "complete", "named_connection"]

_LIMIT = 500
"""As many as IPython passes on."""

_MAGIC = re.compile(r"\s*(?:[^=%(]*[^=%(\s]\s*=\s*(?=%))?(?P<sign>%{0,2})(?P<name>casty_\w+)(?P<rest>\s.*)", re.DOTALL)
_CODE = re.compile(r"\s*[=(.,:]")
_NO_CODE = re.compile(r"[\w-][\w./:@=-]*|\"[^\"]*\"|'[^']*'", re.ASCII)
"""What cannot follow a name and a space in Python. A line without a percent sign is a magic only if such a text follows."""
_NAME_START = re.compile(r"\w*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNames:
    """Names to offer, each group in the order in which it is to be shown."""

    connections: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    """As they are written: ``@prod``."""
    shard_types: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    """Whole targets, as ``counter/user-42``."""
    messages: tuple[str, ...] = ()
    system: str = ""
    instances: tuple[str, ...] = ()
    """Services on one member, as ``payment@node-2``."""
    nodes: tuple[str, ...] = ()
    """Addresses of the members, as ``10.0.1.10:25520``."""


@dataclass(frozen=True, slots=True)
class Item:
    """One completion and the word that a front end shows beside it."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Completions:
    """What to put in place of `fragment`, the text just before the cursor."""

    fragment: str
    items: tuple[Item, ...]
    exclusive: bool
    """Whether nothing else makes sense here: no files, no Python names."""


def complete(line: str, cursor: int, known: KnownNames) -> Completions | None:
    """Return completions for the cursor in `line`, or None where the line is no command or nothing is known to fit.

    Examples
    --------
    >>> known = KnownNames(connections=("prod",), shard_types=("counter",))
    >>> [item.text for item in complete("x = %casty_ask cou", 18, known).items]
    ['counter/']
    >>> [item.text for item in complete("%casty_members -c p", 19, known).items]
    ['prod']
    """
    found = _command(line[:cursor])
    if found is None:
        return None
    sign, grammar, rest = found
    place = _place(grammar, rest)
    if place is None:
        return None
    fragment = place.fragment
    fitting = (item for item in place.offers(known) if item.text.startswith(fragment) and item.text != fragment)
    if not sign:
        fitting = (item for item in fitting if _NO_CODE.fullmatch(item.text))
    items = tuple(islice(fitting, _LIMIT))
    if not items and sign and place.for_target and fragment.endswith(("/", "@")) and written(fragment) == fragment:
        # A key that nobody knows comes next. With no offer at all, IPython would make its own: every name of Python's.
        items = (Item(fragment, "target"),)
    return Completions(fragment, items, place.exclusive) if items else None


def named_connection(line: str, cursor: int) -> str | None:
    """Return the connection that the line names before the cursor, if it does.

    Examples
    --------
    >>> named_connection("%casty_ask -c prod cou", 22)
    'prod'
    """
    found = _command(line[:cursor])
    if found is None:
        return None
    _, grammar, rest = found
    name: str | None = None
    position, wanted = 0, False
    while (word := next_word(rest, position)) is not None:
        position = word.end
        flag, equals, value = word.text.partition("=")
        if wanted:
            name, wanted = word.text, False
        elif not word.quoted and (known := grammar.flag(flag)) is not None and known.field == "connection":
            name, wanted = (value, False) if equals else (name, True)
    return name


def _command(text: str) -> tuple[str, Grammar, str] | None:
    """The percent signs and the grammar of the magic that a line calls, and what follows its name."""
    match = _MAGIC.fullmatch(text)
    if match is None or (not match["sign"] and _CODE.match(match["rest"])):
        return None
    grammar = (CELL_COMMANDS if match["sign"] == "%%" else LINE_COMMANDS).get(match["name"])
    return None if grammar is None else (match["sign"], grammar, match["rest"])


@dataclass(frozen=True, slots=True)
class _Place:
    """What the grammar wants at the cursor: the value of a flag, a flag's name, or a positional."""

    fragment: str
    wants: Flag | Positional | Grammar
    joined: bool = False
    """Whether it goes on within a word, as after ``--connection=``."""

    @property
    def exclusive(self) -> bool:
        return not (isinstance(self.wants, Positional) and self.wants.rest)

    @property
    def for_target(self) -> bool:
        return isinstance(self.wants, Positional) and self.wants.field in ("target", "targets")

    def offers(self, known: KnownNames) -> Iterator[Item]:
        if isinstance(self.wants, Grammar):
            for flag in self.wants.flags:
                yield from _items(flag.names[::-1], "flag")
            return
        match self.wants.field:
            case "connection" | "name" | "uri" if not _new_name(self.wants):
                names = (name for name in known.connections if self.wants.field != "uri" or "://" not in name)
                yield from self._named(names, "connection")
                if self.wants.field == "uri":
                    yield from self._named(known.profiles, "profile")
            case "target" | "targets":
                yield from _targets(known, self.fragment)
            case "shard_type":
                yield from self._named(known.shard_types, "shard type")
            case "shards":
                yield from _plain((f"{name}=" for name in known.shard_types if name and "," not in name), "shard type")
            case "address_map":
                yield from _plain((f"{node}=" for node in known.nodes if _is_address(node)), "node")
            case "expression" | "questions":
                yield from _items(known.messages, "message")
            case "serializer":
                yield from _items(("pickle", "json", "msgpack"), "serializer")

    def _named(self, names: Iterable[str], kind: str) -> Iterator[Item]:
        """Names that need quotes are offered in quotes, but not after ``--flag=``, where a quote would be part of the name."""
        return _plain(names, kind) if self.joined else _items(filter(None, map(written, names)), kind)


def _new_name(wants: Flag | Positional) -> bool:
    return isinstance(wants, Flag) and "--as" in wants.names


def _items(texts: Iterable[str], kind: str) -> Iterator[Item]:
    return (Item(text, kind) for text in texts)


def _plain(texts: Iterable[str], kind: str) -> Iterator[Item]:
    """Offer only texts that need no quotes. The user may go on typing behind them, which a closing quote would prevent."""
    return (Item(text, kind) for text in texts if written(text) == text)


def _targets(known: KnownNames, fragment: str) -> Iterator[Item]:
    # A name that would be read as two words, a flag or braces is offered in quotes. It then no longer starts with what
    # was typed, so it appears only while nothing is typed: better than an offer that breaks the line.
    fitting = ((name for name in names if name.startswith(fragment)) for names in (known.services, known.entities))
    services, entities = fitting
    types = (f"{name}/" for name in known.shard_types if "/" not in name)
    yield from _items(filter(None, (written(each) for each in types if each.startswith(fragment))), "shard type")
    yield from _items(filter(None, (written(each) for each in services if _means(each, ServiceName))), "service")
    yield from _items(filter(None, (written(each) for each in entities if _means(each, EntityName))), "entity")
    if "@" in fragment:
        instances = (name for name in known.instances if name.startswith(fragment) and _means(name, ServiceName))
        yield from _items(filter(None, map(written, instances)), "instance")
    if known.system:
        beginnings = (f"casty://{known.system}@{node}/" for node in known.nodes)
        yield from _plain((text for text in beginnings if _means(f"{text}actor", ActorAddress)), "node")


def _is_address(node: str) -> bool:
    try:
        return str(NodeAddress.parse(node)) == node and not {",", "="} & {*node}
    except MisuseError:
        return False


def _means(name: str, kind: type[EntityName | ServiceName | ActorAddress]) -> bool:
    """Whether a name is read as a target of its own kind. A service called ``a/b`` is not: it would be asked as an entity."""
    try:
        return isinstance(parse_target(Exact(name)), kind)
    except MisuseError:
        return False


def _place(grammar: Grammar, text: str) -> _Place | None:
    """Walk the words before the cursor as `grammar.parse` does, and say what is wanted at the end."""
    waiting = list(grammar.positionals)
    flag: Flag | None = None
    several: Flag | None = None
    position = 0
    while (word := next_word(text, position)) is not None and word.end < len(text):
        if begins_comment(word, after=flag):
            return None
        position = word.end
        if several is not None and takes_another(several, word):
            continue
        several = None
        if flag is not None:
            several, flag = (flag if flag.many else None), None
        elif looks_like_flag(word):
            flag = _flag_wanting_value(grammar, word)
        elif waiting and waiting[0].rest:
            return None
        elif waiting and not waiting[0].many:
            waiting.pop(0)
    fragment = word.text if word is not None else ""
    if word is not None and (word.quoted or not word.closed or begins_comment(word, after=flag)):
        return None
    if flag is not None:
        return _Place(fragment, flag)
    if several is not None and "://" not in fragment and not fragment.startswith("-") and fragment:
        return _Place(fragment, several) if not waiting or "=" in fragment else _Place(fragment, waiting[0])
    return _last(grammar, waiting, fragment)


def _flag_wanting_value(grammar: Grammar, word: Word) -> Flag | None:
    name, equals, _ = word.text.partition("=")
    flag = grammar.flag(name)
    return flag if flag is not None and flag.metavar and not equals else None


def _last(grammar: Grammar, waiting: list[Positional], fragment: str) -> _Place | None:
    name, equals, value = fragment.partition("=")
    if fragment.startswith("-"):
        if not equals:
            return _Place(fragment, grammar)
        flag = grammar.flag(name)
        return _Place(value, flag, joined=True) if flag is not None and flag.metavar else None
    if not waiting:
        return None
    if waiting[0].rest and not _NAME_START.fullmatch(fragment):
        return None
    return _Place(fragment, waiting[0])
