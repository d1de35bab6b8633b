"""What a plan wants done with its results, on real runs: history, gate, notifications."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.__main__ import main
from ci.history.database import opened
from ci.history.queries import recent_runs
from tests.notify.sinks import http_sink

PLAN = """
[[hosts]]
kind = "local"
uri = "test:///default"

[[suites]]
kind = "tap"
commands = ["cat result.tap"]

[report]
"""
GOOD, BAD = "1..1\nok 1 - saves\n", "1..1\nnot ok 1 - saves\n# wrong state\n"
RECIPIENTS = '[[recipients]]\nname = "team"\nurl_env = "TEAM_URL"\n'
NO_NEW = '[[require]]\nkind = "no-new-signature"\n'
PROVEN = '[[require]]\nkind = "proven"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTCI_HISTORY", f"sqlite:///{tmp_path}/h.sqlite")
    (tmp_path / "to.toml").write_text(RECIPIENTS)
    (tmp_path / "policy.toml").write_text(NO_NEW)
    (tmp_path / "proven.toml").write_text(PROVEN)
    return tmp_path


def run(folder: Path, report: str, result: str, *words: str) -> int:
    (folder / "plan.toml").write_text(PLAN + report)
    (folder / "result.tap").write_text(result)
    with pytest.raises(SystemExit) as ended:
        main(["run", *(words or ("plan.toml",))])
    return int(ended.value.code or 0)


def in_history(folder: Path) -> list[str]:
    with opened(f"sqlite:///{folder}/h.sqlite") as history, history.reading() as connection:
        return [one.outcome for one in recent_runs(connection)]


def test_a_run_goes_into_the_history_and_people_hear_once_of_it_also_after_a_resume(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = 'notify = "to.toml"\ngate = "policy.toml"\n'
    with http_sink() as (port, got):
        monkeypatch.setenv("TEAM_URL", f"json://127.0.0.1:{port}/")
        assert run(folder, report, GOOD) == 0
        assert got == []
        assert run(folder, report, BAD) == 1
        assert run(folder, report, BAD, "--resume", "last") == 1
    assert [one["title"] for one in got] == ["virtci: plan broke"]
    assert in_history(folder) == ["failed", "passed"]


def test_a_gate_that_is_not_shown_never_passes_a_good_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, 'gate = "proven.toml"\n', GOOD) == 3
    said = capsys.readouterr().out
    assert "PASSED" in said
    assert "INCONCLUSIVE" in said
    assert "nothing was deployed" in said


def test_a_gate_does_not_make_a_bad_run_good(folder: Path) -> None:
    waiver = '[[waivers]]\ntest = "*"\nowner = "qa"\nuntil = 2999-01-01\nreason = "known"\n'
    (folder / "policy.toml").write_text(NO_NEW + waiver)
    assert run(folder, 'gate = "policy.toml"\n', BAD) == 1


@pytest.mark.parametrize(
    ("report", "text", "said"),
    [
        ('gate = "none.toml"\n', "", "none.toml"),
        ('gate = "policy.toml"\n', '[[require]]\nkind = "parety"\n', "policy.toml:2"),
        ('notify = "to.toml"\n', '[[recipients]]\nname = "a"\n', "url_env"),
    ],
)
def test_a_wrong_file_is_told_before_anything_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str], report: str, text: str, said: str
) -> None:
    for name in ("policy.toml", "to.toml"):
        (folder / name).write_text(text)
    assert run(folder, report, GOOD) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "runs").exists()


def test_a_dead_database_and_a_dead_service_are_the_labs_and_change_no_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIRTCI_HISTORY", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("TEAM_URL", "json://127.0.0.1:1/")
    report = 'notify = "to.toml"\ngate = "policy.toml"\n'
    assert run(folder, report, GOOD) == 0
    assert run(folder, report, BAD) == 1
    said = capsys.readouterr().out
    assert "LAB history: the history" in said
    assert "LAB gate: judged without the history" in said
    assert "LAB notify: not everybody was told" in said


@pytest.mark.parametrize("words", [("--until", "hosts"), ("--shard", "1/2")])
def test_a_part_of_a_run_is_told_to_nobody(folder: Path, words: tuple[str, ...]) -> None:
    assert run(folder, 'gate = "proven.toml"\n', GOOD, "plan.toml", *words) == 0
    assert in_history(folder) == []


def test_a_plan_can_keep_its_runs_out_of_the_history(folder: Path) -> None:
    assert run(folder, "history = false\n", GOOD) == 0
    assert in_history(folder) == []
