"""Builds that fail on the real service, each told in words and by who is to blame."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ci.deadline import Deadline, wait_until
from ci.errors import InfraError, ProductError, VirtciError
from ci.obs import why
from ci.obs.target import Package
from ci.obs.why_text import text_of
from tests.obs.real_builds import PLACE, SECONDS, builder, builds, door, step, tree
from tests.obs_backend.backend import PASSWORD, Backend, hello

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("obs"),
    pytest.mark.timeout(600, func_only=True),
]


MISSING_HEADER = hello("header", source="#include <nosuch.h>\nint main(void) { return 0; }\n")
FAILURES = {
    "header": (MISSING_HEADER, "missing-header", "nosuch.h", ProductError),
    "syntax": (hello("syntax", extra="%if 1"), "spec-syntax", "Unclosed %if", ProductError),
    "needs": (
        hello("needs", extra="BuildRequires: libnosuch-devel >= 3.1"),
        "build-requirement-missing",
        "libnosuch-devel",
        ProductError,
    ),
    "indirect": (
        hello("indirect", extra="BuildRequires: librarian"),
        "dependency-of-a-dependency-missing",
        "librados.so.2()(64bit)",
        InfraError,
    ),
    "sibling": (
        hello("sibling", extra="BuildRequires: header"),
        "build-requirement-missing",
        "virtci obs why home:tester:failures/header deb12/x86_64",
        ProductError,
    ),
    "unheard": (
        hello("unheard", build="echo 'knob 7: stuck at 11'; exit 3"),
        "unknown",
        "knob 7: stuck at 11",
        ProductError,
    ),
    "empty": ({}, "no-sources", "ever committed", ProductError),
    "twospecs": (
        {"a.spec": hello("a")["a.spec"], "b.spec": hello("b")["b.spec"]},
        "excluded",
        "not meant to be built",
        ProductError,
    ),
}


@pytest.fixture(scope="package")
def failures(service: Backend) -> Backend:
    """Every failure of the table, made for real in one project."""
    project = service.project("home:tester:failures")
    library = hello("librarian", extra="Requires: librados.so.2()(64bit)", check="true")
    service.package(project, "librarian", library)
    for name, (files, *_) in FAILURES.items():
        service.package(project, name, files)
    api = door(service)

    def settled() -> bool:
        states = [
            state
            for name in FAILURES
            for state in why.states(api, Deadline.after(30), Package(project=project, package=name))
        ]
        ready = builds(service, project) >= 4
        return ready and all(s.final and not s.code.startswith("blocked") for s in states)

    wait_until("the failures to have happened", settled, Deadline.after(SECONDS), every=1)
    return service


@pytest.mark.parametrize("name", FAILURES)
def test_a_real_failure_is_told_in_words(failures: Backend, name: str) -> None:
    _, shape, phrase, _ = FAILURES[name]
    package = Package(project="home:tester:failures", package=name)
    api = door(failures)
    (state,) = why.states(api, Deadline.after(30), package)
    answer = why.why(api, Deadline.after(30), package, state)
    assert answer.explanation.shape == shape, text_of(answer)
    assert phrase in text_of(answer)


@pytest.mark.parametrize("name", ["header", "indirect", "twospecs"])
def test_a_builder_raises_the_explanation_by_who_is_to_blame(
    failures: Backend, tmp_path: Path, name: str
) -> None:
    files, _, phrase, blamed = FAILURES[name]
    job = builder(failures, "home:tester:failures", name)
    with pytest.raises(VirtciError) as caught:
        job.make(step(tmp_path), tree(tmp_path / "tree", files))
    assert type(caught.value) is blamed
    assert phrase in caught.value.message
    assert "  what    " in caught.value.detail


@pytest.mark.parametrize(("name", "code"), [("header", 1), ("indirect", 3)])
def test_the_command_says_why_and_its_exit_code_who_is_to_blame(
    failures: Backend, name: str, code: int
) -> None:
    package = f"home:tester:failures/{name}"
    argv = (sys.executable, "-m", "ci", "obs", "why", package, PLACE, "-A", failures.apiurl)
    done = subprocess.run(
        (*argv, "--allow-http"), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    assert FAILURES[name][2] in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_the_first_bad_revision_and_the_difference_are_told(
    service: Backend, tmp_path: Path
) -> None:
    project = service.project("home:tester:since")
    builder(service, project).make(step(tmp_path, "one"), tree(tmp_path / "tree", hello()))
    bad = hello(build="gcc -o hello nosuch.c")
    with pytest.raises(ProductError) as caught:
        builder(service, project).make(step(tmp_path, "two"), tree(tmp_path / "tree", bad, "v2"))
    told = caught.value.detail
    assert "since   revision 2" in told
    assert 'by tester: "v2"' in told
    assert "good    revision 1 (1.0-1.1)" in told
    assert "+gcc -o hello nosuch.c" in told
