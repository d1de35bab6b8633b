"""What this machine can tell after a failure of a libvirt that runs on it.

Less is asked than of a test host, since this may be somebody's own machine: cores of our programs
that are newer than the mark, libvirt's logs, what the kernel and libvirt's units said.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

from ci.deadline import Deadline
from ci.deploy.localcores import MOST_CORES, Here, cores_in, keep, look
from ci.deploy.served import served_here
from ci.errors import VirtciError
from ci.model import Mark
from ci.shell import Argv, LocalShell

QUESTION_SECONDS = 15.0
MOST_LOGS = 100
LOG_BYTES = 8 * 2**20  # of a larger one the end is taken
LOGS = "var/log/libvirt"
CORES = "cores"
QUESTIONS: dict[str, Argv] = {
    "dmesg.txt": ("dmesg",),
    "journal.txt": (
        *("journalctl", "-b", "-n", "5000", "--no-pager"),
        *("-u", "libvirtd*", "-u", "virt*d.service", "-u", "systemd-coredump@*"),
    ),
}


def mark_here(uri: str, boot_id: str, deadline: Deadline) -> Mark:
    """What is there before a suite: cores with their times, sizes of logs, last lines."""
    here = look(uri)
    pid = 0 if urlsplit(uri).path == "/session" else here.pid  # that is root's, and not the user's
    last = {name: _ask(argv, deadline).rstrip() for name, argv in QUESTIONS.items()}
    return Mark(
        boot_id=boot_id,
        cores=tuple(named(core, when) for core, when in cores_in(here.folders).items()),
        folders=tuple(map(str, here.folders)),
        sizes={f"/{LOGS}/{name}": path.stat().st_size for name, path in _logs(here).items()},
        last={name: text.splitlines()[-1] for name, text in last.items() if text},
        served=served_here(filter(None, (pid,)), deadline),
    )


def named(core: Path, when: int) -> str:
    """One that is written over keeps its name, and has another time."""
    return f"{core}@{when}"


def gather_here(
    uri: str, since: Mark | None, folder: Path, deadline: Deadline
) -> tuple[list[str], list[str]]:
    """Files in ``folder``, and what is missing with its reason."""
    here = look(uri)
    missing = [here.leaves_none] * bool(here.leaves_none)
    files = _cores(here, since, folder, deadline, missing)
    for name, argv in QUESTIONS.items():
        if text := _ask(argv, deadline):
            (folder / name).write_text(text, encoding="utf-8")
            files.append(name)
    for name, path in _logs(here).items():
        place = f"{LOGS.replace('/', '-')}/{name}"
        try:
            _copy_end(path, folder / place)
            files.append(place)
        except OSError as error:
            missing.append(f"{path}: {error.strerror}")
    return files, missing


def _cores(
    here: Here, since: Mark | None, folder: Path, deadline: Deadline, missing: list[str]
) -> list[str]:
    """Those of our programs that were not there before, the newest ones when they are many."""
    noted = tuple(map(Path, since.folders)) if since else ()
    old = set(since.cores) if since else set()
    found = cores_in(tuple(dict.fromkeys((*here.folders, *noted))))
    fresh = [core for core, when in found.items() if named(core, when) not in old]
    kept = []
    for core in sorted(fresh, key=lambda one: found[one])[-MOST_CORES:]:
        try:
            name = keep(core, folder / CORES, LocalShell(), deadline)
            kept += [f"{CORES}/{name}"] * bool(name)
        except (VirtciError, OSError) as error:
            missing.append(f"{core}: {error}")
    return kept


def _ask(argv: Argv, deadline: Deadline) -> str:
    """What a command prints; nothing where it is missing or not allowed."""
    try:
        done = LocalShell().run(argv, deadline.within(QUESTION_SECONDS))
    except VirtciError:
        return ""
    return done.stdout if done.ok else ""


def _logs(here: Here) -> dict[str, Path]:
    """libvirt's own logs, by their path below its folder of logs."""
    base = here.root / LOGS
    try:
        found = sorted(path for path in base.rglob("*.log") if path.is_file())
    except OSError:  # a file system of another user's daemon
        return {}
    return {str(path.relative_to(base)): path for path in found[:MOST_LOGS]}


def _copy_end(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file, target.open("wb") as copy:
        file.seek(max(0, source.stat().st_size - LOG_BYTES))
        shutil.copyfileobj(file, copy)
