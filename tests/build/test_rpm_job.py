"""What the builder asks of rpm, with prepared answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.build.rpmbuild import RpmbuildBuilder
from ci.codec import decode
from ci.errors import InfraError, UsageError
from tests.build.hello import hello_tree
from tests.build.scripted import ScriptedShell, step_in

EXPANDED = "Name: hello\nVersion: 1.0\nSource0: hello-1.0.tar.gz\n%description\n"


def test_on_an_rpm_machine_rpmbuild_itself_checks_the_requirements(tmp_path: Path) -> None:
    said = "error: Failed build dependencies:\n\tfoo-devel is needed by hello-1.0-3.x86_64\n"
    shell = ScriptedShell(
        {
            "rpmspec -P": (0, EXPANDED),
            "rpm -q rpm": (0, "rpm-4.20"),
            "rpm -qa": (0, "rpm-4.20"),
            "rpm --showrc": (0, ""),
            "rpmbuild": (11, said),
        }
    )
    tree = hello_tree(tmp_path / "tree")
    with pytest.raises(InfraError, match="lacks") as caught:
        RpmbuildBuilder().make(step_in(tmp_path / "run", shell), tree)
    assert "foo-devel is needed by" in caught.value.detail
    assert "--nodeps" not in shell.calls[-1]


def test_a_machine_without_rpmbuild_is_told_how_to_get_it(tmp_path: Path) -> None:
    shell = ScriptedShell({"rpmspec": (127, "")})
    with pytest.raises(InfraError, match="rpmspec is not installed") as caught:
        RpmbuildBuilder().make(step_in(tmp_path / "run", shell), hello_tree(tmp_path / "tree"))
    assert "apt-get install rpm" in caught.value.hint


def test_a_folder_that_rpm_cannot_work_in_is_refused(tmp_path: Path) -> None:
    step = step_in(tmp_path / "my runs", ScriptedShell({}))
    with pytest.raises(UsageError, match="rpm cannot build in"):
        RpmbuildBuilder().make(step, hello_tree(tmp_path / "tree"))


def test_a_missing_spec_is_told_with_both_places(tmp_path: Path) -> None:
    step = step_in(tmp_path / "run", ScriptedShell({}))
    with pytest.raises(UsageError, match="neither beside the plan nor in the tree"):
        RpmbuildBuilder(spec="no.spec").make(step, hello_tree(tmp_path / "tree"))


def test_several_specs_have_to_be_told_apart(tmp_path: Path) -> None:
    tree = hello_tree(tmp_path / "tree")
    (tmp_path / "tree" / "other.spec").write_text("")
    with pytest.raises(UsageError, match=r"hello\.spec, other\.spec"):
        RpmbuildBuilder().make(step_in(tmp_path / "run", ScriptedShell({})), tree)


def test_a_changed_spec_beside_the_plan_makes_another_record(tmp_path: Path) -> None:
    (tmp_path / "x.spec").write_text("Name: x\n")
    before = RpmbuildBuilder(spec="x.spec").located(tmp_path)
    (tmp_path / "x.spec").write_text("Name: y\n")
    assert RpmbuildBuilder(spec="x.spec").located(tmp_path) != before


@pytest.mark.parametrize(
    "options",
    [
        {"with": ["--evil"]},
        {"without": ["a b"]},
        {"defines": {"a-b c": "1"}},
        {"jobs": -1},
        {"dist": "make dist"},
    ],
)
def test_options_that_would_reach_rpmbuild_as_something_else_are_refused(
    options: dict[str, object],
) -> None:
    with pytest.raises(UsageError):
        decode({"kind": "rpmbuild", **options}, RpmbuildBuilder, source="plan")
