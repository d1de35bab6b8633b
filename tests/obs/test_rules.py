"""The watch file is decoded strictly and says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.obs.notices import Notice
from ci.obs.rules import Rule, RunPlan, claim_id, filled, load_watch

WATCH = """\
apiurl = "https://api.example.org"
state = "state"
[bus]
url = "amqps://user@bus.example.org"
password_env = "BUS_PASSWORD"
[[rules]]
project = "Virt:*"
package = "libvirt"
[rules.start]
kind = "plan"
plan = "demo.toml"
changes = ["build.rev={rev}"]
"""
NOTICE = Notice(
    kind="package.build_success",
    project="Virt:Stage",
    package="libvirt",
    repository="sle12",
    arch="x86_64",
    rev="7",
    versrel="1.2.5-7",
    bcnt="2",
)


def written(folder: Path, text: str) -> Path:
    (folder / "demo.toml").write_text("")
    path = folder / "watch.toml"
    path.write_text(text)
    return path


def test_a_watch_file_is_read_and_its_paths_lie_beside_it(tmp_path: Path) -> None:
    watch = load_watch(written(tmp_path, WATCH))
    start = watch.rules[0].start
    assert isinstance(start, RunPlan)
    assert start.plan == str(tmp_path / "demo.toml")
    assert watch.state == str(tmp_path / "state")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("package =", "pakage =", 'did you mean "package"'),
        ("{rev}", "{revision}", "no such field: revision"),
        ("user@", "user:secret@", "password_env"),
        ('plan = "demo.toml"', 'plan = "gone.toml"', "there is no plan"),
        ('kind = "plan"', 'kind = "plam"', "plam"),
        ("amqps:", "https:", "url"),
    ],
)
def test_a_mistake_is_met_with_one_sentence(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_watch(written(tmp_path, WATCH.replace(before, after, 1)))
    assert said in caught.value.message
    assert "watch.toml" in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("rule", "takes"),
    [
        (Rule(project="Virt:*", start=RunPlan(plan="x")), True),
        (Rule(project="Virt:*", package="lib*", arch="x86_*", start=RunPlan(plan="x")), True),
        (Rule(project="Virt", start=RunPlan(plan="x")), False),
        (Rule(project="*", kinds=("package.build_fail",), start=RunPlan(plan="x")), False),
        (Rule(project="*", kinds=("package.*",), start=RunPlan(plan="x")), True),
        (Rule(project="*", repository="sle15", start=RunPlan(plan="x")), False),
    ],
)
def test_rules_are_globs(rule: Rule, takes: bool) -> None:  # noqa: FBT001 - a table
    assert rule.takes(NOTICE) is takes


def test_fields_are_filled_in() -> None:
    text = filled("{project}/{package}@{rev} {versrel}.{bcnt} {id}", NOTICE, "obs-1")
    assert text == "Virt:Stage/libvirt@7 1.2.5-7.2 obs-1"


def test_a_claim_is_named_after_the_build_and_fit_for_a_folder() -> None:
    name = claim_id(Rule(project="*", start=RunPlan(plan="x")), NOTICE)
    assert name.startswith("obs-libvirt-1.2.5-7.2-")
    assert "/" not in name
