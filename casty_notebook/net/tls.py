"""TLS towards the nodes: always mutual on their side, always verified on ours (PROTOCOL section 1.3)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from casty_notebook.errors import MisuseError
from casty_notebook.values.castys_refs import is_castys

__all__ = ["TLS", "Certificates", "tls_context"]


@dataclass(frozen=True)
class TLS:
    """Certificate files for a cluster with TLS.

    Parameters
    ----------
    certfile
        This client's certificate (PEM), signed by the authority that the nodes trust; nodes always ask for one.
    keyfile
        Its private key; may be in `certfile`.
    cafile
        The authority that signed the nodes' certificates.
    server_hostname
        The name to verify in the nodes' certificates instead of the address dialled; needed through tunnels, where
        the address dialled (127.0.0.1) is in no certificate.
    password
        Of the private key. Never shown.
    """

    certfile: str | Path
    keyfile: str | Path | None = None
    cafile: str | Path | None = None
    server_hostname: str | None = None
    password: str | None = field(default=None, repr=False)

    def context(self) -> ssl.SSLContext:
        """Build a verifying client context.

        Raises
        ------
        MisuseError
            If a file is missing or no valid PEM; names the file, never its content.
        """
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.cafile)
        except (OSError, ssl.SSLError) as error:
            raise MisuseError(f"the authority file {str(self.cafile)!r} cannot be used: {error}") from None
        try:
            # An empty password instead of None: OpenSSL would otherwise ask on a terminal that a kernel does not have.
            context.load_cert_chain(self.certfile, self.keyfile, password=self.password or "")
        except (OSError, ssl.SSLError) as error:
            files = f"{str(self.certfile)!r}" + (f" with key {str(self.keyfile)!r}" if self.keyfile else "")
            raise MisuseError(f"the certificate {files} cannot be used: {error}") from None
        return context


class Certificates:
    """The context in use, made anew when its files have changed: certificates are renewed while clients run."""

    def __init__(self, context: ssl.SSLContext | None, files: TLS | None) -> None:
        self.context = context
        self._files = files
        self._seen = self._state()

    def renew(self) -> None:
        """Look at the files, for a few microseconds. Halves of a renewal are left until they fit together."""
        state = self._state()
        if self._files is None or state == self._seen:
            return
        try:
            self.context = self._files.context()
        except MisuseError:
            return
        self._seen = state

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        files = self._files
        return tuple(map(_stamp, (files.certfile, files.keyfile, files.cafile))) if files is not None else ()


def _stamp(path: str | Path | None) -> tuple[int, int, int] | None:
    try:
        seen = Path(path).stat() if path is not None else None
    except OSError:
        return None
    return (seen.st_mtime_ns, seen.st_size, seen.st_ino) if seen is not None else None


def tls_context(tls: TLS | ssl.SSLContext | None) -> tuple[ssl.SSLContext | None, str | None]:
    """The context and the server name to verify (None: the address dialled)."""
    if tls is None or isinstance(tls, ssl.SSLContext):
        return tls, None
    if isinstance(tls, TLS):
        return tls.context(), tls.server_hostname
    context = getattr(tls, "client_context", None)
    if is_castys(type(tls)) and isinstance(context, ssl.SSLContext):
        return context, None
    raise MisuseError(f"tls= takes a TLS(certfile, keyfile, cafile) or an ssl.SSLContext, not {type(tls).__name__}")
