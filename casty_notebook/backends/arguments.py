"""What callers give as contact points, settings and names, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from casty_notebook.address import NodeAddress, check_host, check_port
from casty_notebook.errors import InvalidAddress, MisuseError, UnsendableMessage
from casty_notebook.settings import Settings, checked_count

__all__ = ["checked_contacts", "checked_settings", "checked_shards", "checked_system", "checked_text"]



def checked_system(name: str) -> str:
    """A system name that fits into a URI (PROTOCOL section 2.1), or `InvalidAddress`."""
    if not isinstance(name, str) or not name or any(ch in name for ch in "@/") or any(ord(ch) < 32 for ch in name):
        raise InvalidAddress(f"{name!r} cannot be a system name: it must not be empty or contain '@' or '/'")
    return name


def checked_settings(settings: Settings | None) -> Settings:
    """The settings given, or the usual ones; `MisuseError` for what is none."""
    if settings is not None and not isinstance(settings, Settings):
        raise MisuseError(f"settings takes Settings(…), for example Settings(ask_timeout=2.0), not {type(settings).__name__}")
    return settings or Settings()


def checked_shards(shards: Mapping[str, int] | None) -> dict[str, int]:
    """Sharded types with their numbers of shards; `MisuseError` for what cannot be either."""
    if shards is not None and not isinstance(shards, Mapping):
        raise MisuseError(f"shards takes each type with its number of shards, for example {{'counter': 100}}, not {shards!r}")
    return {
        checked_text(f"the sharded type's name {name!r}", name): checked_count(f"shards[{name!r}]", number)
        for name, number in (shards or {}).items()
    }


def checked_text(what: str, text: str) -> str:
    """A text that can be sent, or `UnsendableMessage`."""
    if not isinstance(text, str):
        raise MisuseError(f"{what} is no text")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnsendableMessage(f"{what} has a lone surrogate in it, half a character: no text for a node") from None
    return text


def checked_contacts(points: Iterable[tuple[str, int]]) -> tuple[NodeAddress, ...]:
    """Contact points that can be dialled, each once; `InvalidAddress` or `MisuseError` otherwise."""
    checked = tuple(dict.fromkeys(_checked_contact(point) for point in points))
    if not checked:
        raise MisuseError("contact_points is empty; give at least one (host, port) of a node")
    return checked


def _checked_contact(point: tuple[str, int]) -> NodeAddress:
    try:
        host, port = point
    except (TypeError, ValueError):
        raise InvalidAddress(f"a contact point is (host, port), not {point!r}") from None
    return NodeAddress(check_host(host), check_port(port))
