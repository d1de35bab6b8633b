"""The whole chain: a commit, the real build service, its events on the real bus, a Jenkins job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import Deadline, SystemClock, wait_until
from tests.jenkins import jobs
from tests.jenkins.standin import Script, StandIn
from tests.jenkins.transport import served
from tests.obs_backend.backend import ARCH, REPOSITORY, Backend, hello
from tests.obs_backend.bridge import bridged
from tests.obs_backend.rabbit import Rabbit

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("obs"),
    pytest.mark.timeout(400, func_only=True),
]
JOB = "virt/nightly"
PARAMETERS = ("PROJECT", "PACKAGE", "REVISION", "VERSREL", "REQUEST")
STRING = (
    "<hudson.model.StringParameterDefinition><name>{}</name><defaultValue/>"
    "</hudson.model.StringParameterDefinition>"
)
WATCH = """\
apiurl = "{apiurl}"
allow_http = true
state = "state"
every = 600
[bus]
url = "{bus}"
password_env = "TEST_BUS_PASSWORD"
[[rules]]
project = "{project}"
package = "hello"
arch = "{arch}"
[rules.start]
kind = "jenkins"
job = "virt/nightly"
[rules.start.parameters]
PROJECT = "{{project}}"
PACKAGE = "{{package}}"
REVISION = "{{srcmd5}}"
VERSREL = "{{versrel}}.{{bcnt}}"
"""


@pytest.fixture
def lab() -> Iterator[StandIn]:
    """A controller over a socket, with a job that takes what the watcher tells."""
    state = StandIn(SystemClock())
    state.quiet_seconds = 0.2
    state.scripts[JOB] = Script(seconds=0.2)
    properties = "".join(map(STRING.format, PARAMETERS))
    definitions = f"<parameterDefinitions>{properties}</parameterDefinitions>"
    kind = "hudson.model.ParametersDefinitionProperty"
    state.add_job("virt", jobs.FOLDER)
    state.add_job(JOB, jobs.PIPELINE.format(properties=f"<{kind}>{definitions}</{kind}>"))
    with served(state):
        yield state


def orders(lab: StandIn) -> list[dict[str, object]]:
    lab.advance()
    return [build.parameters for build in lab.jobs[JOB].builds]


class Watching:
    """``virtci obs watch`` as its own process; it may be killed and started again."""

    def __init__(self, file: Path, lab: StandIn) -> None:
        self._file = file
        self._environment = {
            **os.environ,
            "TEST_BUS_PASSWORD": "guest",
            "JENKINS_URL": lab.url,
            "JENKINS_USER": lab.user,
            "JENKINS_TOKEN": lab.token,
        }
        self.output = file.with_name("watch.log")
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        argv = (sys.executable, "-u", "-m", "ci", "obs", "watch", str(self._file))
        with self.output.open("ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log, env=self._environment)

    def heard(self, text: str) -> bool:
        return text in self.output.read_text()

    def killed(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def start_again(self) -> None:
        self.process = self._started()

    def stopped(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def test_a_build_triggers_its_job_once_over_restarts_of_everybody(
    service: Backend, broker: Rabbit, lab: StandIn, tmp_path: Path
) -> None:
    project = service.project("home:tester:chain")
    file = tmp_path / "watch.toml"
    file.write_text(WATCH.format(apiurl=service.apiurl, bus=broker.url, project=project, arch=ARCH))
    watching = Watching(file, lab)

    def soon(what: str, ready: object) -> None:
        assert callable(ready)
        wait_until(
            f"{what}\n{watching.output.read_text()}",
            lambda: bool(ready()),
            Deadline.after(120),
            every=0.2,
        )

    try:
        soon("the watcher to listen", lambda: watching.heard("listening"))
        with bridged(service, broker):
            service.package(project, "hello", hello(version="1.0"))
            soon("the first build's job", lambda: len(orders(lab)) == 1)
            first = orders(lab)[0]
            assert first["PROJECT"] == project
            assert first["PACKAGE"] == "hello"
            assert first["VERSREL"] == "1.0-1.1"
            assert str(first["REVISION"]) in service.get(f"/source/{project}/hello").decode()
            assert str(first["REQUEST"]).startswith("obs-hello-1.0-1.1-")
            lab.restart(down=15, starting=5)
            service.package(project, "hello", hello(version="1.1"))
            soon("a controller that is away", lambda: watching.heard("is not started"))
            soon("the second build's job, after the restart", lambda: len(orders(lab)) == 2)
            watching.killed()
            service.package(project, "hello", hello(version="1.2"))
            result = f"/build/{project}/{REPOSITORY}/{ARCH}/_jobhistory?package=hello"
            soon("a build that nobody hears of", lambda: b"1.2-1" in service.get(result))
            watching.start_again()
            soon("the third build's job", lambda: len(orders(lab)) == 3)
        assert watching.stopped() == 130
    finally:
        watching.killed()
    assert [order["VERSREL"] for order in orders(lab)] == ["1.0-1.1", "1.1-1.1", "1.2-1.1"]
    assert lab.token not in watching.output.read_text()
