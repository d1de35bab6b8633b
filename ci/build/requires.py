"""BuildRequires on a machine whose packages are not RPMs: judged by what is really there.

On an RPM machine rpmbuild checks them itself. On Debian its database is empty, so each requirement
is looked up the way it would be used: pkg-config, a path, a Perl module, a package of a like name.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.model import Record
from ci.shell import STATUS_NOT_FOUND, Shell

_SECONDS = 60.0
_FORM = re.compile(r"^(?P<name>\S+)(?:\s+(?P<op><=|>=|<|>|=)\s+(?P<version>\S+))?$")
_ASKED = re.compile(r"^(pkgconfig|perl)\(([\w.:+-]+)\)$")
_OPS = {">=": "ge", ">": "gt", "<=": "le", "<": "lt"}
_DEBIAN = {
    "/usr/bin/rpcgen": "rpcsvc-proto",
    "/usr/bin/xmllint": "libxml2-utils",
    "/usr/bin/xsltproc": "xsltproc",
    "gcc-c++": "g++",
    "glibc-devel": "libc6-dev",
    "libtool": "libtool-bin",
    "ninja": "ninja-build",
    "pkgconfig": "pkgconf",
    "pkgconfig(gnutls)": "libgnutls28-dev",
    "pkgconfig(libxml-2.0)": "libxml2-dev",
    "pkgconfig(xenlight)": "libxen-dev",
    "pkgconfig(zlib)": "zlib1g-dev",
    "xen-devel": "libxen-dev",
    "zlib-devel": "zlib1g-dev",
}


class Requirement(Record, frozen=True, kw_only=True):
    """One BuildRequires: ``name``, and ``op`` with ``version`` or both ""."""

    name: str
    op: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.op} {self.version}".strip()


class Judgement(Record, frozen=True, kw_only=True):
    """Requirements that are surely missing, and those that cannot be judged on this machine."""

    missing: tuple[Requirement, ...]
    unknown: tuple[str, ...]
    packages: tuple[str, ...]  # of Debian, that would help


def parse_requires(text: str) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
    """What ``rpmspec -q --buildrequires`` prints: plain requirements, and those with logic."""
    plain, rich = [], []
    for line in dict.fromkeys(text.split("\n")):
        found = _FORM.match(line.strip())
        if found and not line.startswith(("(", "rpmlib(", "config(")):
            plain.append(
                Requirement(
                    name=found["name"], op=found["op"] or "", version=found["version"] or ""
                )
            )
        elif line.startswith("("):
            rich.append(line.strip())
    return tuple(plain), tuple(rich)


def debian_names(name: str) -> tuple[str, ...]:
    """What Debian may call the package that an RPM distribution calls ``name``."""
    if name in _DEBIAN:
        return (_DEBIAN[name],)
    asked = _ASKED.match(name)
    if asked and asked[1] == "perl":
        return (f"lib{asked[2].replace('::', '-').lower()}-perl",)
    stem = asked[2] if asked else name.removesuffix("-devel")
    stem = stem.rsplit("/", 1)[-1].lower()
    if not asked and stem == name.lower():
        return (stem,)
    return (f"{stem}-dev", f"lib{stem}-dev", f"lib{stem.replace('-', '', 1)}-dev")


def parse_policy(text: str) -> dict[str, str]:
    """``apt-cache policy`` output: the installed version of each known package, "" when not."""
    known: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            name = line[:-1].split(":")[0]
        elif line.strip().startswith("Installed:") and name:
            version = line.split(":", 1)[1].strip()
            known[name] = "" if version == "(none)" else version
    return known


def judge(shell: Shell, requires: str, deadline: Deadline) -> Judgement:
    """Look at this machine for what ``rpmspec -q --buildrequires`` printed."""
    plain, rich = parse_requires(requires)
    names = {name for one in plain for name in debian_names(one.name)}
    policy = ("apt-cache", "policy", *sorted(names))
    done = shell.run(policy, deadline.within(_SECONDS), env={"LC_ALL": "C"})
    known = parse_policy(done.stdout)
    answers = [(one, _there(shell, one, known, deadline)) for one in plain]
    missing = tuple(one for one, there in answers if there is False)
    return Judgement(
        missing=missing,
        unknown=(*(str(one) for one, there in answers if there is None), *rich),
        packages=_helpful(missing, known),
    )


def refuse_missing(judgement: Judgement, spec: str) -> None:
    """Raise InfraError that names every missing requirement and what to install."""
    if not judgement.missing:
        return
    names = ", ".join(str(one) for one in judgement.missing)
    raise InfraError(
        f"{spec} needs what this machine lacks: {names}",
        hint=f"apt-get install {' '.join(judgement.packages)}"
        if judgement.packages
        else "install what provides it, then run again",
    )


def _helpful(missing: Iterable[Requirement], known: dict[str, str]) -> tuple[str, ...]:
    first = (
        next((name for name in debian_names(one.name) if name in known), "") for one in missing
    )
    return tuple(sorted({name for name in first if name}))


def _there(
    shell: Shell, one: Requirement, known: dict[str, str], deadline: Deadline
) -> bool | None:
    """True or False when it can be judged, else None."""
    if one.name.startswith("/"):
        return Path(one.name).exists()
    if asked := _ASKED.match(one.name):
        return _asked(shell, asked[1], asked[2], one, deadline)
    if "(" in one.name:
        return None
    candidates = [name for name in debian_names(one.name) if name in known]
    installed = next((known[name] for name in candidates if known[name]), "")
    if installed:
        return _version_fits(shell, installed, one, deadline)
    if shutil.which(one.name):
        return True
    return False if candidates else None


def _asked(shell: Shell, kind: str, name: str, one: Requirement, deadline: Deadline) -> bool | None:
    wanted = f"{name} {one.op} {one.version}".strip()
    perl = ("perl", f"-M{name}", "-e", "1")
    argv = perl if kind == "perl" else ("pkg-config", "--exists", wanted)
    done = shell.run(argv, deadline.within(_SECONDS))
    return None if done.status == STATUS_NOT_FOUND else done.ok


def _version_fits(shell: Shell, installed: str, one: Requirement, deadline: Deadline) -> bool:
    """Debian's epoch is its own; "=" cannot be compared across distributions."""
    op = _OPS.get(one.op)
    if op is None:
        return True
    version = installed.split(":", 1)[-1]
    argv = ("dpkg", "--compare-versions", version, op, one.version.split(":", 1)[-1])
    return shell.run(argv, deadline.within(_SECONDS)).ok
