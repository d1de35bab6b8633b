"""A tree as the files of an OBS package: spec, tarball, patches; or a folder of such files."""

from __future__ import annotations

import shutil
from pathlib import Path

from ci.build.archive import write_archive
from ci.build.dist import run_dist
from ci.build.spec import meson_version, release_of, stamped, wanted_sources
from ci.errors import InfraError, UsageError
from ci.model import Tree
from ci.run import Step
from ci.shell import STATUS_NOT_FOUND, Argv

_QUERY_SECONDS = 120.0
_NOT_SOURCE = frozenset({".osc", ".git", ".svn", ".hg", ".gitignore"})


def package_folder(tree: Tree, beside: tuple[str, ...]) -> dict[str, Path]:
    """The files of a tree that is a package (spec, tarball, patches), and those beside the plan."""
    top = Path(tree.path)
    found = {
        path.name: path
        for path in sorted(top.iterdir())
        if path.is_file() and path.name not in _NOT_SOURCE
    }
    found |= _named(beside)
    if not any(name.endswith((".spec", ".dsc", "_service")) for name in found):
        raise UsageError(
            f"{top} holds no spec: it is no package",
            hint="name a spec with build.spec, so that the tree is packed as that spec's source",
        )
    return found


def packed_tree(
    step: Step, tree: Tree, spec: str, dist: Argv, beside: tuple[str, ...]
) -> dict[str, Path]:
    """The stamped spec, the tree as the tarball that it wants, and what it names besides.

    Raises UsageError for a file that is nowhere, ProductError for a spec that cannot be read.
    """
    origin = _spec(tree, spec)
    folder = step.folder / "package"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = run_dist(step, Path(tree.path), dist) if dist else None
    text = origin.read_text(encoding="utf-8")
    version = made.version if made else _version(tree, origin)
    text = stamped(text, version, release_of(text, tree))
    target = folder / origin.name
    target.write_text(text, encoding="utf-8")
    wanted = wanted_sources(_expanded(step, target))
    if wanted.archive:
        archive = folder / wanted.archive
        if made:
            shutil.copyfile(made.path, archive)
        else:
            write_archive(Path(tree.path), archive, wanted.top)
    files = {path.name: path for path in sorted(folder.iterdir())}
    return files | _others(wanted.others, origin.parent, _named(beside)) | _named(beside)


def _version(tree: Tree, spec: Path) -> str:
    """The source's, else the project's own when the spec is not a part of it, else ""."""
    meson = Path(tree.path, "meson.build")
    if tree.version or spec.is_relative_to(tree.path) or not meson.is_file():
        return tree.version
    return meson_version(meson.read_text(encoding="utf-8", errors="replace"))


def _spec(tree: Tree, spec: str) -> Path:
    path = Path(tree.path, spec)
    if not path.is_file():
        raise UsageError(f"build.spec: {spec} is neither beside the plan nor in {tree.path}")
    return path


def _named(beside: tuple[str, ...]) -> dict[str, Path]:
    for path in beside:
        if not Path(path).is_file():
            raise UsageError(f"build.files: {path}: no such file")
    return {Path(path).name: Path(path) for path in beside}


def _others(names: tuple[str, ...], near: Path, known: dict[str, Path]) -> dict[str, Path]:
    found = {}
    for name in names:
        path = known.get(name, near / name)
        if not path.is_file():
            raise UsageError(
                f"the spec names {name}, which is neither in build.files nor beside the spec"
            )
        found[name] = path
    return found


def _expanded(step: Step, spec: Path) -> str:
    """The spec with its macros expanded where rpm is installed; OBS itself reads the plain one."""
    argv = ("rpmspec", "-P", str(spec))
    done = step.shell.run(argv, step.deadline.within(_QUERY_SECONDS), env={"LC_ALL": "C"})
    if done.status == STATUS_NOT_FOUND:
        raise InfraError("rpmspec is not installed on this machine", hint="apt-get install rpm")
    # a spec that this machine's rpm cannot read is still committed: OBS says what is wrong with it
    return done.stdout if done.ok else spec.read_text(encoding="utf-8")
