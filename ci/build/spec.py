"""Spec files as text: stamped with the revision they are built from, and read for their sources.

Pure: rpm itself expands macros (``rpmspec -P``), this only edits and reads lines.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ci.errors import ProductError
from ci.model import Record, Tree

_PREAMBLE_END = re.compile(r"^%(description|package|prep|build|files|changelog)\b", re.MULTILINE)
_ENTERED = re.compile(r"^\s*rm -rf '?([^'\s/]+)'?\s*$.*?^\s*cd '?\1'?\s*$", re.M | re.S)
_SETUP = re.compile(r"^%(?:auto)?setup\b.*?\s-n\s*(\S+)", re.MULTILINE)
_NAMED = re.compile(r"^(Source|Patch)(\d*)\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_MESON = re.compile(r"^project\([^)]*?\bversion\s*:\s*'([0-9][0-9A-Za-z.]*)'", re.M | re.S)
_HEX = re.compile(r"[0-9a-f]{12,}")


class SpecSources(Record, frozen=True, kw_only=True):
    """What a spec wants in SOURCES: the tree as ``archive`` with the folder ``top``, and others."""

    name: str
    version: str
    archive: str
    top: str
    others: tuple[str, ...]


def release_of(spec: str, tree: Tree) -> str:
    """``<the spec's>.virtci.<time of the change>.<revision>.<content>``, what an RPM may be called.

    The time (UTC) is the newest commit's, 0 where the tree tells of none. Equal trees give equal
    releases; among trees that tell of commits a later one is an upgrade.
    """
    moment = _newest(tree)
    stamp = datetime.fromtimestamp(moment, UTC).strftime("%Y%m%d%H%M%S") if moment else "0"
    parts = [_number(spec), "virtci", stamp, _short(tree.revision)]
    content = re.sub(r"[^0-9A-Za-z]", "", tree.digest)[:8]
    if content and not parts[-1].endswith(content):
        parts.append(f"d{content}")
    return ".".join(parts)


def stamped(spec: str, version: str, release: str) -> str:
    """The spec with another Release, and another Version unless ``version`` is "".

    Raises ProductError when the spec has no such line.
    """
    if version:
        spec = _set(spec, "Version", version)
    keep = "%{?dist}" if re.search(r"%\{\??dist\}", _value(spec, "Release")) else ""
    return _set(spec, "Release", release + keep)


def meson_version(text: str) -> str:
    """The version that a meson.build gives its project, or ""."""
    found = _MESON.search(text)
    return found[1] if found else ""


def wanted_sources(expanded: str) -> SpecSources:
    """What the output of ``rpmspec -P`` says about sources.

    ``archive`` is "" when the spec has no Source at all. Raises ProductError without a Name.
    """
    name, version = _value(expanded, "Name"), _value(expanded, "Version")
    if not name:
        raise ProductError("the spec has no Name")
    head = _preamble(expanded)
    named = {(k.lower(), int(n or 0)): v.rsplit("/", 1)[-1] for k, n, v in _NAMED.findall(head)}
    first = min((key for key in named if key[0] == "source"), default=None)
    archive = named.pop(first) if first else ""
    top = _SETUP.search(expanded) or _ENTERED.search(expanded)
    return SpecSources(
        name=name,
        version=version,
        archive=archive,
        top=top[1] if top else f"{name}-{version}",
        others=tuple(named[key] for key in sorted(named)),
    )


def _newest(tree: Tree) -> int:
    return max((int(datetime.fromisoformat(c.date).timestamp()) for c in tree.commits), default=0)


def _number(spec: str) -> str:
    found = re.match(r"\d+", _value(spec, "Release"))
    return found[0] if found else "1"


def _short(revision: str) -> str:
    """A commit id as ``g12345678``, a number as ``r42``, anything else as the letters it has."""
    if revision.isdigit():
        return f"r{revision}"
    plain = re.sub(r"[^0-9A-Za-z]", "", revision.lower())
    if found := _HEX.search(plain):
        return f"g{found[0][:8]}"
    return plain[:16] or "none"


def _preamble(spec: str) -> str:
    end = _PREAMBLE_END.search(spec)
    return spec[: end.start()] if end else spec


def _line(tag: str) -> re.Pattern[str]:
    return re.compile(rf"^({tag}[ \t]*:[ \t]*)(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)


def _value(spec: str, tag: str) -> str:
    found = _line(tag).search(_preamble(spec))
    return found[2] if found else ""


def _set(spec: str, tag: str, value: str) -> str:
    """Every such line before the first section: there may be one in each branch of an %if."""
    head = _preamble(spec)
    changed, count = _line(tag).subn(lambda found: found[1] + value, head)
    if not count:
        raise ProductError(
            f"the spec has no {tag}: line to stamp the revision on",
            hint="add one above its first section; build.spec of the plan names the file",
        )
    return changed + spec[len(head) :]
