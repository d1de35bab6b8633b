"""Files to a host: whole or absent, many in a few round trips."""

from __future__ import annotations

import contextlib
import posixpath
import secrets
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ci.deadline import Deadline
from ci.deploy.transfer import CHUNK, FileShell, Sftp
from ci.errors import InfraError, UsageError
from ci.facts import parse_sha256sums
from ci.rpmfile import sha256_of
from ci.shell import Shell

BATCH = 200  # files per remote command, far below the limit of an argument list
TIDY_SECONDS = 10.0
PACK_FROM = 10
PACK_BYTES = 64 * 2**20

# $1 folders come first, then files; a file that is missing is no error.
_PREPARE = (
    'n=$1; shift; while [ "$n" -gt 0 ]; do mkdir -p -- "$1" || exit 1; shift; n=$((n - 1)); done; '
    'sha256sum -- "$@" 2>/dev/null; true'
)
_SETTLE = (
    "sha256sum -c --quiet - >&2 || exit 1; "
    'while [ $# -gt 1 ]; do find "$1" -type f -exec mv -f -t "$2" -- {} + || exit 1; '
    'rmdir -- "$1" || exit 1; shift 2; done'
)
_UNPACK = 'tar -x -f "$1" -C / -o; status=$?; rm -f -- "$1"; exit $status'


def put_many(
    shell: FileShell, files: Sequence[tuple[Path, str]], deadline: Deadline
) -> tuple[str, ...]:
    """See SshShell.put_many. A few round trips for each batch."""
    return tuple(
        sent
        for start in range(0, len(files), BATCH)
        for sent in _put_batch(shell, files[start : start + BATCH], deadline)
    )


def _put_batch(
    shell: FileShell, files: Sequence[tuple[Path, str]], deadline: Deadline
) -> Iterator[str]:
    digests = {remote: _local_digest(local) for local, remote in files}
    there = _prepare(shell, digests, deadline)
    sending = {r: local for local, r in files if there.get(r) != digests[r]}
    if not sending:
        return
    aside = _Aside(f".virtci-{secrets.token_hex(4)}")
    with _swept(shell, [aside.folder(remote) for remote in sending]):
        _send(shell, {aside.path(remote): local for remote, local in sending.items()}, deadline)
        _settle(shell, {remote: digests[remote] for remote in sending}, aside, deadline)
    yield from sending


class _Aside(NamedTuple):
    """Where uploads lie until they are whole: in a folder of their own beside their place."""

    name: str

    def folder(self, remote: str) -> str:
        return posixpath.join(posixpath.dirname(remote), self.name)

    def path(self, remote: str) -> str:
        return posixpath.join(self.folder(remote), posixpath.basename(remote))


def _local_digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read for upload: {error.strerror}") from None


def _prepare(shell: Shell, paths: Iterable[str], deadline: Deadline) -> dict[str, str]:
    """Make the folders of the files; return the digest of each file that is there already."""
    paths = list(paths)
    folders = sorted({posixpath.dirname(path) or "." for path in paths})
    argv = ("sh", "-c", _PREPARE, "virtci", str(len(folders)), *folders, *paths)
    done = shell.run(argv, deadline)
    if not done.ok:
        raise InfraError(
            f"cannot make {', '.join(folders)[:200]} on {shell.where}", detail=done.tail()
        )
    return parse_sha256sums(done.stdout)


@contextlib.contextmanager
def _swept(shell: Shell, temporary: list[str]) -> Iterator[None]:
    """Leave no half file behind when the upload fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(InfraError):
            folders = sorted(set(temporary))
            shell.run(("rm", "-r", "-f", "--", *folders), Deadline.after(TIDY_SECONDS))
        raise


def _send(shell: FileShell, files: dict[str, Path], deadline: Deadline) -> None:
    """Many small files travel in one: SFTP takes three round trips for each."""
    size = sum(path.stat().st_size for path in files.values())
    if len(files) < PACK_FROM or size > PACK_BYTES or not all(x.startswith("/") for x in files):
        _send_each(shell, files, deadline)
        return
    packed = f"{posixpath.dirname(next(iter(files)))}/packed.tar"
    with tempfile.TemporaryDirectory() as folder:
        archive = _packed(files, Path(folder, "files.tar"))
        _send_each(shell, {packed: archive}, deadline)
        done = shell.run(("sh", "-c", _UNPACK, "virtci", packed), deadline)
        if not done.ok:
            what = f"cannot unpack uploads on {shell.where}"
            raise _full_disk(shell, packed, what, done.tail(5), deadline)


def _packed(files: dict[str, Path], archive: Path) -> Path:
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for remote, local in files.items():
            info = tarfile.TarInfo(remote.lstrip("/"))
            info.size = local.stat().st_size
            info.mode = 0o755 if local.stat().st_mode & 0o100 else 0o644
            with local.open("rb") as file:
                tar.addfile(info, file)
    return archive


def _send_each(shell: FileShell, files: dict[str, Path], deadline: Deadline) -> None:
    with shell.sftp(f"uploading {len(files)} files", deadline) as sftp:
        made: set[str] = set()
        for remote, local in files.items():
            folder = posixpath.dirname(remote)
            try:
                if folder not in made:
                    sftp.mkdir(folder, 0o700)
                    made.add(folder)
                _send_one(sftp, local, remote, deadline)
            except (FileNotFoundError, PermissionError) as error:
                raise InfraError(f"cannot write {remote} on {shell.where}: {error}") from None
            except OSError as error:
                raise _unwritable(shell, remote, error, deadline) from None


def _send_one(sftp: Sftp, local: Path, remote: str, deadline: Deadline) -> None:
    with local.open("rb") as source, sftp.open(remote, "wb") as target:
        # Without this every piece waits for its acknowledgement.
        target.set_pipelined(True)
        while chunk := source.read(CHUNK):
            deadline.check(f"uploading {local.name}")
            target.write(chunk)
    if local.stat().st_mode & 0o100:
        sftp.chmod(remote, 0o755)


def _unwritable(
    shell: Shell, remote: str, error: OSError, deadline: Deadline
) -> OSError | InfraError:
    if deadline.expired():
        return error
    what = f"cannot write {remote} on {shell.where}"
    return _full_disk(shell, remote, what, str(error) or type(error).__name__, deadline)


def _full_disk(shell: Shell, remote: str, what: str, said: str, deadline: Deadline) -> InfraError:
    """SFTP calls a full disk a "failure" or says nothing at all: look."""
    folder = posixpath.dirname(remote) or "."
    space = shell.run(("df", "-P", "-k", folder), deadline)
    full = " 100% " in space.stdout
    return InfraError(
        f"{what}: {'the disk there is full' if full else said}",
        hint=f"free some space in {folder} there" if full else "",
        detail=f"{said}\n{space.tail()}",
    )


def _settle(shell: Shell, digests: dict[str, str], aside: _Aside, deadline: Deadline) -> None:
    """Give the uploads their names once all of them have proven whole."""
    sums = "".join(_sum_line(digest, aside.path(path)) for path, digest in digests.items())
    folders = sorted({aside.folder(path) for path in digests})
    pairs = [name for path in folders for name in (path, posixpath.dirname(path) or ".")]
    done = shell.run(("sh", "-c", _SETTLE, "virtci", *pairs), deadline, stdin=sums)
    if not done.ok:
        what = f"cannot upload {', '.join(digests)[:200]} to {shell.where}"
        said = done.tail() or "it arrived damaged"
        raise _full_disk(shell, next(iter(digests)), what, said, deadline)


def _sum_line(digest: str, path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{chr(92) if escaped != path else ''}{digest}  {escaped}\n"
