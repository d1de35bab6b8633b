"""The door to SSH: logging in with strict host keys, and opening sessions on a connection.

The only importer of paramiko. Nothing is ever trusted on first use.
"""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path
from typing import Any, TypeAlias

import paramiko
from paramiko.ssh_exception import BadHostKeyException, SSHException

from ci.deadline import Deadline
from ci.deploy.relay import Relay
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
from ci.errors import InfraError, UsageError

# A host that runs nothing of paramiko's liking must not spill warnings over the user's terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

KEEPALIVE_SECONDS = 10
DEAD_AFTER_MS = 30_000  # unanswered bytes for this long: the peer is gone
SESSION_PAUSE = 0.05
NOT_PERMITTED = 1  # RFC 4254: administratively prohibited
UNANSWERED_SECONDS = 10.0  # a session not opened in this time: hang up, connect anew

Client: TypeAlias = paramiko.SSHClient
Transport: TypeAlias = paramiko.Transport
Channel: TypeAlias = paramiko.Channel
BROKEN = (SSHException, EOFError, OSError)  # what a connection that breaks raises


def connect(target: SshTarget, deadline: Deadline) -> Client:
    """Log in to a host whose key is known. Raises UsageError or InfraError, one sentence each."""
    deadline.check(f"connecting to {target.name}")
    key = _private_key(target)
    client = Client()
    client.set_missing_host_key_policy(_NeverTrust(target))
    try:
        _load_known_hosts(client, target)
        _log_in(client, target, key, deadline)
    except BaseException as error:
        client.close()
        if isinstance(error, BROKEN):
            raise _explained(target, error, late=deadline.expired()) from None
        raise
    if transport := client.get_transport():
        transport.set_keepalive(KEEPALIVE_SECONDS)
    return client


def _log_in(
    client: Client, target: SshTarget, key: paramiko.PKey | None, deadline: Deadline
) -> None:
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


def _transport_to(sock: Any, **options: Any) -> Transport:
    """With AES-GCM first where it is known: twice as fast on an emulated host, safe on any."""
    transport = Transport(sock, **options)
    offered = transport.get_security_options()
    offered.ciphers = sorted(offered.ciphers, key=lambda name: "gcm" not in name)
    return transport


def open_session(transport: Transport, deadline: Deadline) -> Channel:
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


def file_session(channel: Channel) -> paramiko.SFTPClient:
    """Make a file transfer session of a new one."""
    channel.invoke_subsystem("sftp")
    return paramiko.SFTPClient(channel)


def offered_key(target: SshTarget, deadline: Deadline) -> tuple[str, str]:
    """The key that a host shows to strangers, as known_hosts has it, and its fingerprint.

    Nothing is trusted and nobody logs in; a person compares the fingerprint.
    """
    with _dial(target, deadline) as sock:
        transport = _transport_to(sock)
        try:
            transport.start_client(timeout=max(0.1, deadline.remaining()))
            key = transport.get_remote_server_key()
        except BROKEN as error:
            raise unreachable(target, error) from None
        finally:
            transport.close()
    return f"{key.get_name()} {key.get_base64()}", key.fingerprint


class _NeverTrust(paramiko.MissingHostKeyPolicy):
    def __init__(self, target: SshTarget) -> None:
        self._target = target

    def missing_host_key(self, client: Client, hostname: str, key: paramiko.PKey) -> None:
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


def _load_known_hosts(client: Client, target: SshTarget) -> None:
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


def _relayed(target: SshTarget, outer: Client, deadline: Deadline) -> Relay:
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
        if isinstance(error, BROKEN):
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
