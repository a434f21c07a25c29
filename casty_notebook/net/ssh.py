"""To nodes behind a bastion: one SSH connection, and in it a channel to each node. No local ports, no ssh process.

asyncssh (extra ``ssh``) is imported when the first gateway is made.
"""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic
from types import TracebackType
from typing import Any, Self

from casty_notebook.address import NodeAddress
from casty_notebook.errors import MisuseError
from casty_notebook.net.endpoint_probe import DialFailed, os_reason
from casty_notebook.net.ssh_config import SSH
from casty_notebook.net.ssh_transport import Channel
from casty_notebook.settings import Settings

__all__ = ["SSH", "SSHGateway"]

CLOSE_TIMEOUT = 1.0
"""Seconds for the bastion to agree to the end."""

DEAF_TO_KEEPALIVE = 2
"""Questions without an answer that end an SSH connection."""


class SSHGateway:
    """idle --first dial--> logging in --done--> up --lost--> idle; logging in --failed--> pausing --time--> idle.

    A connector for `ClusterClient`: every node is dialled through the one SSH connection, which is made when it is
    first needed, and again after it was lost. Lives on one event loop; close it after the clients that use it.

    Parameters
    ----------
    ssh
        An `SSH`, or its ``[user@]host[:port]``.
    settings
        Its timeouts of ``ssh_…``; the bastion has `Settings.connect_timeout` to reach a node.

    Raises
    ------
    MisuseError
        If asyncssh is not installed, or `ssh` names what is not there.

    Examples
    --------
    >>> async def main():
    ...     async with SSHGateway("ops@bastion.example") as gateway, ClusterClient(
    ...         contact_points=[("10.0.1.10", 25520)], system_name="my-cluster", connector=gateway
    ...     ) as client:
    ...         return await client.wait_for_topology()
    """

    def __init__(self, ssh: SSH | str, settings: Settings | None = None) -> None:
        if not isinstance(ssh, SSH | str):
            raise MisuseError(f"ssh= takes '[user@]host[:port]' or an SSH, not {type(ssh).__name__}")
        self._ssh = SSH(ssh) if isinstance(ssh, str) else ssh
        self._asyncssh = _asyncssh()
        self._options = self._ssh.options()
        self._settings = settings or Settings()
        self._connection: Any = None
        self._login: asyncio.Task[Any] | None = None
        self._failure: DialFailed | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._closed = False
        self._opening: set[asyncio.Task[Any]] = set()
        self.logins = 0
        """SSH connections that were established so far."""

    @property
    def bastion(self) -> str:
        """The bastion as it was given, for errors."""
        return self._ssh.destination

    async def __call__(self, address: NodeAddress, protocol: asyncio.Protocol) -> None:
        """Open a channel to `address`, as the bastion sees it, and connect `protocol` to it.

        Raises
        ------
        DialFailed
            Says which hop failed: to the bastion, the login there, or from there to the node.
        """
        connection = await self._connected()
        seconds = self._settings.connect_timeout
        channel = Channel(protocol, self._explain_loss)
        opening = asyncio.ensure_future(connection.create_connection(lambda: channel, address.host, address.port))
        self._opening.add(opening)
        opening.add_done_callback(self._opened)
        try:
            # Shielded: if the bastion opens the channel after all, `channel` (aborted by then) must be there to close it.
            async with asyncio.timeout(seconds):
                await asyncio.shield(opening)
        except TimeoutError:
            channel.abort()
            raise DialFailed(f"the bastion {self.bastion} could not connect to the node within {seconds:g} s") from None
        except asyncio.CancelledError:
            channel.abort()
            raise
        except self._asyncssh.ChannelOpenError as error:
            raise self._channel_refused(error, connection) from None
        except (self._asyncssh.Error, OSError) as error:
            raise DialFailed(f"the SSH connection to {self.bastion} was lost: {error}") from None

    def _opened(self, opening: asyncio.Task[Any]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled():
            opening.exception()  # marks it as seen, or asyncio would complain where nobody waits any more

    def _channel_refused(self, error: Any, connection: Any) -> DialFailed:
        if connection is not self._connection:  # lost, or lost and made anew, while the channel was opening
            return DialFailed(f"the SSH connection to {self.bastion} was lost")
        if error.code == self._asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            return DialFailed(
                f"the bastion {self.bastion} does not allow forwarding to the node (AllowTcpForwarding or PermitOpen in "
                f"its configuration): {error.reason}",
                verdict=True,
            )
        return DialFailed(f"the bastion {self.bastion} was reached, the node not from there: {error.reason.lower()}")

    # --- the connection --------------------------------------------------------------------------------------------

    async def _connected(self) -> Any:
        if self._closed:
            raise DialFailed(f"the SSH connection to {self.bastion} was closed")
        if self._connection is not None:
            return self._connection
        if self._login is None:
            if self._failure is not None and monotonic() < self._retry_at:
                raise DialFailed(str(self._failure), verdict=self._failure.verdict)
            self._login = asyncio.ensure_future(self._log_in())
        # One login for all who dial, whether or not they wait to its end.
        try:
            outcome = await asyncio.shield(self._login)
        except asyncio.CancelledError:
            if self._closed:  # the login was cancelled, not we
                raise DialFailed(f"the SSH connection to {self.bastion} was closed") from None
            raise
        if isinstance(outcome, DialFailed):
            raise DialFailed(str(outcome), verdict=outcome.verdict)
        return outcome

    async def _log_in(self) -> Any:
        """Return the connection, or the failure as a value: there may be nobody left to raise it to."""
        gateway = self

        class Watcher(self._asyncssh.SSHClient):  # type: ignore[misc, name-defined]
            def connection_lost(self, _exc: Exception | None) -> None:
                gateway._connection = None

        try:
            async with asyncio.timeout(self._settings.ssh_login_timeout):
                connection = await self._asyncssh.connect(
                    **self._options, client_factory=Watcher, keepalive_interval=self._settings.ssh_keepalive,
                    keepalive_count_max=DEAF_TO_KEEPALIVE,
                )  # fmt: skip
        except (OSError, ValueError, self._asyncssh.Error) as error:
            return self._failed(self._explain_failure(error))
        finally:
            self._login = None
        self._failure, self._failures = None, 0
        self.logins += 1
        if connection.get_owner() is not None:  # its watcher is let go when it is lost, which may have been already
            self._connection = connection
        return connection

    def _failed(self, failure: DialFailed) -> DialFailed:
        s = self._settings
        cap = s.ssh_pause_cap_refused if failure.verdict else s.ssh_pause_cap
        pause = min(cap, s.backoff_first * 2.0 ** min(self._failures, 10))
        self._retry_at = monotonic() + pause
        self._failures += 1
        self._failure = failure
        return failure

    def _explain_failure(self, error: Exception) -> DialFailed:
        ssh, bastion = self._asyncssh, self.bastion
        match error:
            case TimeoutError():
                seconds = self._settings.ssh_login_timeout
                return DialFailed(f"the bastion {bastion} did not complete the SSH login within {seconds:g} s")
            case ssh.HostKeyNotVerifiable():
                return DialFailed(
                    f"the host key of the bastion {bastion} is not trusted: {error.reason}; log in once by hand and "
                    f"compare the fingerprint, or pass SSH({bastion!r}, known_hosts=…)",
                    verdict=True,
                )
            case ssh.PermissionDenied():
                return DialFailed(
                    f"the bastion {bastion} refused the login: {error.reason}; check the user, and the keys that are "
                    "offered (client_keys= of SSH, ssh-agent, ~/.ssh/config)",
                    verdict=True,
                )
            case ssh.Error():
                return DialFailed(f"no SSH with the bastion {bastion}: {error.reason}")
            case OSError() if error.filename is not None:
                return DialFailed(f"a file for the login at {bastion} cannot be read: {error}", verdict=True)
            case OSError():
                return DialFailed(f"the bastion {bastion} cannot be reached: {os_reason(error)}")
            case _:
                return DialFailed(f"the keys or the configuration for {bastion} cannot be used: {error}", verdict=True)

    def _explain_loss(self, exc: Exception) -> Exception:
        return ConnectionError(f"the SSH connection to {self.bastion} was lost ({str(exc) or type(exc).__name__})")

    # --- leaving ---------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close the SSH connection and with it every channel. Idempotent."""
        self._closed = True
        if self._login is not None:
            self._login.cancel()
            await asyncio.gather(self._login, return_exceptions=True)
        connection = self._connection
        if connection is not None:
            connection.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await connection.wait_closed()
            connection.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "up" if self._connection is not None else "not connected"
        return f"<SSHGateway {self.bastion}, {state}>"


def _asyncssh() -> Any:
    try:
        import asyncssh  # 0.2 s, and an extra
    except ImportError:
        raise MisuseError("ssh= needs asyncssh; install it with: pip install asyncssh") from None
    return asyncssh
