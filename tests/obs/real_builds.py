"""Building on the real service, for the tests that need more than one file."""

from __future__ import annotations

from pathlib import Path

from ci.deadline import Deadline
from ci.model import Tree
from ci.obs.api import Api, connect
from ci.obs.remote import ObsBuilder
from ci.run import Step
from ci.shell import LocalShell
from tests.obs_backend.backend import Backend

PLACE = "deb12/x86_64"
SECONDS = 240.0


def door(service: Backend) -> Api:
    return connect(service.apiurl, allow_http=True)


def step(folder: Path, name: str = "build") -> Step:
    where = folder / name
    where.mkdir(parents=True, exist_ok=True)
    return Step(name, LocalShell(), Deadline.after(SECONDS), where, folder)


def tree(folder: Path, files: dict[str, bytes], revision: str = "v1") -> Tree:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return Tree(path=str(folder), revision=revision, digest="d")


def builder(service: Backend, project: str, package: str = "hello", **more: object) -> ObsBuilder:
    return ObsBuilder(
        apiurl=service.apiurl,
        allow_http=True,
        project=project,
        package=package,
        commit="package",
        create=True,
        **{"places": (PLACE,), **more},  # type: ignore[arg-type]
    )


def builds(service: Backend, project: str) -> int:
    return service.get(f"/build/{project}/{PLACE}/_jobhistory").count(b"<jobhist ")
