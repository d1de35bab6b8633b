"""A build root without an RPM distribution: one package made of a Debian tree, cached by recipe."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ci.cached import made_once
from ci.codec import fingerprint
from ci.deadline import Deadline
from ci.places import cache_folder
from ci.shell import LocalShell, must

RECIPE = 4
TOOLS = (
    "rpm",
    "make",
    "gcc",
    "libc6-dev",
    "patch",
    "bzip2",
    "xz-utils",
    "zstd",
    "file",
    "cpio",
    "diffutils",
    "debugedit",
)
SECONDS = 600.0
SPEC = r"""
Name:           debian-base
Version:        12
Release:        1
Summary:        The tree of a small Debian, for builds
License:        GPL-2.0-or-later
AutoReqProv:    no
{provides}
%define __os_install_post %{{nil}}
%define debug_package %{{nil}}
%define _build_id_links none
%define _binary_payload w1.zstdio
%description
Everything a build needs, in one package.
%files -f {files}
"""


def base_rpm(extra: tuple[str, ...] = ()) -> Path:
    """The package; made in a minute the first time. ``extra`` are more Debian packages in it."""
    key = fingerprint([RECIPE, *TOOLS, *extra])
    folder = cache_folder("tests", "obs") / f"base-{key}"
    deadline = Deadline.after(SECONDS)
    made = made_once(
        folder, lambda partial: _make(partial, (*TOOLS, *extra), deadline), deadline, say=print
    )
    return made / "debian-base.rpm"


def _make(folder: Path, packages: tuple[str, ...], deadline: Deadline) -> None:
    tree = folder / "tree"
    must(
        LocalShell(),
        (
            "nice",
            "mmdebstrap",
            "--variant=essential",
            f"--include={','.join(packages)}",
            "--quiet",
            "bookworm",
            str(tree),
        ),
        deadline,
    )
    _settle(tree)
    _pack(folder, tree, deadline)
    shutil.rmtree(tree)


def _settle(tree: Path) -> None:
    """Debian's rpm keeps its database in ~/.rpmdb, where no requirement would ever be found."""
    (tree / "etc/rpm").mkdir(parents=True, exist_ok=True)
    (tree / "etc/rpm/macros").write_text("%_dbpath /var/lib/rpm\n")
    for heavy in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt"):
        shutil.rmtree(tree / heavy, ignore_errors=True)
    for name in ("proc", "sys", "dev"):
        shutil.rmtree(tree / name, ignore_errors=True)
    (tree / "tmp").chmod(0o1777)


def _pack(folder: Path, tree: Path, deadline: Deadline) -> None:
    files, spec = folder / "files", folder / "debian-base.spec"
    files.write_text("\n".join(_listed(tree)) + "\n")
    spec.write_text(SPEC.format(provides=_provides(tree, deadline), files=files))
    done = LocalShell().run(
        (
            "nice",
            "rpmbuild",
            "-bb",
            "--quiet",
            "--nodeps",
            f"--buildroot={tree}",
            "--noclean",
            "--define",
            f"_topdir {folder}/rpm",
            "--define",
            "_unpackaged_files_terminate_build 0",
            "--define",
            "__spec_install_pre :",
            "--target",
            "x86_64",
            str(spec),
        ),
        deadline,
    )
    assert done.ok, done.tail()
    (made,) = (folder / "rpm/RPMS/x86_64").glob("debian-base-12-*.rpm")
    made.rename(folder / "debian-base.rpm")
    shutil.rmtree(folder / "rpm")


def _listed(tree: Path) -> list[str]:
    """Every file and folder, as %files takes it. Names that rpm would expand are left out."""
    out = []
    for root, folders, files in os.walk(tree):
        inside = "/" + os.path.relpath(root, tree).removeprefix(".").lstrip("/")
        names = [name for name in folders if not Path(root, name).is_symlink()]
        links = [name for name in folders if Path(root, name).is_symlink()]
        out += [f'%dir "{Path(inside, name)}"' for name in names if _plain(name)]
        out += [f'"{Path(inside, name)}"' for name in (*files, *links) if _plain(name)]
    return out


def _plain(name: str) -> bool:
    return not set(name) & set('*?[]{}%"\\')


def _provides(tree: Path, deadline: Deadline) -> str:
    """What specs may require: Debian's packages by name, every library, and the usual names."""
    names = {"/bin/sh", "rtld(GNU_HASH)", "rpm-build", "gcc-c++", "glibc-devel"}
    asked = ("dpkg-query", f"--admindir={tree}/var/lib/dpkg", "-W", "-f=${Package} ${Version}\n")
    for line in must(LocalShell(), asked, deadline).splitlines():
        name, version = line.split()
        upstream = version.split(":")[-1].rpartition("-")[0] or version.split(":")[-1]
        names.add(f"{name} = {upstream.replace('-', '.').replace('~', '')}")
    names |= _sonames(tree, deadline)
    names |= {f"pkgconfig({pc.stem})" for pc in tree.glob("usr/**/pkgconfig/*.pc")}
    programs = [p.name for p in (tree / "usr/bin").iterdir() if _plain(p.name)]
    names |= {f"/usr/bin/{name}" for name in programs} | (COMMANDS & set(programs))
    return "\n".join(f"Provides: {name}" for name in sorted(names))


# Commands that specs name as if they were packages.
COMMANDS = frozenset({"rpcgen", "xsltproc", "xmllint", "meson", "ninja"})


def _sonames(tree: Path, deadline: Deadline) -> set[str]:
    libraries = [str(p) for p in tree.glob("**/*.so*") if p.is_file() and not p.is_symlink()]
    # linker scripts are called *.so as well; elfdeps goes on behind them and ends with status 1
    said = LocalShell().run(
        ("/usr/lib/rpm/elfdeps", "--provides"), deadline, stdin="\n".join(libraries) + "\n"
    )
    names = {line.strip() for line in said.stdout.splitlines() if line.strip()}
    assert any(name.startswith("libc.so.6") for name in names), said.tail()
    return names
