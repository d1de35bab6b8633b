"""Seconds from a lease to a deployed proof, over kept connections and over one for each command.

python -m benchmarks.lease_to_proof         # sshds of its own on loopback: one host, eight lanes
python -m benchmarks.lease_to_proof nested  # a nested Xen host, with its own libvirt as the package
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ci.deadline import Deadline
from ci.deploy.deploy import deploy
from ci.deploy.install import DeployPlan
from ci.deploy.poolhost import PoolHost
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.model import Access, Build
from ci.nested.entry import FILE
from ci.rpmfile import read_package
from ci.run import Step
from ci.shell import LocalShell
from tests.deploy.hosts import a_machine
from tests.deploy.packages import LIBVIRTD
from tests.deploy.small_rpms import make_rpm
from tests.nested_host import booted

LANES = 8
ROUNDS = 5
DRIVER = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_libxl.so"
SAME = "%global __os_install_post %{nil}\n%global _build_id_links none\nAutoReqProv: no"


def step_in(folder: Path) -> Step:
    folder.mkdir(parents=True, exist_ok=True)
    return Step("deploy", LocalShell(), Deadline.after(600), folder, folder)


def packed(folder: Path, name: str, **what: Any) -> Build:
    rpm = make_rpm(folder, name, **what)
    package = read_package(LocalShell(), rpm, Deadline.after(60))
    return Build(kind="bench", revision="r", rpms=(package,))


@contextmanager
def a_connection_each() -> Iterator[None]:
    """As scripts around plain ssh do it: each command has a connection of its own."""
    plain = SshShell.run

    def run(self: SshShell, *arguments: Any, **options: Any) -> Any:
        try:
            return plain(self, *arguments, **options)
        finally:
            self.close()

    SshShell.run = run  # type: ignore[method-assign]
    try:
        yield
    finally:
        SshShell.run = plain  # type: ignore[method-assign]


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    taken = []
    for _ in range(rounds):
        began = time.monotonic()
        work()
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


def once(file: Path, folder: Path, settings: DeployPlan, build: Build) -> None:
    """Lease, look, deploy, prove; it is given back outside of what a run waits for."""
    host = PoolHost(name="lane", file=str(file))
    access = host.acquire(step_in(folder / "hosts"))
    deploy(step_in(folder / "deploy"), settings, build, access)
    host.release(access, Deadline.after(60))


def compare(what: str, work: Callable[[], object], rounds: int = ROUNDS) -> None:
    kept = seconds(work, rounds)
    with a_connection_each():
        each = seconds(work, rounds)
    print(f"{what:34} {kept:6.2f} s  {each:6.2f} s  {each / kept:5.1f}x", flush=True)


def on_loopback(folder: Path) -> None:
    build = packed(folder / "rpms", "small")
    with ExitStack() as machines:
        lanes = []
        for number in range(LANES):
            machine = machines.enter_context(a_machine(folder, f"lane{number}"))
            own = folder / f"lane{number}"
            (own / "hosts.toml").write_text(machine.entry())
            settings = DeployPlan(root=str(own / "root"), manager="rpm", watch=())
            (own / "root").mkdir()
            lanes.append((own / "hosts.toml", own / "work", settings))

        def lane(number: int) -> None:
            file, work, settings = lanes[number]
            once(file, work, settings, build)

        def all_lanes() -> None:
            with ThreadPoolExecutor(LANES) as pool:
                list(pool.map(lane, range(LANES)))

        compare("one host", lambda: lane(0))
        compare(f"{LANES} lanes", all_lanes)


def on_xen(folder: Path) -> None:
    with booted(folder / "run") as access:
        build = packed(
            folder / "rpms", "same", files=its_own(access, folder), more=SAME, arch="x86_64"
        )
        file = Path(access.console).with_name(FILE)
        compare("nested Xen", lambda: once(file, folder / "work", DeployPlan(), build), 3)


def its_own(access: Access, folder: Path) -> dict[str, bytes]:
    files = {}
    with SshShell(target_of(access)) as shell:
        for path in (LIBVIRTD, DRIVER):
            shell.get(path, folder / "got", Deadline.after(120))
            files[path] = (folder / "got").read_bytes()
    return files


def main() -> None:
    print(f"{'from lease to proof':34} {'kept':>8}  {'each':>8}")
    with tempfile.TemporaryDirectory() as name:
        (on_xen if "nested" in sys.argv[1:] else on_loopback)(Path(name))


if __name__ == "__main__":
    main()
