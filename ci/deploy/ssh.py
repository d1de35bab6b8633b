"""A machine over SSH: one kept connection, strict host keys, commands and files.

The only importer of paramiko.

Nothing is ever trusted on first use, and no command is ever sent twice: a dropped connection is
opened again for the next command alone.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import paramiko
from paramiko.ssh_exception import BadHostKeyException, SSHException

from ci.deadline import Deadline
from ci.deploy import transfer
from ci.deploy.capture import Tail
from ci.deploy.idle import IDLE
from ci.deploy.relay import Relay
from ci.deploy.remote_command import POLL_SECONDS, RemoteCommand, feed
from ci.deploy.remote_line import remote_line
from ci.deploy.ssh_errors import (
    SshTarget,
    between,
    changed_host_key,
    forwarding_refused,
    key_trouble,
    refused_login,
    unknown_host_key,
    unreachable,
)
from ci.errors import InfraError, Interrupted, TimedOut, UsageError
from ci.shell import Argv, Completed

# A host that runs nothing of paramiko's liking must not spill warnings over the user's terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

SESSIONS = 8  # sshd allows 10 on one connection by default
CONNECT_SECONDS = 60.0
KEEPALIVE_SECONDS = 10
DEAD_AFTER_MS = 30_000  # unanswered bytes for this long: the peer is gone
KILL_SECONDS = 5.0
SESSION_PAUSE = 0.05
NOT_PERMITTED = 1  # RFC 4254: administratively prohibited
UNANSWERED_SECONDS = 10.0  # a session not opened in this time: hang up, connect anew


class SshShell:
    """Implements ``ci.shell.Shell``; threads may share it.

    The host's login shell must be a POSIX one. A command that a signal ended has status -1. At the
    deadline the command's whole process group is killed. Raises UsageError when key, known_hosts
    or login are wrong, InfraError when the host cannot be reached or goes away.
    """

    def __init__(self, target: SshTarget) -> None:
        self.where = target.name
        self._target = target
        self._client: paramiko.SSHClient | None = None
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(SESSIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the connection to the next who asks for this login."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            _keep(self._target, client)

    def close(self) -> None:
        """End the connection; the next command would open it again."""
        with self._lock:
            self._drop()

    def run(
        self,
        argv: Argv,
        deadline: Deadline,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        log: Path | None = None,
    ) -> Completed:
        what = f"{shlex.join(argv)[:200]} on {self.where}"
        started = time.monotonic()
        with contextlib.ExitStack() as held:
            channel = held.enter_context(self._channel(what, deadline))
            command = RemoteCommand(channel, what, _log(held, log), has_log=log is not None)
            try:
                with self._translated(what, deadline):
                    with _closed_at(deadline, channel):
                        line = remote_line(argv, cwd=cwd, env=env, reads=bool(stdin))
                        channel.exec_command(line)
                    if stdin:
                        feed(channel, stdin)
                    status = command.follow(deadline)
            except (TimedOut, Interrupted):
                self._kill(command.first_line.pid)
                raise
            return Completed(
                argv, status, command.out.text(), command.stderr(), time.monotonic() - started
            )

    def put(self, local: Path, remote: str, deadline: Deadline) -> bool:
        """Upload one file; see ``put_many``. Returns whether it had to be sent."""
        return bool(self.put_many(((local, remote),), deadline))

    def put_many(self, files: Sequence[tuple[Path, str]], deadline: Deadline) -> tuple[str, ...]:
        """Upload files, whole or not at all, checked by sha256; return the remote paths sent.

        A file with the same content there already is left alone.
        """
        return transfer.put_many(self, files, deadline)

    def get(
        self, remote: str, local: Path, deadline: Deadline, *, limit: int = transfer.FILE_LIMIT
    ) -> int:
        """Download the last ``limit`` bytes of one file; return the bytes written."""
        return transfer.get(self, remote, local, deadline, limit=limit)

    def get_tree(
        self, remote: str, local: Path, deadline: Deadline, *, limits: transfer.Limits
    ) -> transfer.Fetched:
        """Download the plain files below a folder, newest first, within ``limits``."""
        return transfer.get_tree(self, remote, local, deadline, limits=limits)

    @contextlib.contextmanager
    def sftp(self, what: str, deadline: Deadline) -> Iterator[transfer.Sftp]:
        """A file transfer session that ends at the deadline."""
        with (
            self._channel(what, deadline) as channel,
            self._translated(what, deadline),
            _closed_at(deadline, channel),
        ):
            channel.invoke_subsystem("sftp")
            yield paramiko.SFTPClient(channel)

    @contextlib.contextmanager
    def _channel(self, what: str, deadline: Deadline) -> Iterator[paramiko.Channel]:
        deadline.check(what)
        if not self._slots.acquire(timeout=deadline.remaining()):
            raise TimedOut(f"{what}: {SESSIONS} commands were running there all the time")
        try:
            channel = self._open(what, deadline)
            try:
                yield channel
            finally:
                with contextlib.suppress(EOFError, OSError):  # the connection may be gone
                    channel.close()
        finally:
            self._slots.release()

    def _open(self, what: str, deadline: Deadline) -> paramiko.Channel:
        """A session; when a kept connection proves dead here, no command was sent: connect anew."""
        transport, fresh = self._transport(deadline)
        asked = time.monotonic()
        try:
            return _session(transport, deadline)
        except (SSHException, EOFError, OSError) as error:
            if time.monotonic() - asked > UNANSWERED_SECONDS or not deadline.expired():
                self._hang_up(transport)
            if deadline.expired() or fresh:
                raise self._lost(what, deadline, error) from None
        with self._translated(what, deadline):
            return _session(self._transport(deadline)[0], deadline)

    def _transport(self, deadline: Deadline) -> tuple[paramiko.Transport, bool]:
        """The connection, and whether it was just made."""
        with self._lock:
            if self._client is None and (idle := IDLE.take(self._target)) is not None:
                self._client = cast(paramiko.SSHClient, idle)
            transport = self._client.get_transport() if self._client else None
            if transport is not None and transport.is_active():
                return transport, False
            self._drop()
            self._client = connect(self._target, deadline.within(CONNECT_SECONDS))
            made = self._client.get_transport()
            if made is None:
                raise InfraError(f"{self.where} closed the SSH connection at once")
            return made, True

    def _hang_up(self, transport: paramiko.Transport) -> None:
        """Unless another thread has connected anew meanwhile."""
        with self._lock:
            if self._client is not None and self._client.get_transport() is transport:
                self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    @contextlib.contextmanager
    def _translated(self, what: str, deadline: Deadline) -> Iterator[None]:
        try:
            yield
        except (SSHException, EOFError, OSError) as error:
            raise self._lost(what, deadline, error) from None

    def _lost(self, what: str, deadline: Deadline, error: Exception) -> InfraError | Interrupted:
        if deadline.stopped():
            return Interrupted(f"stopped during {what}")
        if deadline.expired():
            return TimedOut(f"{what}: no answer in time")
        return InfraError(
            f"the SSH connection to {self.where} broke during: {what}",
            hint="see the host's console and its sshd; the command may have run or not",
            detail=str(error) or type(error).__name__,
        )

    def _kill(self, pid: int | None) -> None:
        """Best effort. Without a pid the command's first line is still to be printed, and that ends
        it, since nobody reads it any more.
        """
        if pid is not None:
            with contextlib.suppress(InfraError, UsageError):
                self.run(("kill", "-KILL", "--", f"-{pid}"), Deadline.after(KILL_SECONDS))


def _keep(target: SshTarget, client: paramiko.SSHClient) -> None:
    transport = client.get_transport()
    if transport is not None and transport.is_active():
        IDLE.give(target, client)
    else:
        client.close()


def _session(transport: paramiko.Transport, deadline: Deadline) -> paramiko.Channel:
    """sshd counts a session until its processes are gone, and may refuse one too many."""
    patience = deadline.within(UNANSWERED_SECONDS)
    while True:
        try:
            return transport.open_session(timeout=max(0.1, deadline.remaining()))
        except SSHException:
            # paramiko tells only one of several threads that it was a refusal
            if patience.expired() or not transport.is_active():
                raise
            time.sleep(SESSION_PAUSE)


def connect(target: SshTarget, deadline: Deadline) -> paramiko.SSHClient:
    """Log in to a host whose key is known. Raises UsageError or InfraError, one sentence each."""
    deadline.check(f"connecting to {target.name}")
    key = _private_key(target)
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_NeverTrust(target))
    try:
        _load_known_hosts(client, target)
        sock = _dial(target, deadline)
        seconds = max(0.1, deadline.remaining())
        client.connect(
            target.address,
            target.port,
            target.user,
            sock=sock,
            transport_factory=_transport_to,
            pkey=key,
            look_for_keys=key is None,
            allow_agent=key is None,
            timeout=seconds,
            banner_timeout=seconds,
            auth_timeout=seconds,
        )
    except BaseException as error:
        client.close()
        if isinstance(error, SSHException | EOFError | OSError):
            raise _explained(target, error, late=deadline.expired()) from None
        raise
    if transport := client.get_transport():
        transport.set_keepalive(KEEPALIVE_SECONDS)
    return client


def _transport_to(sock: Any, **options: Any) -> paramiko.Transport:
    """With AES-GCM first where it is known: twice as fast on an emulated host, safe on any."""
    transport = paramiko.Transport(sock, **options)
    offered = transport.get_security_options()
    offered.ciphers = sorted(offered.ciphers, key=lambda name: "gcm" not in name)
    return transport


def offered_key(target: SshTarget, deadline: Deadline) -> tuple[str, str]:
    """The key that a host shows to strangers, as known_hosts has it, and its fingerprint.

    Nothing is trusted and nobody logs in; a person compares the fingerprint.
    """
    with _dial(target, deadline) as sock:
        transport = _transport_to(sock)
        try:
            transport.start_client(timeout=max(0.1, deadline.remaining()))
            key = transport.get_remote_server_key()
        except (SSHException, EOFError, OSError) as error:
            raise unreachable(target, error) from None
        finally:
            transport.close()
    return f"{key.get_name()} {key.get_base64()}", key.fingerprint


class _NeverTrust(paramiko.MissingHostKeyPolicy):
    def __init__(self, target: SshTarget) -> None:
        self._target = target

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        raise unknown_host_key(self._target, key.get_name(), key.fingerprint)


def _private_key(target: SshTarget) -> paramiko.PKey | None:
    if not target.key:
        return None
    path = Path(target.key).expanduser()
    try:
        return paramiko.PKey.from_path(path)
    except OSError as error:
        raise key_trouble(target, f"cannot be read: {error.strerror}") from None
    except (TypeError, paramiko.PasswordRequiredException):
        raise key_trouble(target, "is protected by a passphrase", protected=True) from None
    except (ValueError, SSHException, paramiko.pkey.UnknownKeyType):
        raise key_trouble(target, "is not a private key that is understood") from None


def _load_known_hosts(client: paramiko.SSHClient, target: SshTarget) -> None:
    path = Path(target.known_hosts).expanduser()
    try:
        client.get_host_keys().load(str(path))
    except OSError as error:
        raise UsageError(
            f"{target.name}: the known_hosts file {path} cannot be read: {error.strerror}",
            hint="enter the host's key there; no key is ever trusted unseen",
        ) from None
    except paramiko.hostkeys.InvalidHostKey as error:
        raise UsageError(f"{target.name}: {path} has a damaged line: {error.line[:80]}") from None


def _dial(target: SshTarget, deadline: Deadline) -> Any:
    """A socket, or what does as well."""
    if target.through is not None:
        return _relayed(target, connect(between(target, target.through), deadline), deadline)
    address = (target.address, target.port)
    try:
        sock = socket.create_connection(address, timeout=max(0.1, deadline.remaining()))
    except OSError as error:
        raise unreachable(target, error) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)
    return sock


def _relayed(target: SshTarget, outer: paramiko.SSHClient, deadline: Deadline) -> Relay:
    """A channel of the host in between to ours; that connection lives as long as the channel."""
    try:
        transport = outer.get_transport()
        if transport is None:
            raise EOFError("the host in between hung up")
        seconds = max(0.1, deadline.remaining())
        place = (target.address, target.port)
        channel = transport.open_channel("direct-tcpip", place, ("127.0.0.1", 0), timeout=seconds)
    except paramiko.ChannelException as error:
        outer.close()
        if error.code == NOT_PERMITTED:
            raise forwarding_refused(target) from None
        raise unreachable(target, ConnectionRefusedError(error.text)) from None
    except BaseException as error:
        outer.close()
        if isinstance(error, SSHException | EOFError | OSError):
            raise unreachable(target, error) from None
        raise
    return Relay(channel, outer)


def _explained(target: SshTarget, error: Exception, *, late: bool) -> UsageError | InfraError:
    if late:
        return unreachable(target, TimeoutError(str(error)))
    if isinstance(error, BadHostKeyException):
        return changed_host_key(target, error.key.fingerprint, error.expected_key.fingerprint)
    if isinstance(error, paramiko.AuthenticationException) or "No authentication" in str(error):
        return refused_login(target)
    return unreachable(target, error)


@contextlib.contextmanager
def _closed_at(deadline: Deadline, channel: paramiko.Channel) -> Iterator[None]:
    """Close the channel at the deadline: paramiko's own waits for an answer have no end."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(POLL_SECONDS):
            if deadline.expired():
                channel.close()
                return

    thread = threading.Thread(target=watch, name="ssh-deadline", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _log(held: contextlib.ExitStack, log: Path | None) -> Tail:
    if log is None:
        return Tail()
    log.parent.mkdir(parents=True, exist_ok=True)
    return Tail(held.enter_context(log.open("wb")))
