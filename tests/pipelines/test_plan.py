"""Plans: read once, strictly, with changes from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.build.prebuilt import PrebuiltBuilder
from ci.errors import UsageError
from ci.launch.stress import StressSuite
from ci.pipelines.decided import decided
from ci.pipelines.plan import LoadedPlan, Plan, load_plan, reload_plan
from ci.sources.git import GitSource

PLAN = """\
[source]
kind = "git"
url = "https://example.org/libvirt.git"
ref = "v9.0.0"

[build]
kind = "rpmbuild"
spec = "libvirt.spec"

[[hosts]]
kind = "nested"
name = "xen1"

[[suites]]
kind = "stress"
loops = 842

[[suites]]
kind = "tck"
areas = ["connection"]
"""


def loaded(folder: Path, text: str = PLAN, *changes: str) -> LoadedPlan:
    path = folder / "plan.toml"
    path.write_text(text)
    return load_plan(path, changes)


def complaint(folder: Path, text: str, *changes: str) -> str:
    with pytest.raises(UsageError) as caught:
        loaded(folder, text, *changes)
    return caught.value.message.replace(str(folder), "")


def test_a_plan_is_decoded_into_its_kinds(tmp_path: Path) -> None:
    plan = loaded(tmp_path).plan
    assert isinstance(plan.source, GitSource)
    assert plan.source.ref == "v9.0.0"
    assert [suite.name for suite in plan.suites] == ["stress", "tck"]


def test_paths_are_relative_to_the_plan(tmp_path: Path) -> None:
    text = '[build]\nkind="prebuilt"\nrpms=["out"]\n[[hosts]]\nkind="nested"\n'
    build = loaded(tmp_path, text).plan.build
    assert isinstance(build, PrebuiltBuilder)
    assert build.rpms == (str(tmp_path / "out"),)


def test_a_change_on_the_command_line_wins(tmp_path: Path) -> None:
    plan = loaded(tmp_path, PLAN, "source.ref=main", "suites[0].loops=7", "hosts.0.name=xen2").plan
    assert isinstance(plan.source, GitSource)
    assert plan.source.ref == "main"
    assert plan.hosts[0].name == "xen2"
    assert decided_text(plan_of=plan).count("7 times") == 1


def decided_text(plan_of: Plan) -> str:
    return "\n".join(decided(plan_of, "suites"))


def test_the_decided_steps_name_every_stage(tmp_path: Path) -> None:
    text = decided_text(loaded(tmp_path).plan)
    for name in ("source", "build", "hosts/xen1", "deploy/xen1", "suites/xen1/tck"):
        assert any(line.startswith(name) for line in text.splitlines()), name
    assert not any(line.startswith("deploy") for line in decided(loaded(tmp_path).plan, "build"))


def test_another_plan_has_another_digest(tmp_path: Path) -> None:
    assert loaded(tmp_path).digest == loaded(tmp_path).digest
    assert loaded(tmp_path).digest != loaded(tmp_path, PLAN, "suites[0].loops=7").digest


def test_a_plan_is_read_again_from_its_text(tmp_path: Path) -> None:
    first = loaded(tmp_path, PLAN, "suites[0].loops=7")
    (tmp_path / "plan.toml").unlink()
    assert reload_plan(first.path, first.text, first.changes) == first


WRONG: tuple[tuple[tuple[str, str], str], ...] = (
    (("loops", "lops"), ':16: suites[0].lops: unknown key; did you mean "loops"?'),
    (('"git"', '"gti"'), ':2: source.kind: "gti" is no kind known here; did you mean "git"?'),
    (("842", '"many"'), ":16: suites[0].loops: expected a whole number, not a string"),
    (("842", "0"), ":16: suites[0].loops: expected a whole number >= 1"),
    (("[[hosts]]", "[[hots]]"), ':10: hots: unknown key; did you mean "hosts"?'),
    ((PLAN, "[report]\n"), ':1: the whole file: the key "hosts" is missing'),
    ((PLAN, "hosts = []\n"), ": hosts: a plan needs at least one [[hosts]]"),
    (('"tck"', '"tck"\nname = "stress"'), ': suites: two are named "stress"'),
    (('"xen1"', '"../x"'), ': hosts: the name "../x" is not usable as a folder name'),
    (
        ('kind = "nested"', 'kind = "local"'),
        ': hosts: "xen1" is of kind local, on which nothing is installed, but there is a [build]',
    ),
    ((PLAN[: PLAN.index("[build]")], ""), ": build: this kind needs a [source]"),
)


@pytest.mark.parametrize(("change", "expected"), WRONG)
def test_a_wrong_plan_is_one_sentence(
    tmp_path: Path, change: tuple[str, str], expected: str
) -> None:
    assert complaint(tmp_path, PLAN.replace(*change)) == f"/plan.toml{expected}"


def test_an_area_that_does_not_exist_is_the_plans_fault_and_told_before_anything_runs(
    tmp_path: Path,
) -> None:
    text = '[[hosts]]\nkind="local"\n\n[[suites]]\nkind="tck"\nareas=["connection","domain"]\n'
    said = complaint(tmp_path, text)
    assert 'there is no area "domain"; known: ' in said
    assert "/plan.toml:" in said


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ('scenario="lifecicle"', ':4: suites[0]: there is no scenario "lifecicle"; known: '),
        ('knobs=["stal"]', ':4: suites[0]: there is no knob "stal" ('),
        ('knobs=["stall", "jitter"]', ":4: suites[0]: the knobs stall and jitter cannot be on"),
        ('amplify="soon"', ':4: suites[0]: "soon" is no time'),
        ('scenario="mine.toml"', 'the scenario "mine.toml": there is no file '),
        ('scenario="mine.py:storm"', 'the scenario "mine.py:storm": there is no file '),
    ],
)
def test_what_a_loop_cannot_do_is_told_before_anything_runs(
    tmp_path: Path, key: str, expected: str
) -> None:
    text = f'[[hosts]]\nkind="local"\n\n[[suites]]\nkind="stress"\n{key}\n'
    assert expected in complaint(tmp_path, text)


@pytest.mark.parametrize("function", ["", ":storm"])
def test_a_scenario_of_ones_own_lies_beside_the_plan(tmp_path: Path, function: str) -> None:
    name = "mine.py" if function else "mine.toml"
    (tmp_path / name).write_text("")
    text = f'[[hosts]]\nkind="local"\n[[suites]]\nkind="stress"\nscenario="{name}{function}"\n'
    suite = loaded(tmp_path, text).plan.suites[0]
    assert isinstance(suite, StressSuite)
    assert suite.scenario == f"{tmp_path / name}{function}"


@pytest.mark.parametrize("change", ["loops", "=3", "suites[9].loops=1", "hosts.name=x"])
def test_a_wrong_change_names_itself(tmp_path: Path, change: str) -> None:
    assert f'--set "{change}"' in complaint(tmp_path, PLAN, change)
