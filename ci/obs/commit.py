"""Commit files to a package: only what changed, and nothing at all when nothing did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ci.deadline import Deadline
from ci.model import Record
from ci.obs.door import Door, Refused, Unreachable
from ci.obs.queries import directory
from ci.obs.sources import Directory
from ci.obs.target import Package
from ci.obs.xml_text import parse

UPLOAD_SECONDS = 300.0


class Committed(Record, frozen=True, kw_only=True):
    """The sources as they are now, links followed; ``changed`` are the names of files."""

    rev: str
    srcmd5: str
    changed: tuple[str, ...]


def commit(
    door: Door, deadline: Deadline, package: Package, files: Mapping[str, Path], message: str
) -> Committed:
    """Make the package's sources be exactly ``files``; a link is kept a link.

    Safe to be cut and repeated: it looks at what is there first. Raises what ``Door.call`` does.
    """
    wanted = {name: _md5(path) for name, path in files.items()}
    expand = "_service" not in wanted  # what a service makes cannot be asked for while it runs
    before = directory(door, deadline, package, expand=expand)
    if _listed(before) == wanted:
        return Committed(rev=before.rev, srcmd5=before.srcmd5, changed=())
    try:
        answer = _commit_list(door, deadline, package, wanted, message)
        if missing := _missing(answer):
            for name in missing:
                _upload(door, deadline, package, name, files[name])
            answer = _commit_list(door, deadline, package, wanted, message)
            if still := _missing(answer):
                raise Refused(f"{door.apiurl} still misses {', '.join(still)} after the upload")
    except Unreachable:
        # the answer got lost; whether the commit did too, the sources tell
        if _listed(directory(door, deadline, package, expand=expand)) != wanted:
            raise
    now = directory(door, deadline, package, expand=expand)
    return Committed(rev=now.rev, srcmd5=now.srcmd5, changed=_changed(before, wanted))


def _commit_list(
    door: Door, deadline: Deadline, package: Package, wanted: Mapping[str, str], message: str
) -> bytes:
    """Name the files by their checksums; the answer lists those whose content is not known yet."""
    entries = (f"<entry name={quoteattr(n)} md5={quoteattr(m)}/>" for n, m in wanted.items())
    query = (("cmd", "commitfilelist"), ("comment", message), ("keeplink", "1"))
    body = f"<directory>{''.join(entries)}</directory>".encode()
    path = f"/source/{package}"
    return door.call("POST", path, deadline, query=query, data=body, seconds=UPLOAD_SECONDS)


def _upload(door: Door, deadline: Deadline, package: Package, name: str, path: Path) -> None:
    door.call(
        "PUT",
        f"/source/{package}/{name}",
        deadline,
        query=(("rev", "repository"),),
        file=path if path.stat().st_size else None,
        seconds=UPLOAD_SECONDS,
    )


def _missing(answer: bytes) -> list[str]:
    root = parse(answer, "directory")
    if root.get("error") != "missing":
        return []
    return [entry.get("name", "") for entry in root.findall("entry")]


def _changed(before: Directory, wanted: Mapping[str, str]) -> tuple[str, ...]:
    old = _listed(before)
    return tuple(sorted(n for n in {*old, *wanted} if old.get(n) != wanted.get(n)))


def _listed(found: Directory) -> dict[str, str]:
    """The files by checksum; what a service made itself is its own business."""
    return {f.name: f.md5 for f in found.files if not f.name.startswith("_service:")}


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def run_service(door: Door, deadline: Deadline, package: Package) -> Directory:
    """Wait until the package's source service has run, again if it failed; return the sources.

    The caller looks at ``service`` in the answer: it is "failed" when the service did not work.
    """
    path = f"/source/{package}"
    if directory(door, deadline, package, expand=False).service == "failed":
        door.call("POST", path, deadline, query=(("cmd", "runservice"),), repeat=True)
    left = max(1.0, deadline.remaining())
    query = (("cmd", "waitservice"),)
    try:
        door.call("POST", path, deadline, query=query, seconds=left, repeat=True)
    except Refused:
        found = directory(door, deadline, package, expand=False)
        if found.service != "failed":
            raise
        return found
    return directory(door, deadline, package, expand=False)
