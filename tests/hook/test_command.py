"""``virtci hook serve`` and ``send``: a signed call becomes a build, another one does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import SystemClock
from tests.jenkins import jobs
from tests.jenkins.standin import StandIn
from tests.jenkins.transport import served

pytestmark = pytest.mark.real  # sockets, processes
HOOK = """
port = 0
[[callers]]
path = "/obs"
kind = "virtci"
secret = "HOOK_SECRET"
job = "virt/suites"
parameters = { REF = "revision" }
packages = ["libvirt"]
"""
VIRTCI = (sys.executable, "-m", "ci", "hook")


@pytest.fixture
def lab() -> Iterator[StandIn]:
    state = StandIn(SystemClock())
    state.quiet_seconds = 0.1
    state.add_job("virt", jobs.FOLDER)
    state.add_job("virt/suites", jobs.WITH_PARAMETERS)
    with served(state):
        yield state


@pytest.fixture
def environment(lab: StandIn, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "JENKINS_URL": lab.url, "JENKINS_USER": lab.user, "JENKINS_TOKEN": lab.token,
        "HOOK_SECRET": "0123456789abcdef0123", "WRONG": "fedcba9876543210fedc",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }  # fmt: skip


def serving(environment: dict[str, str], folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A hook as its own process, and its address."""
    server = subprocess.Popen(
        (*VIRTCI, "serve", str(folder / "hook.toml")),
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    assert found is not None
    return server, found[0]


@pytest.fixture
def address(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    (tmp_path / "hook.toml").write_text(HOOK, encoding="utf-8")
    server, address = serving(environment, tmp_path)
    try:
        yield address
    finally:
        server.terminate()
        out, err = server.communicate(timeout=60)
    assert server.returncode == 0, out + err
    assert environment["HOOK_SECRET"] not in out + err


def send(address: str, environment: dict[str, str], secret: str, *fields: str) -> str:
    done = subprocess.run(
        (*VIRTCI, "send", f"{address}/obs", *fields, "--secret", secret),
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_signed_call_orders_a_build_and_an_unsigned_one_does_not(
    lab: StandIn, environment: dict[str, str], address: str
) -> None:
    fields = ("package=libvirt", "revision=42")
    assert send(address, environment, "WRONG", *fields) == "401 not proven"
    assert send(address, environment, "HOOK_SECRET", "package=xen", "revision=1") == (
        "200 nothing to do"
    )
    assert send(address, environment, "HOOK_SECRET", *fields) == "202 taken"
    end = time.monotonic() + 60
    while not lab.jobs["virt/suites"].builds and time.monotonic() < end:
        time.sleep(0.1)
        lab.advance()
    (build,) = lab.jobs["virt/suites"].builds
    assert build.parameters["REF"] == "42"


def test_a_call_that_was_taken_is_ordered_once_although_everybody_is_restarted(
    lab: StandIn, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hook.toml").write_text(HOOK, encoding="utf-8")
    properties = jobs.PARAMETERS.replace("<name>OUTCOME</name>", "<name>REQUEST</name>")
    lab.add_job("virt/suites", jobs.PIPELINE.format(properties=properties))
    lab.restart(down=3600, starting=0)
    server, address = serving(environment, tmp_path)
    assert send(address, environment, "HOOK_SECRET", "package=libvirt", "revision=7") == "202 taken"
    server.kill()
    server.communicate(timeout=30)
    lab.down_until = lab.starting_until = 0.0
    for _ in range(2):
        server, address = serving(environment, tmp_path)
        end = time.monotonic() + 60
        while not lab.jobs["virt/suites"].builds and time.monotonic() < end:
            time.sleep(0.1)
            lab.advance()
        time.sleep(0.5)
        server.terminate()
        server.communicate(timeout=60)
    (build,) = lab.jobs["virt/suites"].builds
    assert build.parameters["REF"] == "7"
    assert str(build.parameters["REQUEST"]).startswith("hook-")


def test_an_address_that_others_reach_needs_a_word(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hook.toml").write_text(f'address = "0.0.0.0"\n{HOOK}', encoding="utf-8")
    done = subprocess.run(
        (*VIRTCI, "serve", str(tmp_path / "hook.toml")), env=environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--anywhere" in done.stderr
