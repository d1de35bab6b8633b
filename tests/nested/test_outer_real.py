"""A real libvirtd behind a real sshd as an outer host, with an image in which nothing boots."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ci.__main__ import main
from ci.deadline import Deadline
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, UsageError
from ci.nested import elsewhere
from ci.nested.boot import NestedHost
from ci.nested.hosting import Hosting
from ci.nested.image import Image
from ci.nested.outer_facts import OuterFacts
from ci.watcher import Silent
from tests.nested.outer_host import OuterHost, an_outer_host
from tests.nested.test_boot import image_of_nothing
from tests.nested_host import step_in
from tests.sshd import make_key

pytestmark = pytest.mark.real
NAME = "virtci-nested-x-1"


def soon() -> Deadline:
    return Deadline.after(60)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OuterHost]:
    with an_outer_host(tmp_path_factory.mktemp("outer")) as host:
        yield host


@pytest.fixture
def image(tmp_path: Path) -> Image:
    folder = tmp_path / "image"
    image_of_nothing(folder)
    key = make_key(tmp_path / "key")
    return Image(
        key=f"xen-{tmp_path.name}", name="xen", kernel="k", guest="g", uri="xen:///system",
        host_key="ssh-ed25519 AAAA", client_key=str(key), seconds=0.0,
        folder=str(folder),
    )  # fmt: skip


@pytest.fixture
def hosting(there: OuterHost) -> Iterator[Hosting]:
    with SshShell(there.outer.target()) as shell:
        yield Hosting(shell, there.outer, NAME)


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_an_image_is_sent_once_and_a_half_one_is_never_taken(
    hosting: Hosting, there: OuterHost, image: Image
) -> None:
    said: list[str] = []
    images = there.folder / "images"
    broken = msgspec.structs.replace(image, folder=str(images / "nowhere"), key="xen-broken")
    with pytest.raises(InfraError):
        hosting.put_image(broken, soon(), say=said.append)
    (images / f".partial-{image.key}-dead").mkdir(parents=True)
    folder = hosting.put_image(image, soon(), say=said.append)
    assert hosting.put_image(image, soon(), say=said.append) == folder
    assert len([line for line in said if image.key in line]) == 1
    assert {path.name for path in Path(folder).iterdir()} == {
        "disk.qcow2", "initrd", "vmlinux", "xen"
    }  # fmt: skip
    assert not (images / "xen-broken").exists()


def test_a_host_that_nobody_ends_is_ended_in_time(
    hosting: Hosting, there: OuterHost, image: Image
) -> None:
    hosting.put_image(image, soon(), say=print)
    assert hosting.begin(image, 2, soon()) == ""
    assert (there.folder / "hosts" / NAME / "disk.qcow2").exists()
    until(lambda: hosting.list(soon()) == ())
    assert not (there.folder / "hosts" / NAME).exists()


class Sayings(Silent):
    """Keeps what a step told."""

    def __init__(self) -> None:
        self.text = ""

    def said(self, step: str, text: str) -> None:
        self.text += f"{text}\n"


def test_without_use_of_kvm_it_is_emulated_and_what_never_comes_up_is_ended(
    there: OuterHost, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outer host is said to have KVM, with which libvirt does not start anything."""
    facts = OuterFacts(boot_id="of-a-test", kvm=True, module="kvm_amd", nested="1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(elsewhere, "build_image", lambda *_args, **_kw: image)
    monkeypatch.setattr(elsewhere, "look_at_outer", lambda *_args: facts)
    host = NestedHost(name="never", outer=there.outer, boot_seconds=10)
    sayings = Sayings()
    with pytest.raises(InfraError, match="did not come up on") as caught:
        host.acquire(dataclasses.replace(step_in(tmp_path), watcher=sayings))
    assert "no use of KVM there" in sayings.text
    assert "there with tcg" in sayings.text
    assert "console.log" in caught.value.hint
    assert not list((there.folder / "hosts").iterdir())


def test_a_taken_port_of_the_outer_host_is_named(
    there: OuterHost, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "build_image", lambda *_args, **_kw: image)
    host = NestedHost(name="taken", outer=there.outer, ssh_port=22222)
    listener = there.libvirtd.enter(
        "python3", "-c",
        "import socket,time; s=socket.create_server(('127.0.0.1', 22222)); print(1, flush=True);"
        "time.sleep(60)",
    )  # fmt: skip
    with subprocess.Popen(listener, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            with pytest.raises(UsageError, match=r"port 22222 of 127.0.0.1 is taken on"):
                host.acquire(step_in(tmp_path))
        finally:
            process.kill()
    assert not list((there.folder / "hosts").iterdir())


def test_what_a_reboot_of_the_outer_host_leaves_is_swept_and_the_rest_on_demand(
    hosting: Hosting, there: OuterHost, image: Image, capfd: pytest.CaptureFixture[str]
) -> None:
    hosting.put_image(image, soon(), say=print)
    other = dataclasses.replace(hosting, name="virtci-nested-y-2")
    for each in (hosting, other):
        each.begin(image, 600, soon())
    keeper = int((there.folder / "hosts" / NAME / "keeper").read_text())
    os.kill(keeper, signal.SIGKILL)  # as a reboot ends it
    outer = there.outer
    login = ("--key", outer.key, "--known-hosts", outer.known_hosts, "--folder", outer.folder)
    with pytest.raises(SystemExit) as ended:
        main(("hosts", "outer", outer.uri, *login, "--sweep", "--all"))
    said = capfd.readouterr().out
    assert ended.value.code == 0, said
    assert f"removed {NAME}" in said
    assert f"{other.name}  gone  removed" in said
    assert "offers no KVM" in said
    assert not list((there.folder / "hosts").iterdir())
