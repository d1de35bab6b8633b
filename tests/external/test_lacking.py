"""What a host lacks is no failure of the product; what libvirt-tck itself gets wrong is waived."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from ci.model import Outcome
from suites.external import libvirt_tck
from suites.external.lacking import judge
from suites.external.tap import parse
from suites.tck.baseline import known_for, waive

LOG = "2026-11-28 20:35:07.106+0000: 31514: "
CGROUPS = f"""\
1..4
ok 1 - created
{LOG}info : libvirt version: 9.0.0
{LOG}error : virNetClientProgramDispatchError:172 : cgroup cpuset controller is not mounted
not ok 2 - set_numa_parameters
#   Failed test 'set_numa_parameters'
not ok 3 - Check nodeset
#   Failed test 'Check nodeset'
ok 4 - undefined
"""


def test_libvirt_s_error_is_told_with_the_failure() -> None:
    failure = parse("a.t", CGROUPS, 1)[1]
    assert failure.message == (
        "Failed test 'set_numa_parameters': cgroup cpuset controller is not mounted"
    )


def test_what_the_host_lacks_and_what_follows_is_skipped_with_the_reason() -> None:
    one, two, three, four = judge(parse("a.t", CGROUPS, 1))
    assert one.outcome is Outcome.PASSED
    assert two.outcome is Outcome.SKIPPED
    assert two.message.startswith("this host has no control groups for libvirt: Failed test")
    assert (three.outcome, three.message) == (
        Outcome.SKIPPED,
        "follows: this host has no control groups for libvirt",
    )
    assert four.outcome is Outcome.PASSED


def test_an_error_before_an_earlier_result_is_not_blamed() -> None:
    output = f"1..2\n{LOG}error : virX:1 : cgroup x is not mounted\nok 1\nnot ok 2 - y\n"
    assert judge(parse("a.t", output, 1))[1].outcome is Outcome.FAILED


def test_a_failure_of_the_product_stays_one() -> None:
    output = f"1..1\n{LOG}error : virX:1 : internal error: oops\nnot ok 1 - y\n"
    (finding,) = judge(parse("a.t", output, 1))
    assert (finding.outcome, finding.message) == (
        Outcome.FAILED,
        "not ok: internal error: oops",
    )


@pytest.mark.parametrize(
    ("says", "lacks"),
    [
        ("cannot find any supported image configuration at TCK.pm line 823.", "whole guest"),
        ("failed on reload daemon at Hooks.pm line 261.", "service manager"),
        ("cannot read PID /var/run/libvirt/qemu/tck.pid: No such file", "run folder of its own"),
    ],
)
def test_a_script_that_died_for_want_of_something_is_skipped(says: str, lacks: str) -> None:
    (finding,) = judge(parse("a.t", f"1..5\n{says}\n", 255))
    assert finding.outcome is Outcome.SKIPPED
    assert lacks in finding.message


def test_a_program_that_is_not_installed_is_named() -> None:
    output = "1..1\n< ./x.sh: 1: eval: gawk: not found\nnot ok 1 - ip -o addr | gawk '{print $4}'\n"
    (finding,) = judge(parse("a.t", output, 0))
    assert finding.outcome is Outcome.SKIPPED
    assert finding.message.startswith("this host has no program that the script calls: ")
    assert finding.message.endswith("gawk: not found")


def test_libvirt_tck_s_own_defect_is_waived_with_its_reason() -> None:
    output = "1..6\n" + "".join(f"ok {n}\n" for n in range(1, 6))
    *_, whole = parse("domain/120-disks-stats.t", output, 255)
    known = known_for("libvirt-tck", Path(libvirt_tck.__file__).parent / "baselines")
    judged = waive(whole.case("libvirt-tck", "h"), known, datetime.date(2027, 1, 1))
    assert judged.outcome is Outcome.WAIVED
    assert "libvirt-tck's own" in judged.message


@pytest.mark.parametrize(("first", "program"), [("#!/bin/sh", "sh"), ("#!/usr/bin/perl", "perl")])
def test_a_script_is_run_by_what_it_is_written_for(
    tmp_path: Path, first: str, program: str
) -> None:
    script = tmp_path / "a.t"
    script.write_text(f"{first}\n")
    checkout = libvirt_tck.Checkout(tmp_path, tmp_path / "lib")
    assert checkout.argv(script) == (program, str(script))
    errors = "LIBVIRT_LOG_OUTPUTS" in checkout.environment(script, tmp_path / "c.yml")
    assert errors is (program == "perl")


def test_a_whole_guest_is_configured_only_when_it_is_named(tmp_path: Path) -> None:
    config = libvirt_tck.write_config(tmp_path, "test:///default", "/k", "/i")
    assert "images: []" in config.read_text()
    config = libvirt_tck.write_config(tmp_path, "test:///default", "/k", "/i", image="fedora-41")
    assert "osname: fedora-41" in config.read_text()


def test_a_second_host_is_configured_only_when_it_is_named(tmp_path: Path) -> None:
    config = libvirt_tck.write_config(tmp_path, "test:///default", "/k", "/i")
    assert "otheruri" not in config.read_text()
    config = libvirt_tck.write_config(tmp_path, "xen:///", "/k", "/i", destination="xen+ssh://b/")
    assert config.read_text().startswith('uri: "xen:///"\notheruri: "xen+ssh://b/"\n')
