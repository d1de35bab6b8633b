"""``virtci crash show|group``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ci.commands.crash import app
from ci.errors import UsageError
from tests.crash.ledgers import write_ledger
from tests.crash.samples import DATA, OLD
from tests.crash.test_attribution import ABORTED


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_groups_are_told_as_json() -> None:
    files = [str(path) for path in OLD]
    assert json.loads(run("group", "--json", *files, files[0])) == [
        {
            "signature": "libvirtd: assert fd == ev->fd in libxl_osevent_occurred_fd",
            "files": [files[0]],
        },
        {"signature": "libvirtd: assert !r in libxl__ctx_lock", "files": [files[1]]},
    ]


def test_a_crash_is_shown_with_its_name_first() -> None:
    shown = run("show", str(OLD[0])).splitlines()
    assert shown[0] == "libvirtd: assert fd == ev->fd in libxl_osevent_occurred_fd"
    assert any("#3 libxl_osevent_occurred_fd at libxl_event.c:1020" in line for line in shown)


def test_a_file_without_a_crash_is_named_and_the_others_are_grouped(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("nothing here\n")
    result = CliRunner().invoke(app, ["group", str(empty), str(OLD[0])], catch_exceptions=False)
    assert f"{empty} tells of no crash" in result.stderr
    assert "libxl_osevent_occurred_fd" in result.stdout


def test_only_files_without_a_crash_are_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"\x00\xff not text")
    with pytest.raises(UsageError, match="no crash is told of in"):
        CliRunner().invoke(app, ["show", str(empty)], catch_exceptions=False)


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        CliRunner().invoke(app, ["show", "/nonexistent/x"], catch_exceptions=False)


def test_a_known_issue_is_told_with_its_ticket(tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    known.write_text(
        '[[issue]]\nsignature = "libvirtd: assert fd == *"\nticket = "BUG-1"\nowner = "virt team"\n'
    )
    assert "known      BUG-1 (virt team)" in run("show", str(OLD[0]), "--known", str(known))


def test_a_ledger_is_blamed_and_bundled(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, iterations=10, deaths={4: "reboot"}, message=ABORTED)
    assert run("blame", str(ledger)).startswith("iteration 4: during createXML in reboot")
    said = run("bundle", str(ledger), str(tmp_path / "b"))
    assert "1 of 10 loops of create alive reboot" in said
    assert "<name>virtci-stress-0</name>" in (tmp_path / "b" / "domain.xml").read_text()


def test_a_folder_of_evidence_is_explained(tmp_path: Path) -> None:
    shutil.copy(DATA / "shapes" / "journal.txt", tmp_path / "journal.txt")
    assert run("evidence", str(tmp_path)).startswith("libvirtd: assert !r in libxl__ctx_lock")


def test_a_missing_ledger_or_folder_is_an_error(tmp_path: Path) -> None:
    for words in (("blame", "nothing"), ("evidence", "nothing")):
        with pytest.raises(UsageError, match=r"no (ledger|folder)"):
            CliRunner().invoke(app, list(words), catch_exceptions=False)
