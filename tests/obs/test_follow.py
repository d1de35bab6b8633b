"""The log is shown as it grows, each line once and whole."""

from __future__ import annotations

from pathlib import Path

from ci.deadline import Deadline
from ci.obs.door import Query
from ci.obs.follow import LogFollower
from ci.obs.target import Package, Place
from ci.run import Step
from ci.shell import LocalShell
from ci.watcher import Silent
from tests.obs.fakes import FakeDoor, gone

LOG = "GET /build/p/deb12/x86_64/hello/_log"


class Ear(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def said(self, step: str, text: str) -> None:
        self.heard.append(text)


def follower(folder: Path, door: FakeDoor) -> tuple[LogFollower, list[str]]:
    ear = Ear()
    step = Step("build", LocalShell(), Deadline.after(60), folder, folder, ear)
    package = Package(project="p", package="hello")
    return LogFollower(door, step, package, Place(repository="deb12", arch="x86_64")), ear.heard


def test_each_line_is_shown_once_and_whole(tmp_path: Path) -> None:
    grown = [b"one\ntw", b"one\ntwo\nthree\n"]

    def log(query: Query, _: bytes) -> bytes:
        text = grown.pop(0) if len(grown) > 1 else grown[0]
        return text[int(dict(query)["start"]) :]

    shown, heard = follower(tmp_path, FakeDoor({LOG: [log, log, log]}))
    for _ in range(3):
        shown.show()
    assert heard == ["one", "two", "three"]


def test_no_log_yet_is_no_error(tmp_path: Path) -> None:
    shown, heard = follower(tmp_path, FakeDoor({LOG: gone()}))
    shown.show()
    assert heard == []


def test_a_new_build_starts_from_the_first_line(tmp_path: Path) -> None:
    def log(query: Query, _: bytes) -> bytes:
        return b"first\n"[int(dict(query)["start"]) :]

    shown, heard = follower(tmp_path, FakeDoor({LOG: log}))
    shown.show()
    shown.say("hello deb12/x86_64: scheduled")
    shown.show()
    assert heard == ["first", "hello deb12/x86_64: scheduled", "first"]
