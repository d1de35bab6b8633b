"""A run says which built files are others than before."""

from __future__ import annotations

from pathlib import Path

from ci.model import Build, BuildId, Rpm
from ci.report.before import change_since_before
from ci.report.loading import load
from ci.report.results import RunHeader
from ci.run import Run, Step
from tests.clock import FakeClock


def build(driver: str, name: str = "libvirt-minimal") -> Build:
    files = {"/usr/sbin/libvirtd": "aa", "/usr/lib/libvirt_driver_libxl.so": driver}
    rpm = Rpm(
        name=name,
        epoch=0,
        version="9",
        release="1",
        arch="x86_64",
        path="x",
        sha256=driver,
        build_ids=tuple(BuildId(path=path, build_id=text) for path, text in files.items()),
    )
    return Build(kind="rpmbuild", revision="r", rpms=(rpm,))


def a_run(folder: Path, built: Build) -> None:
    def make(step: Step) -> Build:
        return built

    run = Run(folder, clock=FakeClock())
    run.note("run", folder.name, RunHeader(plan="p", plan_digest="d", virtci="v"))
    run.step("build", Build, make)
    run.close()


def sentence(folder: Path) -> str | None:
    change = change_since_before(load(folder))
    return change.sentence() if change else None


def test_one_changed_module_is_named(tmp_path: Path) -> None:
    a_run(tmp_path / "r1", build("bb"))
    a_run(tmp_path / "r2", build("cc"))
    assert sentence(tmp_path / "r2") == (
        "of 2 built files only libvirt_driver_libxl.so is another than in r1"
    )


def test_the_same_build_is_said_to_be_the_same(tmp_path: Path) -> None:
    a_run(tmp_path / "r1", build("bb"))
    a_run(tmp_path / "r2", build("bb"))
    assert sentence(tmp_path / "r2") == "all 2 built files are those of r1"


def test_only_an_earlier_run_of_the_same_packages_is_compared_with(tmp_path: Path) -> None:
    a_run(tmp_path / "r1", build("bb", name="xen"))
    a_run(tmp_path / "r2", build("cc"))
    a_run(tmp_path / "r3", build("dd"))
    assert sentence(tmp_path / "r2") is None


def test_a_damaged_earlier_run_is_passed_over(tmp_path: Path) -> None:
    a_run(tmp_path / "r1", build("bb"))
    (tmp_path / "r2").mkdir()
    (tmp_path / "r2" / "journal.jsonl").write_text("rubbish\n")
    a_run(tmp_path / "r3", build("cc"))
    assert "only libvirt_driver_libxl.so" in (sentence(tmp_path / "r3") or "")
