"""What may break under a build on the real service, and costs no more than time."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from ci.deadline import Deadline, wait_until
from ci.model import Build, Tree
from ci.obs.remote import ObsBuilder
from ci.run import Step
from tests.obs.real_builds import SECONDS, builder, builds, step, tree
from tests.obs_backend.backend import Backend, hello

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("obs"),
    pytest.mark.timeout(600, func_only=True),
]


def test_connections_cut_in_the_middle_cost_nothing(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:cut")
    # sources are kept by package: under a new name everything has to be sent
    sources = tree(tmp_path / "tree", hello("cutter"))
    service.frontend.cut = {r"^PUT .*hello-1\.0\.tar\.gz": 1, r"^GET .*x86_64\.rpm": 2}
    made = builder(service, project, "cutter").make(step(tmp_path), sources)
    assert set(service.frontend.cut.values()) == {0}
    assert made.rpms[0].nevra == "cutter-1.0-1.1.x86_64"
    assert builds(service, project) == 1
    assert not list(tmp_path.rglob("*.part"))


def _until_building(service: Backend, project: str) -> None:
    """The result alone says so already while the job is on its way to the worker."""
    wait_until(
        "the worker to build",
        lambda: (
            service.workers[0].state() == "building"
            and b'code="building"' in service.get(f"/build/{project}/_result")
        ),
        Deadline.after(90),
        every=0.1,
    )


def _in_background(job: ObsBuilder, at: Step, sources: Tree, out: list[Build]) -> threading.Thread:
    thread = threading.Thread(target=lambda: out.append(job.make(at, sources)), daemon=True)
    thread.start()
    return thread


def test_a_worker_killed_in_the_middle_costs_only_time(service: Backend, tmp_path: Path) -> None:
    project = service.project("home:tester:workerkill")
    slow = hello(build="sleep 4; gcc -g -o hello hello.c")
    out: list[Build] = []
    sources = tree(tmp_path / "tree", slow)
    thread = _in_background(builder(service, project), step(tmp_path), sources, out)
    _until_building(service, project)
    service.workers[0].stop()
    service.workers[0].start()
    end = time.monotonic() + SECONDS
    while thread.is_alive() and time.monotonic() < end:
        thread.join(5)
        service.server.forgive_hosts()
        service.workers[0].wake()
    assert out, service.server.log("bs_dispatch")
    assert out[0].rpms[0].version == "1.0"


def test_a_repository_server_that_stops_for_a_while_costs_only_time(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:repstop")
    slow = hello(build="sleep 3; gcc -g -o hello hello.c")
    out: list[Build] = []
    sources = tree(tmp_path / "tree", slow)
    thread = _in_background(builder(service, project), step(tmp_path), sources, out)
    _until_building(service, project)
    daemon = service.server.daemons["bs_repserver"]
    daemon.stop(signal.SIGKILL)
    time.sleep(5)
    daemon.start()
    thread.join(SECONDS)
    assert out
    assert out[0].rpms[0].version == "1.0"
