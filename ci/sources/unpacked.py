"""Archives that were unpacked before: their files in a plain tar of our own, checked by its sha256.

Unpacking what others made without trusting it is slow; what we packed ourselves is left to tar.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from ci.cached import made_once
from ci.errors import InfraError
from ci.places import cache_folder
from ci.run import Step
from ci.sources.archive import unpack
from ci.sources.content import file_sha256
from ci.sources.export import empty

MOST_KEPT = 5
_TAR = "tree.tar.zst"
_NOTE = "sha256"


def unpack_once(step: Step, archive: Path, sha256: str, folder: Path) -> None:
    """The files of ``archive``, whose digest is ``sha256``, below ``folder``, which is empty.

    Raises UsageError as ``unpack`` does; a damaged copy of ours is made anew.
    """
    kept = cache_folder("unpacked") / sha256
    if kept.is_dir() and _again(step, kept, folder):
        (kept / _NOTE).touch()
        return
    shutil.rmtree(kept, ignore_errors=True)
    unpack(archive, empty(folder), step.deadline)
    try:
        made_once(kept, partial(_pack, step, folder), step.deadline, say=step.say)
    except (InfraError, OSError) as error:
        step.say(f"the unpacked files are not kept for later runs: {error}")
    _make_room(kept.parent)


def _again(step: Step, kept: Path, folder: Path) -> bool:
    try:
        whole = file_sha256(kept / _TAR) == (kept / _NOTE).read_text()
    except OSError:
        whole = False
    if not whole:
        step.say("the files kept of an earlier run are damaged: unpacking the archive itself")
        return False
    tar = ("tar", "-x", "-I", "zstd", "--no-same-owner", "-C", str(folder), "-f", str(kept / _TAR))
    return step.shell.run(tar, step.deadline).ok


def _pack(step: Step, folder: Path, kept: Path) -> None:
    tar = ("tar", "-c", "-I", "zstd -q -1", "-C", str(folder), "-f", str(kept / _TAR), ".")
    done = step.shell.run(tar, step.deadline)
    if not done.ok:
        raise InfraError(done.tail(2))
    (kept / _NOTE).write_text(file_sha256(kept / _TAR))


def _make_room(kept: Path) -> None:
    notes = sorted(kept.glob(f"[!.]*/{_NOTE}"), key=lambda note: note.stat().st_mtime)
    for note in notes[:-MOST_KEPT]:
        shutil.rmtree(note.parent, ignore_errors=True)
