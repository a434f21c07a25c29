"""Named connections: what ``@prod`` stands for, in a file that is only read, and holds no secret.

``~/.config/casty_notebook/connections.toml`` (below ``XDG_CONFIG_HOME`` where that is set), a table for each name::

    [prod]
    uri = "casty://shop@10.0.1.10:25520,10.0.1.11:25520"
    shards = { counter = 100 }
    ssh = "ops@bastion.example"
    read_only = true
    questions = ["bank.messages.GetBalance"]
    colour = "crimson"

The keys are the options of `connect`. Nothing in it is imported or run; a text is what a text says.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from casty_notebook.address import ClusterURI, NodeAddress
from casty_notebook.errors import InvalidAddress, MisuseError
from casty_notebook.printable import printable

if TYPE_CHECKING:
    from casty_notebook.net.ssh_config import SSH
    from casty_notebook.net.tls import TLS
    from casty_notebook.settings import Settings

__all__ = ["SIGN", "profile_names", "profiles_file", "resolved", "ssh_of", "tls_of"]

SIGN = "@"
"""What the name of a profile is written with, so that it is neither an address nor an open connection's name."""
LARGEST = 1024 * 1024
"""Bytes: thousands of profiles."""

_PLAIN: dict[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), float: (int, float)}
"""What TOML has for options of these types; what the others are read from stands in `_READERS`."""
_NOT_TEXT = {"messages": "messages are classes", "trace": "trace is a function"}
_CALLED = {str: "text", dict: "a table", int: "a number", float: "a number", bool: "true or false", list: "a list"}
_SECRETS = ("passw", "passphrase", "secret", "token", "credential", "private_key")
_ELSEWHERE = (
    "is a secret, and this file is plain text: it takes none. Use a key that the ssh-agent holds, or give it in code: "
    "connect(…, ssh=SSH(…), tls=TLS(…))"
)
_ON_A_LINE = (
    "is a secret, and a line like this is kept and seen by others: it takes none. Use a key that the ssh-agent holds, or one "
    "without a passphrase, or give it in code: connect(…, ssh=SSH(…), tls=TLS(…))"
)
_SWITCHES = {"true": True, "false": False}


def profiles_file() -> Path:
    """Where the profiles are, whether there are any or not."""
    given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    base = given if given.is_absolute() else Path("~/.config").expanduser()  # as the XDG specification has it
    return base / "casty_notebook" / "connections.toml"


def profile_names() -> tuple[str, ...]:
    """The names that there are; none where the file cannot be read: for completion, which says nothing."""
    try:
        return tuple(name for name, profile in _read().items() if isinstance(profile, dict))
    except MisuseError:
        return ()


def resolved(uri: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return address and options as `connect` needs them: those of the profile, where `uri` names one.

    What is given beside the profile counts more than what is in it; shards and addresses are added. None is not given.

    Raises
    ------
    MisuseError
        If there is no such profile, or it has what it cannot; says where, and what was meant.
    """
    if not (isinstance(uri, str) and uri.startswith(SIGN)):
        return uri, dict(options)
    given = {name: value for name, value in options.items() if value is not None}
    profile = _profile(uri.removeprefix(SIGN))
    for name in ("shards", "address_map"):
        if isinstance(given.get(name), Mapping) and name in profile:
            given[name] = {**profile[name], **given[name]}
    found = {**profile, **given}
    return found.pop("uri"), found


def tls_of(where: str, fields: Mapping[str, str]) -> TLS:
    """Return the `TLS` that a line of text writes out: ``--tls certfile=client.pem,cafile=ca.pem``.

    Raises
    ------
    MisuseError
        If there is no such field, it is a secret, or the certificate is missing.
    """
    _refuse_secrets(where, fields, _ON_A_LINE)
    if "certfile" not in fields:
        raise MisuseError(f"{where} needs certfile=PATH, the certificate of this client; nodes with TLS always ask for one")
    return _tls(where, dict(fields))


def ssh_of(where: str, fields: Mapping[str, str]) -> SSH:
    """Return the `SSH` that a line of text writes out: ``--ssh ops@bastion,client_keys=~/.ssh/ops``. Raises as `tls_of`."""
    _refuse_secrets(where, fields, _ON_A_LINE)
    table: dict[str, Any] = dict(fields)
    if "agent" in table:
        if table["agent"] not in _SWITCHES:
            raise MisuseError(f"{where}: agent is true or false")
        table["agent"] = _SWITCHES[table["agent"]]
    return _ssh(where, table)


# --- reading --------------------------------------------------------------------------------------------------------------


def _read() -> dict[str, Any]:
    file = profiles_file()
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise MisuseError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(data) > LARGEST:
        raise MisuseError(f"{file} has more than {LARGEST:,} bytes: it is no file of profiles")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MisuseError(f"{file} is no TOML: {error}") from None


def _profile(name: str) -> dict[str, Any]:
    file, profiles = profiles_file(), _read()
    if not isinstance(profiles.get(name), dict):
        if not profiles:
            raise MisuseError(f'there is no profile {name!r}: write it into {file}, as [{name}] with uri = "casty://…"')
        raise MisuseError(f"there is no profile {name!r} in {file}; {_near(name, profiles, sign=SIGN)}")
    where = f"{file}, [{printable(name)}]"
    _check(where, profiles[name])
    made: dict[str, Any] = {"name": name}
    for key, value in profiles[name].items():
        try:
            made[key] = _READERS[key].read(f"{where}: {key}", value) if key in _READERS else value
        except (InvalidAddress, TypeError) as error:
            raise MisuseError(f"{where}: {key}: {error}") from None
    if "uri" not in made:
        raise MisuseError(f'{where} has no uri; add uri = "casty://SYSTEM@HOST:PORT"')
    return made


def _written_as() -> dict[str, tuple[type, ...]]:
    """What each key of a profile may be in TOML: nothing, where it is an option that no file can hold."""
    from casty_notebook.client.options import ConnectOptions

    written = {}
    for name, hint in get_type_hints(ConnectOptions).items():
        kinds = set(get_args(hint) or (hint,)) - {NoneType}
        written[name] = _PLAIN.get(kinds.pop(), ()) if len(kinds) == 1 else ()
    return written | {name: reader.types for name, reader in _READERS.items()}


def _check(where: str, profile: Mapping[str, Any]) -> None:
    _refuse_secrets(where, profile)
    written_as = _written_as()
    for key, value in profile.items():
        types = written_as.get(key)
        if types is None:
            raise MisuseError(f"{where} has a key {key!r}; {_near(key, written_as)}")
        if not types:
            raise MisuseError(f"{where}: {_NOT_TEXT[key]}, and a file has none: give it in code, connect(…, {key}=…)")
        if type(value) not in types:  # true is a number to Python, and "false" is true
            raise MisuseError(f"{where}: {key} must be {' or '.join(dict.fromkeys(_CALLED[each] for each in types))}")


def _refuse_secrets(where: str, table: Mapping[str, Any], why: str = _ELSEWHERE) -> None:
    """By the names of keys, at any depth; a value is never quoted."""
    for key, value in table.items():
        if any(secret in key.casefold() for secret in _SECRETS):
            raise MisuseError(f"{where}: {printable(key)} {why}")
        if isinstance(value, dict):
            _refuse_secrets(f"{where}: {printable(key)}", value, why)


def _near(name: str, known: Iterable[str], sign: str = "") -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {sign}{close[0]}?" if close else f"there are {', '.join(sign + each for each in names)}"


# --- from what a file can hold to what `connect` takes --------------------------------------------------------------------


def _uri(_where: str, text: str) -> str:
    return str(ClusterURI.parse(text))


def _addresses(_where: str, table: Mapping[str, Any]) -> dict[NodeAddress, NodeAddress]:
    return {NodeAddress.parse(there): NodeAddress.parse(str(here)) for there, here in table.items()}


def _ssh(where: str, value: str | dict[str, Any]) -> SSH:
    from casty_notebook.net.ssh_config import SSH

    return SSH(value) if isinstance(value, str) else _value_of(SSH, where, value)


def _questions(where: str, names: list[Any]) -> list[str]:
    if not all(isinstance(name, str) and "." in name for name in names):
        raise MisuseError(f'{where} must be dotted names of messages, as ["bank.messages.GetBalance"]')
    return names


def _tls(where: str, table: dict[str, Any]) -> TLS:
    from casty_notebook.net.tls import TLS

    return _value_of(TLS, where, table)


def _settings(where: str, table: dict[str, Any]) -> Settings:
    from casty_notebook.settings import Settings

    return _value_of(Settings, where, table)


def _value_of[T](cls: type[T], where: str, table: dict[str, Any]) -> T:
    takes = {each.name for each in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in takes:
            raise MisuseError(f"{where} has a key {key!r}; {_near(key, takes)}")
    expanded = {key: str(Path(value).expanduser()) if str(value).startswith("~") else value for key, value in table.items()}
    return cls(**expanded)


class _Reader(NamedTuple):
    """What of TOML an option is made of, and how; the reader is told where that stands."""

    types: tuple[type, ...]
    read: Callable[[str, Any], Any]


_READERS = {
    "uri": _Reader((str,), _uri),
    "shards": _Reader((dict,), lambda _where, table: table),
    "address_map": _Reader((dict,), _addresses),
    "ssh": _Reader((str, dict), _ssh),
    "questions": _Reader((list,), _questions),
    "tls": _Reader((dict,), _tls),
    "settings": _Reader((dict,), _settings),
}
