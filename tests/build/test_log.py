"""Telling lines of recorded build logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.build.log import MOST_LINES, diagnose

DATA = Path(__file__).parent.parent / "data" / "build"


@pytest.mark.parametrize(
    ("name", "section", "cause"),
    [
        ("obs-compile-error", "%build", "cc1: fatal error: nosuch.c: No such file or directory"),
        ("obs-spec-error", "", "error: line 6: Unclosed %if"),
        ("missing-requires", "", "libxml2-devel is needed by hello-1.0-1.x86_64"),
    ],
)
def test_the_cause_of_a_recorded_failure_is_found(name: str, section: str, cause: str) -> None:
    found = diagnose((DATA / f"{name}.txt").read_text())
    assert (found.section, found.cause, found.lab) == (section, cause, "")


@pytest.mark.parametrize(
    ("line", "noise"),
    [
        ('../meson.build:9:3: ERROR: Dependency "xenlight" not found', "ninja: build stopped."),
        ("configure: error: no acceptable C compiler found", "make: *** [all] Error 1"),
        ("src/a.c:10:5: error: expected ';'", "make[2]: *** [a.o] Error 1"),
        ("a.c:(.text+0x5): undefined reference to `f'", "collect2: error: ld returned 1"),
        ("1 out of 2 hunks FAILED -- saving rejects", "patching file a.c"),
        (" 3/9 virhosttest FAIL 0.1s", "make: *** [check] Error 1"),
        ("/var/tmp/rpm-tmp.x: line 3: autoreconf: command not found", "RPM build errors:"),
        ("FAILED: src/libvirt.so", "ninja: build stopped: subcommand failed."),
    ],
)
def test_the_cause_stands_out_among_its_consequences(line: str, noise: str) -> None:
    log = f"ok\n{noise}\n{line}\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n"
    assert diagnose(log).cause == line.strip()


@pytest.mark.parametrize(
    "line",
    [
        "cc1: error: write /tmp/ccX.s: No space left on device",
        "gcc: fatal error: Killed signal terminated program cc1",
        "virtual memory exhausted: Cannot allocate memory",
    ],
)
def test_what_the_machine_lacks_goes_before_errors_of_the_code(line: str) -> None:
    assert diagnose(f"a.c:1:1: error: bad\n{line}\n").lab


def test_a_command_that_is_merely_shown_is_no_cause() -> None:
    log = "+ echo fatal error: No space left on device\na.c:1:1: error: bad\n"
    assert diagnose(log).cause == "a.c:1:1: error: bad"


def test_a_flood_of_errors_is_cut() -> None:
    log = "\n".join(f"a.c:{n}:1: error: bad {n}" for n in range(10_000))
    assert len(diagnose(log).lines) == MOST_LINES


@pytest.mark.parametrize("log", ["", "\n\n", "\x00\xff", "[    1s] "])
def test_a_log_that_says_nothing_is_met(log: str) -> None:
    assert diagnose(log).cause
