"""Tiny real packages, each with one fault or none."""

from __future__ import annotations

import subprocess
from pathlib import Path

SPEC = """\
Name: {name}
Version: {version}
Release: 1
Summary: test
License: none
{more}
%description
test
%files
{files}
{scripts}
"""


def make_rpm(
    folder: Path,
    name: str,
    *,
    version: str = "1",
    files: dict[str, bytes] | None = None,
    more: str = "",
    scripts: str = "",
    arch: str = "noarch",
) -> Path:
    """Build a package; scripts are best in Lua, since a bare root has no shell."""
    top = folder / f"{name}-{version}"
    root = top / "BUILDROOT"
    top.mkdir(parents=True)
    files = files or {f"/{name}": name.encode()}
    for path, content in files.items():
        (top / "in" / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (top / "in" / path.lstrip("/")).write_bytes(content)
        (top / "in" / path.lstrip("/")).chmod(0o755)
    spec = top / "test.spec"
    install = f"%install\ncp -a {top}/in/. %{{buildroot}}/\n"
    own = "" if arch == "x86_64" else f"BuildArch: {arch}\n"
    text = SPEC.format(
        name=name, version=version, more=own + more, files="\n".join(files), scripts=scripts
    )
    spec.write_text(text.replace("%files", f"{install}%files", 1))
    argv = (
        *("rpmbuild", "-bb", "--nodeps", "-D", f"_topdir {top}", "-D", f"_rpmdir {folder}"),
        *("-D", f"_dbpath {top}/db", "--buildroot", str(root), str(spec)),
    )
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"rpmbuild (apt-get install rpm) failed: {done.stderr}"
    return folder / arch / f"{name}-{version}-1.{arch}.rpm"
