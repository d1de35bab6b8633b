"""The commands as they are typed: exit codes, and the sentences that people act on."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ci.__main__ import main
from ci.model import Outcome
from ci.report import junit
from tests.made_runs import DAY, START, case, commit, iterations, make_run

FAILED = Outcome.FAILED


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs of one plan; a/x broke in the second."""
    monkeypatch.setenv("VIRTCI_HISTORY", f"sqlite:///{tmp_path}/h.sqlite")
    monkeypatch.setenv("COLUMNS", "200")
    for n in range(3):
        one = case("a/x", FAILED if n else Outcome.PASSED, "[wrong] state" if n else "")
        suites = {"xen1/tck": [one, case("a/y")], "xen1/stress": iterations(30)}
        make_run(
            tmp_path / "runs", f"run-{n}", suites,
            at=START + n * DAY, revision=f"r{n}", commits=[commit(f"c{n}")],
        )  # fmt: skip
    return tmp_path / "runs"


def typed(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """The exit code and everything that was printed."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


def test_history_from_import_to_regressions(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(capsys, "history", "import", runs)[1].startswith("3 new, 0 grown, 0 same, 0 unr")
    assert typed(capsys, "history", "import", runs)[1].startswith("0 new, 0 grown, 3 same, 0 unr")
    _, said = typed(capsys, "history", "regressions")
    assert "failing tck on xen1: a/x" in said
    assert "bad in 2 run(s) since run-1" in said
    assert "suspect: c1 An Author: do c1" in said
    assert "changed: source: r0 -> r1" in said
    assert ".FF" in typed(capsys, "history", "tests", "a/x")[1]
    assert "2 of 3 failed: rate 66.7 %" in typed(capsys, "history", "rates", "a/x")[1]
    assert "run-2" in typed(capsys, "history", "runs", "--limit", "1")[1]
    assert "pipeline: source" in typed(capsys, "history", "slow")[1]
    assert "xen1" in typed(capsys, "history", "hosts")[1]
    assert "[wrong] state" in typed(capsys, "history", "search", "wrong")[1]


def test_an_unreadable_run_is_named_and_keeps_no_other_out(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "bad").mkdir()
    (runs / "bad" / "journal.jsonl").write_text("no journal\n")
    code, said = typed(capsys, "history", "import", runs)
    assert code == 3
    assert "left out bad" in said
    assert "3 new, 0 grown, 0 same, 1 unreadable" in said


def test_a_run_that_may_not_be_read_keeps_no_other_out(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal is played."""
    opened, secret = Path.open, runs / "run-1" / "journal.jsonl"

    def refusing(path: Path, *words: Any, **more: Any) -> Any:
        if path == secret:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *words, **more)

    monkeypatch.setattr(Path, "open", refusing)
    code, said = typed(capsys, "history", "import", runs)
    assert code == 3
    assert f"left out run-1: {secret} cannot be read: Permission denied" in said
    assert "2 new, 0 grown, 0 same, 1 unreadable" in said


def test_a_run_whose_results_are_gone_is_damaged_and_keeps_no_other_out(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in its own way: no ledger, a folder in its place, a time that no clock shows."""
    ledgers = [runs / f"run-{n}" / "suites/xen1/tck/ledger.jsonl" for n in range(2)]
    for ledger in ledgers:
        kept = {"suite": "tck", "ledger": "suites/xen1/tck/ledger.jsonl"}
        journal = ledger.parents[3] / "journal.jsonl"
        text = journal.read_text()
        assert '{"suite":"xen1/tck"}' in text
        journal.write_text(text.replace('{"suite":"xen1/tck"}', json.dumps(kept)))
        ledger.unlink()
    ledgers[1].mkdir()
    code, said = typed(capsys, "history", "import", runs)
    assert code == 3
    for n, ledger in enumerate(ledgers):
        assert f"left out run-{n}: {ledger} is missing: it held the results of suites/xen1" in said
    assert "1 new, 0 grown, 0 same, 2 unreadable" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "nowhere"), "nowhere: there is no such folder"),
        (("runs", "--limit", "0"), "--limit"),
        (("runs", "--limit", "9" * 30), "--limit"),
        (("runs", "--since", "9" * 20 + "d"), '9d" is no day'),
        (("rates", "--since", "99999999w"), '99999999w" is no day'),
        (("runs", "--since", "\u00b2d"), '\u00b2d" is no day'),
    ],
)
def test_what_the_history_cannot_be_asked_is_a_usage_error(
    runs: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert runs.is_dir()
    code, out = typed(capsys, "history", *words)
    assert code == 2
    assert said in out


@pytest.mark.parametrize("command", ["tests", "rates", "search"])
def test_what_is_not_found_is_said(
    runs: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert runs.is_dir()
    for text in ("no such thing", "\udcff"):
        assert typed(capsys, "history", command, text) == (0, "nothing found\n")


def test_no_days_and_no_ports_are_usage_errors(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs.is_dir()
    code, said = typed(capsys, "digest", "--since", "2026-09-02", "--until", "2026-09-01")
    assert (code, "no days from 2026-09-02 until 2026-09-01" in said) == (2, True)
    for port in ("-1", "65536"):
        code, said = typed(capsys, "serve", "--port", port)
        assert (code, "--port" in said) == (2, True)


def test_digest_gate_and_notify_answer_with_their_exit_codes(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(capsys, "history", "import", runs)
    code, said = typed(capsys, "digest", "--since", "2026-09-01", "--until", "2026-10-01")
    assert (code, "tck on xen1: a/x since run-1" in said) == (0, True)
    policy = tmp_path / "policy.toml"
    policy.write_text('[[require]]\nkind = "no-new-failure"\n')
    code, said = typed(capsys, "gate", "run-1", "--policy", policy, "--runs", runs)
    assert code == 1
    assert "newly failed: tck on xen1: a/x: [wrong] state" in said
    code, said = typed(capsys, "gate", "plans/demo.toml", "--policy", policy, "--runs", runs)
    assert code == 0
    to = tmp_path / "to.toml"
    to.write_text('[[recipients]]\nname = "team"\nurl_env = "TEAM_URL"\n')
    code, said = typed(capsys, "notify", "run-1", "--to", to, "--runs", runs, "--dry-run")
    assert code == 0
    assert "to: team\nvirtci: demo broke\n\nX-Virtci: run=run-1 plan=demo news=new" in said


@pytest.mark.real
def test_open_shows_the_page_in_the_users_browser(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """xdg-open asks BROWSER where there is no desktop; this one notes what it was to open."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    monkeypatch.delenv("DISPLAY", raising=False)
    assert typed(capsys, "report", "run-0", "--open", "--runs", runs)[0] == 0
    assert opened.read_text().strip().endswith("run-0/report/index.html")
    browser.write_text("#!/bin/sh\nexit 4\n")
    code, said = typed(capsys, "report", "run-0", "--open", "--runs", runs)
    assert (code, "could not open" in said) == (3, True)


@pytest.mark.parametrize(("number", "code"), [(errno.EACCES, 1), (errno.EROFS, 1), (errno.EIO, 3)])
def test_a_run_that_may_only_be_read_shows_its_summary(
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    code: int,
) -> None:
    def refused(path: Path, _: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(junit, "write", refused)
    ended, said = typed(capsys, "report", "run-1", "--runs", runs)
    assert ended == code
    assert ("FAILED (" in said) == (code == 1)
    assert os.strerror(number) in said


def test_reports_are_written_converted_and_compared(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = typed(capsys, "report", "run-1", "--runs", runs)
    assert code == 1
    assert (runs / "run-1" / "report" / "index.html").is_file()
    assert "report/index.html" in said
    out = tmp_path / "x.xml"
    assert typed(capsys, "report", "convert", "run-1", "--to", "junit", "--out", out,
                 "--runs", runs)[0] == 0  # fmt: skip
    code, said = typed(capsys, "report", "diff", "run-0", out, "--runs", runs)
    assert code == 1
    assert "broke tck on xen1: a/x: [wrong] state" in said
    assert typed(capsys, "report", "diff", out, "run-2", "--runs", runs)[0] == 0
    code, said = typed(capsys, "report", "convert", "run-1", "--to", "html", "--runs", runs)
    assert (code, "--out" in said) == (2, True)
