"""Evidence becomes reports: real cores with and without packages, journals, consoles, logs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.crash import explain
from ci.crash.core import is_core
from ci.crash.debuginfo import modules_of
from ci.crash.files import crashes_in
from ci.crash.signature import signature
from ci.deadline import Deadline
from ci.elf import build_id as elf_build_id
from ci.model import Build
from ci.rpmfile import read_package
from ci.shell import LocalShell
from tests.crash.crashing import build_daemon, core_of
from tests.crash.samples import DATA
from tests.crash.test_console import XEN_ASSERT
from tests.crash.test_log import OLD as LOG
from tests.deploy.small_rpms import make_rpm

AS_IT_IS = """\
%global __os_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
AutoReqProv: no"""
NULL = "virtdaemon: SIGSEGV in name_hash < list_remove < domain_destroy_flags"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short one: a core keeps 79 characters of the command line."""
    with tempfile.TemporaryDirectory(prefix="virtci-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_daemon(tmp_path_factory.mktemp("daemon"))


@pytest.mark.real
def test_a_real_core_is_read_named_and_its_stack_is_kept(daemon: Path, tmp_path: Path) -> None:
    core = core_of(daemon, "null", tmp_path / "var-crash")
    reports = explain(tmp_path, None, Deadline.after(120))
    assert [report.signature for report in reports] == [NULL]
    assert reports[0].files == (str(core.relative_to(tmp_path)),)
    assert "list_remove" in (tmp_path / reports[0].backtrace).read_text()
    assert reports[0].missing == ()


@pytest.mark.real
def test_two_cores_of_one_bug_are_one_report_and_another_bug_another(
    daemon: Path, tmp_path: Path
) -> None:
    for number, bug in enumerate(("fd", "fd", "null")):
        core_of(daemon, bug, tmp_path / str(number))
    reports = explain(tmp_path, None, Deadline.after(120))
    assert [(report.signature, len(report.files)) for report in reports] == [
        ("virtdaemon: assert fd == w->fd in watch_domain", 2),
        (NULL, 1),
    ]


@pytest.mark.real
def test_a_program_that_was_built_again_is_not_taken_for_the_one_that_died(
    daemon: Path, tmp_path: Path
) -> None:
    program = tmp_path / "virtdaemon"
    shutil.copy(daemon, program)
    core = core_of(program, "null", tmp_path / "crash")
    assert any(
        one.path == str(program) for one in modules_of(core, LocalShell(), Deadline.after(60))
    )
    shutil.copy("/bin/true", program)
    (report,) = explain(tmp_path / "crash", None, Deadline.after(120))
    assert str(program) in report.missing
    assert report.signature.startswith("virtdaemon: SIGSEGV in unknown code")


@pytest.mark.real
@pytest.mark.parametrize("program", ["gzip", "zstd", "xz", "lz4"])
def test_a_packed_core_is_read(daemon: Path, tmp_path: Path, program: str) -> None:
    core = core_of(daemon, "fd", tmp_path)
    assert shutil.which(program), f"apt-get install {program.replace('xz', 'xz-utils')}"
    into = (f"{core}.lz4",) if program == "lz4" else ()
    done = LocalShell().run((program, "-1", "-q", "-f", str(core), *into), Deadline.after(60))
    assert done.ok, done.tail()
    core.unlink(missing_ok=True)
    (report,) = explain(tmp_path, None, Deadline.after(120))
    assert report.signature == "virtdaemon: assert fd == w->fd in watch_domain"


@pytest.mark.real
def test_a_core_is_read_with_the_files_and_debug_information_of_its_packages(
    daemon: Path, tmp_path: Path
) -> None:
    """The program is gone from this machine; a package has it, another its debug information."""
    shell, deadline = LocalShell(), Deadline.after(120)
    program = tmp_path / "opt" / "virtdaemon"
    program.parent.mkdir()
    shutil.copy(daemon, program)
    debug = tmp_path / "virtdaemon.debug"
    for argv in (
        ("objcopy", "--only-keep-debug", str(program), str(debug)),
        ("objcopy", "--strip-all", str(program)),
    ):
        assert shell.run(argv, deadline).ok, "apt-get install binutils"
    build_id = elf_build_id(program.read_bytes()[:4096])
    by_id = f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
    packages = {"virtdaemon": (program, program), "virtdaemon-debuginfo": (Path(by_id), debug)}
    made = [
        make_rpm(
            tmp_path, name, arch="x86_64", more=AS_IT_IS, files={str(place): file.read_bytes()}
        )
        for name, (place, file) in packages.items()
    ]
    core_of(program, "null", tmp_path / "evidence")
    program.unlink()
    rpms = tuple(read_package(shell, path, deadline) for path in made)
    (without,) = explain(tmp_path / "evidence", None, deadline)
    assert str(program) in without.missing
    build = Build(kind="prebuilt", revision="1", rpms=rpms)
    (report,) = explain(tmp_path / "evidence", build, deadline)
    assert (report.signature, report.missing) == (NULL, ())


@pytest.mark.real
def test_a_damaged_core_becomes_a_report_that_says_so(daemon: Path, tmp_path: Path) -> None:
    core = core_of(daemon, "null", tmp_path)
    core.write_bytes(core.read_bytes()[:3000])
    assert is_core(core)
    (report,) = explain(tmp_path, None, Deadline.after(120))
    assert report.signature == f"unread core {core.name}"
    assert "gdb finds no stack" in report.trouble


@pytest.mark.real
def test_a_core_can_be_given_to_the_command(daemon: Path, tmp_path: Path) -> None:
    core = core_of(daemon, "null", tmp_path)
    (found,) = crashes_in(core, LocalShell(), Deadline.after(120))
    assert signature(found.trace) == NULL


def test_journals_consoles_and_logs_are_read(tmp_path: Path) -> None:
    shutil.copy(DATA / "shapes" / "journal.txt", tmp_path / "journal.txt")
    (tmp_path / "xl-dmesg.txt").write_text(XEN_ASSERT)
    logs = tmp_path / "var-log-libvirt"
    logs.mkdir()
    shutil.copy(LOG, logs / "libvirtd.log")
    reports = explain(tmp_path, None, Deadline.after(60))
    assert [report.signature for report in reports] == [
        "libvirtd: assert !r in libxl__ctx_lock",
        "xen: assert spin_is_locked(&d->event_lock) in evtchn_close",
    ]
    assert reports[0].errors == (
        "1x internal error libxenlight failed to create new domain 'sles11_sp2_pv'",
    )


def test_a_host_without_crashes_has_none(tmp_path: Path) -> None:
    (tmp_path / "dmesg.txt").write_text("[    0.0] Linux version 6.1\n")
    assert explain(tmp_path, None, Deadline.after(60)) == ()
