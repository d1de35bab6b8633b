"""All that the packages of a build come from, as one key; equal keys, equal packages.

What cannot be told apart counts as changed: every package of this machine is an input, not the
BuildRequires alone, and of folders that no package manager keeps the time of their last change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ci.codec import fingerprint
from ci.deadline import Deadline
from ci.shell import Argv, Shell

QUERY_SECONDS = 120.0
_RPM: Argv = ("rpm", "-qa", "--qf", r"%{NEVRA} %{BUILDTIME}\n")
_DEBIAN: Argv = ("dpkg-query", "-W", "-f", r"${binary:Package} ${Version} ${Status}\n")
_MACROS: Argv = ("rpm", "--showrc")
# what compilers, build systems and rpm read from the environment of whoever starts them
_HEEDED = re.compile(
    r"PATH|HOME|LANG|TZ|LC_.*|CC|CXX|CPP|AR|AS|LD|NM|RANLIB|PERL.*|PYTHON.*|MESON.*|NINJA.*|CMAKE.*"
    r"|RPM.*|DEB_.*|PKG_CONFIG.*|GCC_.*|.*FLAGS|.*INCLUDE_PATH|.*LIBRARY_PATH|CPATH|ACLOCAL.*"
)
# what lies here is the package manager's, so its packages tell it
_MANAGED = frozenset(("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/games", "/usr/lib/ccache"))
_BY_HAND = ("include", "lib", "lib64", "lib/pkgconfig", "share", "share/pkgconfig")


def machine_key(shell: Shell, deadline: Deadline, *, is_rpm_machine: bool) -> str:
    """This machine as a build sees it: packages, macros, environment; "" when it does not tell."""
    told = []
    for argv in (_RPM if is_rpm_machine else _DEBIAN, _MACROS):
        done = shell.run(argv, deadline.within(QUERY_SECONDS), env={"LC_ALL": "C"})
        if not done.ok:
            return ""
        told.append(sorted(done.stdout.splitlines()))
    return fingerprint(told, _environment(), list(_by_hand()))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _HEEDED.fullmatch(name)}


def _by_hand() -> Iterator[tuple[str, int]]:
    """Where programs and headers may be put by hand: a new or replaced file changes the time."""
    local = (str(Path("/usr/local", name)) for name in _BY_HAND)
    for folder in (*os.environ.get("PATH", os.defpath).split(os.pathsep), *local):
        if folder and folder not in _MANAGED and Path(folder).is_dir():
            yield folder, Path(folder).stat().st_mtime_ns
