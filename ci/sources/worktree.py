"""Which files of a folder are source, asked of the version control that it is under."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from ci.errors import InfraError, UsageError
from ci.model import Commit, Record
from ci.run import Step
from ci.shell import Completed
from ci.sources import gitlog, hglog, svnlog
from ci.sources.gitshell import git

LONGEST = 15 * 2**20  # a longer list of files may have been cut by the shell


class WorkTree(Record, frozen=True, kw_only=True):
    """``files`` are relative names; ``revision`` is empty where nothing was ever committed."""

    files: tuple[str, ...]
    revision: str = ""
    version: str = ""
    dirty: bool = False
    commits: tuple[Commit, ...] = ()


def work_tree(step: Step, root: Path, since: str) -> WorkTree:
    """What ``root`` holds now; the runs of virtci below it, if any, stay out."""
    found = _look(step, root, since)
    out = _own_runs(step, root)
    if out is None:
        return found
    files = tuple(name for name in found.files if not _below(name, out))
    return WorkTree(
        files=files,
        revision=found.revision,
        version=found.version,
        dirty=found.dirty,
        commits=found.commits,
    )


def _look(step: Step, root: Path, since: str) -> WorkTree:
    looks: dict[str, Callable[[Step, Path, str], WorkTree]] = {
        ".git": _git,
        ".hg": _hg,
        ".svn": _svn,
    }
    for folder in (root, *root.resolve().parents):
        for name, look in looks.items():
            if (folder / name).exists():
                found = look(step, root, since)
                # A folder that its repository ignores (a build inside a checkout) is a plain one.
                return found if found.files else WorkTree(files=tuple(_walk(root)))
    return WorkTree(files=tuple(_walk(root)))


def _own_runs(step: Step, root: Path) -> str | None:
    try:
        inside = step.run_folder.resolve().relative_to(root.resolve())
    except ValueError:
        return None
    return str(inside.parent) if inside.parent != Path() else str(inside)


def _below(name: str, folder: str) -> bool:
    return name == folder or name.startswith(folder + "/")


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in (*names, *links):
            yield str((here / name).relative_to(root))


def _git(step: Step, root: Path, since: str) -> WorkTree:
    here = ("-C", str(root))
    listed = _must(root, git(step, *here, "ls-files", "-co", "--exclude-standard", "--deduplicate"))
    status = (
        "status",
        "--porcelain",
        "--untracked-files=all",
        "--ignore-submodules=none",
        "--",
        ".",
    )
    dirty = bool(_must(root, git(step, *here, *status)))
    store = Path(_must(root, git(step, *here, "rev-parse", "--absolute-git-dir")).strip())
    head = git(step, *here, "rev-parse", "--verify", "HEAD")
    revision = head.stdout.strip() if head.ok else ""
    return WorkTree(
        files=tuple(_with_submodules(step, root, map(_unquoted, listed.splitlines()))),
        revision=revision,
        version=gitlog.described(step, store, "HEAD", dirty=dirty) if revision else "",
        dirty=dirty,
        commits=gitlog.commits_since(step, store, since, "HEAD") if revision else (),
    )


def _with_submodules(step: Step, root: Path, names: Iterator[str]) -> Iterator[str]:
    for name in names:
        path = root / name.rstrip("/")
        if path.is_symlink() or not path.is_dir():
            yield name
        elif name.endswith("/"):
            step.say(f"{path} is a repository of its own, not added to this one, and stays out")
        elif (path / ".git").exists():
            yield from (f"{name}/{inner}" for inner in _git(step, path, "").files)


def _unquoted(name: str) -> str:
    """git writes names with unusual bytes as "a\\303\\244"."""
    if not name.startswith('"'):
        return name
    return os.fsdecode(codecs.escape_decode(name[1:-1].encode())[0])


def _hg(step: Step, root: Path, since: str) -> WorkTree:
    def status(*flags: str) -> list[str]:
        args = ("status", "--no-status", "--print0", *flags, "--", ".")
        return [name for name in _must(root, hglog.hg(step, *args, cwd=root)).split("\0") if name]

    node = _must(root, hglog.hg(step, "log", "--rev=.", "--template={node}", cwd=root)).strip()
    revision = node.strip("0") and node
    dirty = bool(status("-m", "-a", "-r", "-d", "-u"))
    store = root
    return WorkTree(
        files=tuple(_readable(root, status("-m", "-a", "-c", "-u"))),
        revision=revision,
        version=hglog.described(step, store, node, dirty=dirty) if revision else "",
        dirty=dirty,
        commits=hglog.commits_since(step, store, since, node) if revision else (),
    )


def _readable(root: Path, names: list[str]) -> Iterator[str]:
    for name in names:
        if "\ufffd" in name:
            raise UsageError(f"{root / name}: the name of this file is not UTF-8; rename it")
        yield name


def _svn(step: Step, root: Path, since: str) -> WorkTree:
    def svn(*args: str) -> str:
        argv = ("svn", args[0], "--non-interactive", *args[1:])
        return _must(root, step.shell.run(argv, step.deadline, env={"LC_ALL": "C.UTF-8"}))

    at = f"{root}@"
    out, dirty = _svn_status(svn("status", "--xml", "--no-ignore", "--", at), root)
    info = svnlog.parse_info(svn("info", "--xml", "--", at))
    names = (name for name in _walk(root) if ".svn" not in Path(name).parts)
    return WorkTree(
        files=tuple(name for name in names if not any(_below(name, ignored) for ignored in out)),
        revision=str(info.changed),
        dirty=dirty,
        commits=svnlog.commits_since(
            lambda *args: svn("log", *args, svnlog.target(info.url)), since, info.changed
        ),
    )


def _svn_status(text: str, root: Path) -> tuple[list[str], bool]:
    """The ignored files and folders, and whether anything is not as committed."""
    try:
        entries = list(fromstring(text).iter("entry"))
    except (ParseError, DefusedXmlException):
        raise InfraError(f"{root}: svn status does not answer with its XML") from None
    ignored, dirty = [], False
    for entry in entries:
        states = {key: value for state in entry.iter("wc-status") for key, value in state.items()}
        if states.get("item") == "ignored":
            ignored.append(str(Path(entry.get("path", "")).relative_to(root)))
        else:
            quiet = states.get("item") in ("normal", "none", "external")
            dirty |= not quiet or states.get("props") not in ("normal", "none")
    return ignored, dirty


def _must(root: Path, done: Completed) -> str:
    if len(done.stdout) > LONGEST:
        raise UsageError(f"{root}: too many files for a source folder")
    if done.ok:
        return done.stdout
    own = "dubious ownership" in done.stderr
    raise UsageError(
        f"{root}: {done.argv[0]} does not accept this work tree",
        hint=f"git config --global --add safe.directory {root}" if own else "",
        detail=done.tail(),
    )
