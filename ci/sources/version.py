"""Versions that an RPM accepts, made of what tags and tarballs are called."""

from __future__ import annotations

import re

_DESCRIBED = re.compile(r"^(.+)-(\d+)-([A-Za-z]*[0-9a-f]{7,})$")
_PREFIX = re.compile(r"^(?:.*?[-_/])??[vV]?(?=\d)")
_PRERELEASE = re.compile(r"[-_.~]?(rc|alpha|beta|pre)[-_.]?(?=\d|$)", re.IGNORECASE)
_ARCHIVE = re.compile(r"^.+?[-_]v?(\d.*?)(?:\.orig)?\.(?:tar(?:\.\w+)?|tgz|tbz2?|txz)$")


def rpm_version(described: str, *, dirty: bool = False) -> str:
    """``v9.1.0-rc1-12-gabc1234`` (tag, commits since, commit) as ``9.1.0~rc1+12.gabc1234``.

    Sorts above the tag and below the next one. Empty when the tag has no number to start with.
    """
    found = _DESCRIBED.match(described)
    tag, count, commit = found.groups() if found else (described, "0", "")
    base = _clean(tag)
    if not base:
        return ""
    extra = [count, commit] if count != "0" else []
    extra += ["dirty"] if dirty else []
    return "+".join([base, ".".join(extra)]) if extra else base


def archive_version(name: str) -> str:
    """The version in a tarball's file name, or nothing."""
    found = _ARCHIVE.match(name)
    return _clean(found[1]) if found else ""


def _clean(tag: str) -> str:
    version = _PREFIX.sub("", tag, count=1)
    if not version[:1].isdigit():
        return ""
    version = _PRERELEASE.sub(lambda found: "~" + found[1].lower(), version)
    return re.sub(r"[^A-Za-z0-9._+~]+", ".", version).strip(".")
