"""What waiting for an Open Build Service costs, on a real one made for it (as root):

    python -m benchmarks.obs_builds [BUILDS]

Overhead: seconds between the moment the service itself has the build in its history (asked every
20 ms, past the frontend), or says ``succeeded`` of these sources in its results, which it does up
to a second later, and the moment our builder has the checked packages. Requests a minute: while
one, and while two hundred packages are waited for.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import TimedOut
from ci.model import Tree
from ci.obs.api import connect
from ci.obs.remote import ObsBuilder
from ci.obs.target import Place
from ci.obs.wait import Waiter, Wanted
from ci.run import Step
from ci.shell import LocalShell
from tests.obs_backend.backend import Backend, backend, hello

PROJECT, PLACE = "home:tester:measure", Place(repository="deb12", arch="x86_64")
WATCHED_SECONDS = 30.0


def main() -> None:
    builds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with backend() as service, tempfile.TemporaryDirectory() as folder:
        os.environ["OSC_CONFIG"] = str(service.oscrc)
        service.project(PROJECT)
        late = [overhead(service, Path(folder), number) for number in range(builds)]
        print("build  in its history s  overhead s  over its own results s")
        for number, (own, more, least) in enumerate(late):
            print(f"{number:5} {own:17.2f} {more:11.2f} {least:23.2f}")
        print(f"median overhead: {statistics.median(more for _, more, _ in late):.2f} s")
        print(f"over its results: {statistics.median(least for *_, least in late):.2f} s")
        for count in (1, 200):
            print(f"requests a minute for {count} packages: {requests(service, count):.0f}")


def overhead(service: Backend, folder: Path, number: int) -> tuple[float, float, float]:
    """Seconds from commit to the build in the service's history; from there, and from its results'
    ``succeeded``, to our packages."""
    sources = folder / f"tree{number}"
    sources.mkdir()
    for name, data in hello(version=f"1.{number}").items():
        (sources / name).write_bytes(data)
    where = folder / f"step{number}"
    where.mkdir()
    step = Step("build", LocalShell(), Deadline.after(300), where, folder)
    job = ObsBuilder(
        apiurl=service.apiurl,
        allow_http=True,
        project=PROJECT,
        package="hello",
        places=(str(PLACE),),
        commit="package",
        create=True,
    )
    ended: list[float] = []
    stop = threading.Event()
    watcher = threading.Thread(target=_succeeded, args=(service, number, ended, stop), daemon=True)
    began = time.monotonic()
    watcher.start()
    job.make(step, Tree(path=str(sources), revision=f"v{number}", digest="d"))
    done = time.monotonic()
    stop.set()
    watcher.join(5)
    return ended[0] - began, done - ended[0], done - ended[1]


def _succeeded(service: Backend, number: int, ended: list[float], stop: threading.Event) -> None:
    """Note the moments at which the build of this number is in the history, then in the results."""
    history = f"/build/{PROJECT}/{PLACE}/_jobhistory?limit=1"
    results = f"/build/{PROJECT}/_result?view=status&package=hello"
    asked = ((history, f'versrel="1.{number}-', "<never/>"), (results, "succeeded", 'dirty="true"'))
    for path, wanted, unwanted in asked:
        while not stop.wait(0.02):
            said = service.frontend.ask("GET", path)[1].decode()
            if wanted in said and unwanted not in said:
                ended.append(time.monotonic())
                break


def requests(service: Backend, count: int) -> float:
    """Requests a minute while ``count`` packages wait that nobody builds."""
    project = f"{PROJECT}:{count}"
    service.workers[0].stop()
    service.project(project)
    names = [f"p{number}" for number in range(count)]
    for name in names:
        service.package(project, name, {f"{name}.spec": hello(name)[f"{name}.spec"]})
    wanted = tuple(Wanted(package=name, place=PLACE, srcmd5="none") for name in names)
    door = connect(service.apiurl, allow_http=True)
    before = len(service.frontend.seen)
    waiter = Waiter(door, Deadline.after(WATCHED_SECONDS), project, wanted, lambda _: None)
    with contextlib.suppress(TimedOut):
        waiter.wait()
    return (len(service.frontend.seen) - before) * 60 / WATCHED_SECONDS


if __name__ == "__main__":
    main()
