"""From a source to the clean tree of a step: made beside its place, checked, renamed, kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ci.codec import fingerprint, from_json, to_json
from ci.errors import InfraError
from ci.model import Commit, Record, Tree
from ci.run import Step
from ci.sources.content import content_digest, file_sha256
from ci.sources.patches import apply_patches

SHORT = 8


class Origin(Record, frozen=True, kw_only=True):
    """What is known of a source before it is exported. ``name`` is for messages."""

    name: str
    revision: str
    version: str = ""
    commits: tuple[Commit, ...] = ()


class Kept(Record, frozen=True, kw_only=True):
    """What lies beside a finished tree: what it was made of, and what it is."""

    key: str
    tree: Tree


def export(
    step: Step, origin: Origin, fill: Callable[[Path], None], patches: tuple[str, ...] = ()
) -> Tree:
    """The tree ``step.folder/tree``, as ``fill`` writes it into an empty folder, patched.

    A tree that a former try finished, and nobody changed since, is taken as it is.
    """
    with writing(step.folder):
        return _export(step, origin, fill, patches)


def _export(
    step: Step, origin: Origin, fill: Callable[[Path], None], patches: tuple[str, ...]
) -> Tree:
    found = [file_sha256(patch) for patch in patches if Path(patch).is_file()]
    key = fingerprint(origin.name, origin.revision, found, patches)
    if (tree := _kept(step, key)) is not None:
        return msgspec.structs.replace(tree, commits=origin.commits)
    new = empty(step.folder / "tree.new")
    fill(new)
    apply_patches(step, new, patches, f"{origin.name} at {origin.revision}")
    digest = content_digest(new)
    patched = f"-patched-{digest[:SHORT]}" if patches else ""
    tree = Tree(
        path=str(step.folder / "tree"),
        revision=origin.revision + patched,
        digest=digest,
        version=origin.version,
        commits=origin.commits,
    )
    place(step, new, key, tree)
    return tree


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the disk does not take is the lab's fault."""
    try:
        yield
    except OSError as error:
        raise InfraError(
            f"{error.filename or folder}: {error.strerror or error}",
            hint="look at the disk (df) and at who owns the folder",
        ) from None


def place(step: Step, new: Path, key: str, tree: Tree) -> None:
    """Put a finished folder in its place; only then say that it is there."""
    note = step.folder / "tree.json"
    note.unlink(missing_ok=True)
    remove(Path(tree.path))
    new.rename(tree.path)
    half = note.with_suffix(".new")
    half.write_bytes(to_json(Kept(key=key, tree=tree)))
    half.rename(note)


def empty(folder: Path) -> Path:
    """An empty folder in the place of whatever was left there."""
    remove(folder)
    folder.mkdir(parents=True)
    return folder


def remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)


def plain_revision(revision: str) -> str:
    """The revision without what virtci added to it (``-dirty-...``, ``-patched-...``)."""
    return revision.partition("-dirty-")[0].partition("-patched-")[0]


def _kept(step: Step, key: str) -> Tree | None:
    try:
        kept = from_json((step.folder / "tree.json").read_bytes(), Kept)
    except (OSError, msgspec.MsgspecError):
        return None
    path = Path(kept.tree.path)
    if kept.key != key or path != step.folder / "tree" or not path.is_dir():
        return None
    return kept.tree if content_digest(path) == kept.tree.digest else None
