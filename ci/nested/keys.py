"""SSH keys of our own: one for this user towards nested hosts, one for each image."""

from __future__ import annotations

from pathlib import Path

from ci import places
from ci.cached import locked
from ci.deadline import Deadline
from ci.errors import InfraError
from ci.shell import Shell

CLIENT_KEY = "id_ed25519"


def client_key(shell: Shell, deadline: Deadline) -> Path:
    """This user's key towards nested hosts (0600; ``.pub`` beside it), made when needed."""
    key = places.cache_folder("keys") / CLIENT_KEY
    with locked(key, deadline, say=lambda _: None):
        if not key.with_suffix(".pub").exists():
            key.unlink(missing_ok=True)
            make_key(shell, key, deadline, comment="virtci")
    return key


def make_key(shell: Shell, path: Path, deadline: Deadline, *, comment: str) -> str:
    """Make an ed25519 key without a passphrase; return the public half. Raises InfraError."""
    argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))
    done = shell.run(argv, deadline)
    if not done.ok:
        hint = "apt-get install openssh-client"
        raise InfraError(f"ssh-keygen cannot make {path}", hint=hint, detail=done.tail(5))
    return public_half(path)


def public_half(path: Path) -> str:
    """``ssh-ed25519 AAAA...`` without the comment."""
    text = path.with_name(path.name + ".pub").read_text(encoding="utf-8")
    return " ".join(text.split()[:2])
