"""Nested hosts by hand: brought up once, ended by name, whatever became of them in between."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import libvirt
import msgspec
import pytest
from typer.testing import CliRunner

from ci.commands.hosts import app
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.model import Access
from ci.nested.boot import NestedHost
from ci.nested.standing import bring_up, folder_of, names, standing, take_down
from ci.places import cache_folder
from ci.run import Step

ACCESS = Access(
    name="x", address="127.0.0.1", port=22, user="root", key="k", known_hosts="h",
    hypervisor="xen", uri="xen+ssh://x/system", boot_id="b", console="c",
)  # fmt: skip
up: set[str] = set()
booted: list[str] = []


def acquire(host: NestedHost, step: Step) -> Access:
    up.add(host.name)
    booted.append(host.name)
    return msgspec.structs.replace(ACCESS, name=host.name)


@pytest.fixture
def without_qemu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hosts that boot in no time, and a cache of the test's own."""
    up.clear()
    booted.clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(NestedHost, "acquire", acquire)
    monkeypatch.setattr(NestedHost, "still_up", lambda self, *_: self.name in up)
    monkeypatch.setattr(NestedHost, "release", lambda self, *_: up.discard(self.name))


def brought_up(name: str, wire: int = 0) -> list[str]:
    said: list[str] = []
    bring_up(NestedHost(name=name, wire=wire), Deadline.after(5), said.append)
    return said


@pytest.mark.usefixtures("without_qemu")
def test_a_host_that_is_up_is_not_booted_again_and_one_that_has_ended_is() -> None:
    assert brought_up("one") == []
    assert "one is up already" in brought_up("one")[0]
    up.clear()  # it ended itself
    assert brought_up("one") == []
    assert booted == ["one", "one"]
    assert [one.host.name for one in standing(Deadline.after(5))] == ["one"]


@pytest.mark.usefixtures("without_qemu")
def test_a_host_is_ended_with_its_files_and_only_once() -> None:
    brought_up("one")
    assert take_down("one", Deadline.after(5), print)
    assert (up, names(), folder_of("one").exists()) == (set(), (), False)
    assert not take_down("one", Deadline.after(5), print)


@pytest.mark.usefixtures("without_qemu")
def test_two_that_are_up_cannot_have_one_number_on_the_wire() -> None:
    brought_up("one", wire=1)
    brought_up("two", wire=2)
    with pytest.raises(UsageError, match="two are number 1 on the wire"):
        brought_up("three", wire=1)
    assert booted == ["one", "two"]


@pytest.mark.usefixtures("without_qemu")
@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "a/b", "a\n"])
def test_what_is_no_name_touches_nothing(name: str) -> None:
    with pytest.raises(UsageError, match="not usable as the name of a host"):
        take_down(name, Deadline.after(5), print)


@pytest.mark.usefixtures("without_qemu")
def test_the_uri_alone_is_on_standard_output_and_all_are_ended_at_once() -> None:
    told = CliRunner().invoke(app, ["up", "one"])
    assert (told.exit_code, told.stdout) == (0, f"{ACCESS.uri}\n")
    assert str(folder_of("one") / "hosts.toml") in told.stderr
    ended = CliRunner().invoke(app, ["down", "--all"])
    assert (ended.exit_code, ended.stdout, up) == (0, "one is down\n", set())


@pytest.mark.usefixtures("without_qemu")
@pytest.mark.parametrize("words", [["down"], ["down", "one", "--all"], ["down", "one"]])
def test_what_is_to_end_must_be_told_and_be_there(words: list[str]) -> None:
    with pytest.raises(UsageError, match=r"which host|no host"):
        CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.fixture
def own_place(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The images and keys of the user, and hosts of the test's own."""
    cache = tmp_path / "virtci"
    cache.mkdir()
    for shared in ("images", "keys", "guest"):
        (cache / shared).symlink_to(cache_folder(shared))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    yield environment
    virtci(environment, "down", "--all")


def virtci(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        (sys.executable, "-m", "ci", "hosts", *words), env=environment, timeout=900,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.xen
def test_a_real_xen_host_stays_up_behind_the_command_until_it_is_ended(
    own_place: dict[str, str],
) -> None:
    uri = virtci(own_place, "up", "--minutes", "20").strip()
    connection = libvirt.open(uri)
    assert connection.getType() == "Xen"
    connection.close()
    assert virtci(own_place, "up").strip() == uri
    assert "xen is down" in virtci(own_place, "down", "xen")
    with pytest.raises(libvirt.libvirtError):
        libvirt.open(uri)
