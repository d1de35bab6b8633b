"""Each known shape is recognised in a recorded text, and told with advice that can be followed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci.errors import InfraError, ProductError
from ci.obs.explain import as_error, explain, shapes
from ci.obs.results import PackageState

DATA = Path(__file__).parents[1] / "data" / "obs"
RECORDED = sorted((DATA / "shapes").glob("*.txt"))


def state(code: str, details: str = "") -> PackageState:
    return PackageState(
        project="Virt:Stage",
        repository="sle12",
        arch="x86_64",
        package="libvirt",
        code=code,
        details=details,
    )


def shape_of(path: Path) -> str:
    return re.sub(r"-\d+$", "", path.stem)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_text_is_recognised(path: Path) -> None:
    code, _, body = path.read_text().partition("\n")
    log = body if code == "failed" else ""
    told = explain(state(code, "" if log else body.strip()), log)
    assert told.shape == shape_of(path), told
    assert "{" not in " ".join((told.what, told.cause, *told.do))
    assert told.cause
    if log:
        assert told.line > 0
        assert told.evidence


def test_every_shape_has_a_recorded_text() -> None:
    assert {s.id for s in shapes()} <= {shape_of(path) for path in RECORDED}
    assert len(shapes()) >= 25


def test_the_missing_librados_of_2012_is_told_with_who_needs_it() -> None:
    told = explain(
        state("unresolvable", "nothing provides librados.so.2()(64bit) needed by libvirt")
    )
    assert "nothing provides librados.so.2()(64bit)" in told.what
    assert told.what.startswith("libvirt, which the build needs")
    assert told.do[0] == "find who should provide it: osc search --binary 'librados.so.2()(64bit)'"


def test_advice_leaves_out_the_version_of_a_requirement() -> None:
    told = explain(state("unresolvable", "nothing provides libnosuch-devel >= 3.1"))
    assert told.do[0] == "find the package: osc search --binary 'libnosuch-devel'"


def test_a_failed_log_names_phase_and_line() -> None:
    told = explain(state("failed"), (DATA / "buildlog_failed.txt").read_text())
    assert (told.shape, told.phase) == ("compile-error", "%build")
    line = (DATA / "buildlog_failed.txt").read_text().splitlines()[told.line - 1]
    assert "fatal error: nosuch.c" in line


def test_a_spec_error_names_its_line() -> None:
    told = explain(state("failed"), (DATA / "buildlog_specerror.txt").read_text())
    assert told.shape == "spec-syntax"
    assert "line 6: Unclosed %if" in told.what


def test_an_unknown_failure_shows_the_telling_lines_and_says_so() -> None:
    log = "Executing(%build): /bin/sh\nfrobnicating\nERROR: the frob is gone\n"
    told = explain(state("failed"), log + "error: Bad exit status from /var/tmp/x (%build)\n")
    assert told.shape == "unknown"
    assert told.what == "the build failed in %build"
    assert "3: ERROR: the frob is gone" in told.evidence


def test_an_unknown_code_is_told_as_it_is() -> None:
    told = explain(state("levitating", "slowly"))
    assert told.what == "the build service calls it 'levitating': slowly"


def test_the_product_is_to_blame_for_code_and_the_lab_for_repositories() -> None:
    log = (DATA / "buildlog_failed.txt").read_text()
    assert isinstance(as_error(explain(state("failed"), log), ""), ProductError)
    gone = explain(state("unresolvable", "missing pre/vminstalls: glibc"))
    assert isinstance(as_error(gone, ""), InfraError)


def test_what_a_traced_command_mentions_has_not_happened() -> None:
    log = "Executing(%build): /bin/sh\n+ echo 'No space left on device'\nok\nfrob stopped\n"
    assert explain(state("failed"), log).shape == "unknown"


def test_an_unknown_failure_shows_what_was_said_before_rpmbuild_gave_up() -> None:
    log = (DATA / "shapes/unknown.txt").read_text().partition("\n")[2]
    told = explain(state("failed"), log)
    assert any("frobbing" in line for line in told.evidence)
    assert any("Bad exit status" in line for line in told.evidence)


def test_a_failing_test_of_meson_is_named_and_all_are_shown() -> None:
    log = (DATA / "shapes" / "tests-failed-2.txt").read_text().partition("\n")[2]
    told = explain(state("failed"), log)
    assert "qemuxmlconftest FAIL" in told.what
    shown = "\n".join(told.evidence)
    assert "virschematest       FAIL            0.02s   killed by signal 11 SIGSEGV" in shown
    assert "commandtest         TIMEOUT" in shown


def test_a_test_that_only_ran_out_of_time_is_named() -> None:
    log = (DATA / "shapes" / "tests-failed-3.txt").read_text().partition("\n")[2]
    assert "commandtest    TIMEOUT" in explain(state("failed"), log).what
