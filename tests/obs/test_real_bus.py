"""The real message bus: events as they come, cut connections, killed watchers, one run each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ci.deadline import Deadline, wait_until
from ci.errors import UsageError
from ci.obs.api import connect
from ci.obs.bus import listen_to
from ci.obs.claims import Claims
from ci.obs.notices import Notice
from ci.obs.rules import Bus, Rule, RunPlan, Watch, load_watch
from ci.obs.trigger import Starter
from ci.obs.watch import Watcher
from tests.obs_backend.backend import ARCH, REPOSITORY, Backend, hello
from tests.obs_backend.rabbit import Rabbit

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("obs"),
    pytest.mark.timeout(300, func_only=True),
]
BUILDS = 50
PLAN = """\
[[hosts]]
kind = "local"
name = "here"
"""
WATCH = """\
apiurl = "{apiurl}"
allow_http = true
state = "state"
every = {every}
together = 4
[[rules]]
project = "{project}"
[rules.start]
kind = "plan"
plan = "plan.toml"
"""
BUS = """\
[bus]
url = "{url}"
password_env = "TEST_BUS_PASSWORD"
"""
FAKE_RUN = """\
import os, sys
from pathlib import Path
words = sys.argv
name = words[words.index("--name") + 1]
runs = Path(words[words.index("--runs") + 1])
runs.mkdir(parents=True, exist_ok=True)
# as a run does: the second start of a name finds the first and does nothing again
try:
    os.close(os.open(runs / name, os.O_CREAT | os.O_EXCL))
except FileExistsError:
    sys.exit(0)
with (runs / "count").open("a") as count:
    count.write(name + "\\n")
"""
CHILD = """\
import sys
from pathlib import Path
from ci.deadline import Deadline
from ci.obs.api import connect
from ci.obs.rules import load_watch
from ci.obs.trigger import Starter
from ci.obs.watch import Watcher
watch = load_watch(Path(sys.argv[1]))
starter = Starter(Path(watch.state) / "logs", program=(sys.executable, sys.argv[2]))
door = connect(watch.apiurl, allow_http=True)
say = lambda text: print(text, flush=True)
Watcher(watch, door, starter, say).run(Deadline.after(120), once=False)
"""


def message(number: int, project: str = "home:tester:bus") -> tuple[str, bytes]:
    body = {
        "project": project,
        "package": f"p{number}",
        "repository": REPOSITORY,
        "arch": ARCH,
        "rev": "1",
        "srcmd5": f"m{number}",
        "versrel": "1.0-1",
        "bcnt": "1",
        "starttime": str(1_800_000_000 + number),
        "endtime": str(1_800_000_009 + number),
    }
    return "opensuse.obs.package.build_success", json.dumps(body).encode()


def the_bus(broker: Rabbit) -> Bus:
    return Bus(url=broker.url, password_env="TEST_BUS_PASSWORD")


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_BUS_PASSWORD", "guest")


def written(folder: Path, service: Backend, project: str, bus: str = "", every: float = 60) -> Path:
    (folder / "plan.toml").write_text(PLAN)
    path = folder / "watch.toml"
    text = WATCH.format(apiurl=service.apiurl, project=project, every=every)
    path.write_text(text.replace("[[rules]]", f"{bus}[[rules]]"))
    return path


def test_an_event_comes_as_it_is_sent(broker: Rabbit) -> None:
    listener = listen_to(the_bus(broker))
    try:
        broker.send([message(1), ("opensuse.obs.metrics", b"not json"), message(2)])
        heard: list[Notice] = []
        while len(heard) < 2:
            heard += list(listener.listen(2))
        assert [notice.package for notice in heard] == ["p1", "p2"]
    finally:
        listener.close()


def test_a_wrong_login_is_told_without_the_password(
    broker: Rabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_BUS_PASSWORD", "notthis")
    with pytest.raises(UsageError, match="refuses the login") as caught:
        listen_to(the_bus(broker))
    assert "notthis" not in caught.value.message


def test_a_bus_that_dies_is_found_again_and_nothing_is_lost(
    service: Backend, broker: Rabbit, tmp_path: Path
) -> None:
    project = service.project("home:tester:bus", build=False)
    said: list[str] = []
    rule = Rule(project=project, start=RunPlan(plan="x", runs=str(tmp_path)))
    watch = Watch(state=str(tmp_path / "state"), bus=the_bus(broker), rules=(rule,))
    script = tmp_path / "run.py"
    script.write_text(FAKE_RUN)
    starter = Starter(tmp_path / "logs", program=(sys.executable, str(script)))
    stop = threading.Event()
    door = connect(service.apiurl, allow_http=True)
    watcher = Watcher(watch, door, starter, said.append)
    thread = threading.Thread(
        target=lambda: watcher.run(Deadline.after(120, stop=stop), once=False), daemon=True
    )
    thread.start()
    try:
        _wait(lambda: any("listening" in line for line in said))
        broker.send([message(1)])
        _wait(lambda: len(watcher.started) == 1)
        broker.stop()
        _wait(lambda: any("again in" in line for line in said))
        broker.start()
        _wait(lambda: sum("listening" in line for line in said) == 2)
        broker.send([message(1), message(2)])
        _wait(lambda: len(watcher.started) == 2)
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    starter_children = starter.reap()
    assert starter_children in (0, 1)


def _wait(probe: object) -> None:
    assert callable(probe)
    wait_until("what the watcher should do", lambda: bool(probe()), Deadline.after(60), every=0.1)


def test_two_watchers_and_a_kill_make_fifty_runs_of_fifty_builds(
    service: Backend, broker: Rabbit, tmp_path: Path
) -> None:
    project = service.project("home:tester:fifty", build=False)
    path = written(tmp_path, service, project, BUS.format(url=broker.url))
    script = tmp_path / "run.py"
    script.write_text(FAKE_RUN)
    argv = (sys.executable, "-c", CHILD, str(path), str(script))
    watchers = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    try:
        for watcher in watchers:
            assert watcher.stdout is not None
            assert "listening" in watcher.stdout.readline()
        first, second = watchers
        for number in range(BUILDS):
            broker.send([message(number, project)] * 2)
            if number == BUILDS // 2:
                time.sleep(0.3)
                os.kill(first.pid, signal.SIGKILL)
        count = tmp_path / "runs" / "count"
        _wait(lambda: count.exists() and len(count.read_text().splitlines()) >= BUILDS)
        _wait(lambda: not Claims(tmp_path / "state" / "claims").open())
        assert second.poll() is None
        names = count.read_text().splitlines()
        assert len(names) == len(set(names)) == BUILDS
    finally:
        for watcher in watchers:
            watcher.kill()
            watcher.wait(10)
            assert watcher.stdout is not None
            watcher.stdout.close()


def run_once(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-m", "ci", "obs", "watch", str(path), "--once", *more)
    return subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)


def test_once_takes_a_build_from_before_and_one_that_comes(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:once")
    service.package(project, "hello", hello())
    wait_until(
        "the build",
        lambda: b'code="succeeded"' in service.get(f"/build/{project}/_result"),
        Deadline.after(120),
        every=0.5,
    )
    path = written(tmp_path, service, project, every=1)
    before = run_once(path, "--since", "3600", "--seconds", "60")
    assert before.returncode == 0, before.stdout + before.stderr
    assert "started run obs-hello-1.0-1.1-" in before.stdout
    nothing = run_once(path, "--seconds", "4")
    assert nothing.returncode == 3
    assert "no build came" in nothing.stderr
    timer = threading.Timer(3, service.package, (project, "hello", hello(version="1.1")))
    timer.start()
    after = run_once(path, "--seconds", "150")
    timer.join()
    assert after.returncode == 0, after.stdout + after.stderr
    assert "started run obs-hello-1.1-1.1-" in after.stdout
    runs = sorted(entry.name[:17] for entry in (tmp_path / "runs").iterdir())
    assert runs == ["obs-hello-1.0-1.1", "obs-hello-1.1-1.1"]
    assert load_watch(path).rules[0].project == project
