"""What each magic takes and says about itself: the tables that parsing, help and completion read."""

from __future__ import annotations

import keyword
import math
import re

from casty_notebook.address import NodeAddress
from casty_notebook.magics.grammar import Flag, Grammar, Positional
from casty_notebook.magics.words import Word

__all__ = [
    "ACTIVATIONS",
    "ASK",
    "CONNECT",
    "DISCONNECT",
    "DOCTOR",
    "EVENTS",
    "FAN_OUT",
    "LISTEN",
    "MEMBERS",
    "PROBLEMS",
    "REPORT",
    "SERVICES",
    "SHARDS",
    "TELL",
    "TOPOLOGY",
    "WATCH",
    "WHERE",
]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("expected a number of seconds") from None
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError("expected more than 0 seconds")
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise ValueError("expected a whole number above 0")
    return int(text)


def _shard_count(text: str) -> tuple[str, int]:
    shard_type, equals, count = text.rpartition("=")
    if not (equals and shard_type):
        raise ValueError("expected TYPE=NUMBER, for example counter=100")
    return shard_type, _count(count)


def _mapping(text: str) -> tuple[NodeAddress, NodeAddress]:
    there, equals, here = text.partition("=")
    if not equals:
        raise ValueError("expected HOST:PORT=HOST:PORT, for example 10.0.1.10:25520=127.0.0.1:9001")
    # InvalidAddress is a ValueError, so the grammar reports it like any other wrong value.
    return NodeAddress.parse(there), NodeAddress.parse(here)


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("a name must have characters that can be seen")
    return text


def _variable(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise ValueError("expected the name of a variable")
    return text


def _variables(text: str) -> tuple[str, ...]:
    return tuple(_variable(name.strip()) for name in text.split(","))


def _tls(text: str) -> str | tuple[tuple[str, str], ...]:
    """A variable's name, or what a `TLS` is made of."""
    if "=" in text:
        return _fields(text)
    if not text.isidentifier():
        raise ValueError("expected certfile=PATH,cafile=PATH, or the name of a variable")
    return _variable(text)


def _ssh(text: str) -> str | tuple[tuple[str, str], ...]:
    """A destination (which may be a variable's name), or what an `SSH` is made of, the destination first."""
    destination, comma, rest = text.partition(",")
    return (("destination", destination), *_fields(rest)) if comma else text


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in re.split(r",(?=\w+=)", text)]
    if wrong := next((name for name, equals, value in pairs if not (equals and value and name.isidentifier())), None):
        raise ValueError(f"expected NAME=VALUE at {wrong!r:.40}, and a comma before the next")
    return tuple((name, value) for name, _, value in pairs)


def _time(text: str) -> str | float:
    """Seconds ago as a number, since a dash in front would be read as a flag; anything else is looked at as a time later."""
    try:
        return -abs(_seconds(text.removeprefix("-")))
    except ValueError:
        return text


def _dotted_name(text: str) -> str:
    if not all(part.isidentifier() for part in text.split(".")):
        raise ValueError("expected a name like bank.messages.GetBalance")
    return text


_COMMON = (
    Flag(("-c", "--connection"), "connection", "connection to use; without it the current one", "NAME", _name),
    Flag(("-t", "--timeout"), "timeout", "longest wait", "SECONDS", _seconds),
    Flag(("-v", "--verbose"), "verbose", "when it fails, the whole story instead of one line"),
)
_EVERYONE = Flag(("--all",), "everyone", "every instance of a service instead of one; gives a table")
_FORCE = Flag(
    ("--force",), "force", "casty 0.30: a type that no member has met (its nodes import its module), or what did not fit before"
)
_FAIL_FAST = Flag(
    ("--fail-fast",), "fail_fast", "fail at once where a node cannot be reached; without it, hold what has not left until -t"
)
_REPLY_FIELD = Flag(
    ("--reply-field",), "reply_field", "the message's field for the reply address, if not reply_to", "NAME", _variable
)
_NOTIFY = Flag(
    ("--notify",), "notify",
    "when a problem appears: in a page a red line, a blinking title and (by its button) a notification; in a terminal its bell",
)  # fmt: skip
_TARGET = Positional(
    "TARGET",
    "target",
    "counter/user-42 (an entity), payment (a service), payment@node-2 (that on one member), or"
    " casty://SYSTEM@HOST:PORT/PATH (any actor);"
    " {expression} is filled in, quotes prevent that",
    whole=True,
)
_URI = Positional(
    "URI",
    "uri",
    "casty://SYSTEM@HOST:PORT[,HOST:PORT…], @NAME of a profile (~/.config/casty_notebook/connections.toml), or the name of a"
    " connection; {expression} is filled in",
    required=False,
    whole=True,
)
_EXPRESSION = Positional(
    "EXPRESSION",
    "expression",
    "Python, to the end of the line: a message, its class, or bank.messages.GetBalance(currency='EUR') for a class that"
    " is not here",
    rest=True,
)

def _is_target(word: Word) -> bool:
    """Whether a word after the first target is one more: an entity, an instance on a member, an actor's URI."""
    return word.quoted or ("(" not in word.text and any(sign in word.text for sign in "/@"))


_WAY = (
    Flag(("--shards",), "shards", "number of shards, as the cluster was given it", "TYPE=N", _shard_count, many=True),
    Flag(("--map",), "address_map", "where a node says A, dial B", "A=B", _mapping, many=True),
    Flag(("--serializer",), "serializer", "pickle, json, msgpack or cloudpickle; without it found out by asking", "NAME"),
    Flag(("--compression",), "compression", "as the cluster is configured; without --serializer found out, too", "NAME"),
    Flag(
        ("--tls",), "tls",
        "files for TLS: certfile=PATH,keyfile=PATH,cafile=PATH,server_hostname=NAME, the first of them at least; in a"
        " notebook also the variable with a TLS or an ssl.SSLContext",
        "NAME=VALUE,…", _tls,
    ),
    Flag(
        ("--ssh",), "ssh",
        "bastion to go through; after a comma what its SSH needs: client_keys=PATH,known_hosts=PATH,config=PATH; in a"
        " notebook also the variable with an SSH",
        "[USER@]HOST[:PORT]", _ssh,
    ),
)  # fmt: skip
"""How nodes are reached and read."""

CONNECT = Grammar(
    "%casty_connect",
    "Attach to a Casty cluster from outside, make the connection current and show its card.\n\n"
    "Without an argument: list the connections. With the name of a connection: make that one current.",
    (_URI,),
    (
        Flag(("--as",), "name", "name of the connection; without it the system's name", "NAME", _name),
        Flag(("--demo",), "demo", "start real nodes on this machine and connect to them; --demo 0.30: nodes of casty 0.30"),
        *_WAY,
        Flag(("--send-main",), "send_main", "send messages of this notebook's own classes: the nodes' __main__ has them, too"),
        Flag(("--read-only",), "read_only", "refuse every tell, and every ask whose message is not a --question"),
        Flag(
            ("--question",),
            "questions",
            "message that only reads: a dotted name, or a variable with a class or a module of them; may be repeated",
            "NAME",
            _dotted_name,
            many=True,
        ),
        Flag(("--colour",), "colour", "mark the cards of the connection: a CSS name or #rrggbb", "COLOUR"),
        Flag(
            ("--messages",),
            "messages",
            "variables with the classes that replies are made of: classes, modules of them, or collections",
            "VARIABLE,…",
            _variables,
        ),
        *_COMMON,
    ),
    (
        "%casty_connect casty://my-cluster@10.0.1.10:25520 --as prod --shards counter=100",
        "%casty_connect casty://my-cluster@10.0.1.10:25520 --map 10.0.1.10:25520=127.0.0.1:9001",
        "%casty_connect casty://my-cluster@10.0.1.10:25520 --messages bank,Receipt",
        "%casty_connect casty://my-cluster@10.0.1.10:25520 --ssh ops@bastion.example,client_keys=~/.ssh/ops",
        "%casty_connect casty://my-cluster@10.0.1.10:25520 --tls certfile=client.pem,cafile=ca.pem",
        "%casty_connect casty://my-cluster@10.0.1.10:25520 --read-only --question bank.messages.GetBalance --colour crimson",
        "%casty_connect @prod",
        "%casty_connect --demo",
        "%casty_connect --demo 0.30",
        "%casty_connect prod",
    ),
)
DOCTOR = Grammar(
    "%casty_doctor",
    "Examine the way to a cluster step by step: a verdict on each line, and what to do about it.\n\n"
    "Without an argument: the current connection. An address needs no connection, and none is left behind.",
    (_URI,),
    (
        *_WAY,
        *_COMMON,
    ),
    ("%casty_doctor", "%casty_doctor prod", "%casty_doctor casty://my-cluster@10.0.1.10:25520 --shards counter=100"),
)
ASK = Grammar(
    "%casty_ask",
    "Ask one actor and return its reply.\n\n"
    "`reply_to` stands for the address of the reply; a message that lacks it gets it. Flags stand before the\n"
    "expression. %%casty_ask asks many.",
    (_TARGET, _EXPRESSION),
    (
        *_COMMON,
        _EVERYONE,
        Flag(("--retry",), "retry", "ask again when the answer may be lost: only for questions that may run twice"),
        _FAIL_FAST,
        _FORCE,
        _REPLY_FIELD,
        Flag(("--count",), "count", "ask so many times and measure; gives a table of latencies", "N", _count),
        Flag(("--every",), "every", "with --count: seconds from one ask to the next (0.1)", "SECONDS", _seconds),
    ),
    (
        "%casty_ask counter/user-42 GetCount",
        "x = %casty_ask -t 2 counter/{user} Transfer(amount=10, reply_to=reply_to)",
        "latencies = %casty_ask --count 100 --every 0.1 counter/user-42 GetCount",
        "%casty_ask --all payment bank.messages.GetBalance(currency='EUR')",
    ),
)
FAN_OUT = Grammar(
    "%%casty_ask",
    "Ask many actors the message in the cell's body; return a table of reply, node, shard, latency and error.",
    (
        Positional(
            "TARGETS",
            "targets",
            "entities, or services (every instance of one): counter/user-{1..100}, counter/{users}, payment",
            many=True,
            whole=True,
        ),
    ),
    (
        *_COMMON,
        Flag(("-o", "--output"), "output", "put the table into this variable instead of showing it", "NAME", _variable),
        Flag(("--concurrency",), "concurrency", "asks on their way at one time", "N", _count),
        Flag(("--fields",), "fields", "show the fields of the replies as columns"),
        _FAIL_FAST,
        _REPLY_FIELD,
    ),
    ("%%casty_ask counter/user-{1..100} -t 2\nGetCount()",),
)
TELL = Grammar(
    "%casty_tell",
    "Send one message without waiting for anything. Flags stand before the expression.",
    (_TARGET, _EXPRESSION),
    (*_COMMON, Flag(("--all",), "everyone", "every instance of a service instead of one"), _FORCE),
    ("%casty_tell counter/user-42 Increment(5)",),
)
LISTEN = Grammar(
    "%casty_listen",
    "Send one message and receive whatever comes to its reply address: a table of time, node and message.\n\n"
    "Ends after --count messages or --for seconds, whichever comes first; without both after 10 seconds.\n"
    "Ctrl-C ends it early and keeps what has arrived. Flags stand before the expression.",
    (_TARGET, _EXPRESSION),
    (
        *_COMMON,
        Flag(("--count",), "count", "so many messages", "N", _count),
        Flag(("--for",), "seconds", "so long", "SECONDS", _seconds),
        Flag(("--fields",), "fields", "the messages' fields as columns"),
        Flag(("--retry",), "retry", "when the node is lost, send the message again and go on"),
        _REPLY_FIELD,
    ),
    (
        "%casty_listen --count 100 prices/EUR Subscribe()",
        "%casty_listen --for 30 --reply-field consumer ticks Subscribe(demand=50)",
    ),
)
WATCH = Grammar(
    "%casty_watch",
    "Ask again and again, and show the values as they change: a live view in notebooks, text in terminals.\n\n"
    "Returns the watch: its `data` is a DataFrame, its `stop()` ends it; so do the view's button, the end of\n"
    "the connection, and a notebook that shows it no more. No second ask leaves before the first is\n"
    "answered. Flags stand before the expression.",
    (
        Positional(
            "TARGET",
            "targets",
            "as of %casty_ask; a pattern counter/user-{1..5}; further ones have a / or an @",
            many=True,
            whole=True,
            one_more=_is_target,
        ),
        _EXPRESSION,
    ),
    (
        *_COMMON,
        Flag(("--every",), "every", "from one ask to the next (1)", "SECONDS", _seconds),
        Flag(("--field",), "field", "show a field of the reply: count, stats.count", "NAME", _dotted_name),
        Flag(("--for",), "seconds", "end by itself after so long", "SECONDS", _seconds),
        Flag(("--all",), "everyone", "every instance of a service, each in a row"),
        _NOTIFY,
        _FAIL_FAST,
        _FORCE,
        _REPLY_FIELD,
    ),
    (
        "%casty_watch counter/user-42 GetCount",
        "watch = %casty_watch --every 0.5 --field amount account/{1..5} bank.messages.GetBalance()",
        "%casty_watch counter/user-42 account/alice --for 60 GetCount",
    ),
)
MEMBERS = Grammar("%casty_members", "Table of the cluster's members: its view of each, and ours.", (), _COMMON)
SHARDS = Grammar(
    "%casty_shards",
    "Table of shards and who owns them, from the last snapshot.",
    (Positional("TYPE", "shard_type", "only shards of this type", required=False),),
    _COMMON,
)
SERVICES = Grammar("%casty_services", "Table of the instances of every discoverable service.", (), _COMMON)
ACTIVATIONS = Grammar(
    "%casty_activations",
    "Table of the keys that are active now on nodes of casty 0.30, and of what waits in their mailboxes.",
    (),
    _COMMON,
)
PROBLEMS = Grammar("%casty_problems", "Table of what is wrong: since when, who says so, what to do.", (), _COMMON)
EVENTS = Grammar("%casty_events", "Table of what changed since the connection was made.", (), _COMMON)
REPORT = Grammar(
    "%casty_report",
    "Write what happened as one HTML file that opens anywhere, the recording in it; return its path.\n\n"
    "Without an argument: into this folder, named for cluster and time.",
    (Positional("PATH", "path", "the file, or a folder for it", required=False),),
    (
        Flag(("--before",), "before", "moment to compare with: a time, or seconds ago; else before the trouble", "TIME", _time),
        Flag(("--note",), "note", "what you want to say about it", "TEXT"),
        Flag(("--no-recording",), "without_recording", "leave the recording out"),
        Flag(("--overwrite",), "overwrite", "replace a file that is there already"),
        *_COMMON,
    ),
    ("%casty_report", "%casty_report incident.html --before 60 --note 'node-3 was killed at the console'"),
)
WHERE = Grammar(
    "%casty_where",
    "Say where a target lives: shard, owner, replicas, and whether we reach them.",
    (_TARGET,),
    _COMMON,
    ("%casty_where counter/user-42",),
)
TOPOLOGY = Grammar(
    "%casty_topology",
    "Show the live view of the cluster; in a terminal as text (extra top).",
    (),
    (*_COMMON, _NOTIFY),
    ("%casty_topology --notify",),
)
DISCONNECT = Grammar(
    "%casty_disconnect",
    "Close a connection: the named one, or the current one. Stops the demo cluster that came with it.",
    (Positional("NAME", "name", "connection to close", required=False),),
    (*_COMMON, Flag(("--all",), "everything", "every connection")),
)
