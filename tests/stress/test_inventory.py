"""What guests leave on the host is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import InfraError
from ci.model import Outcome
from suites.stress.inventory import Inventory
from suites.stress.options import Options
from tests.stress.loop import loop


def test_what_was_there_before_is_no_leak(tmp_path: Path) -> None:
    objects = tmp_path / "objects"
    objects.write_text("loop0 /var/disk\nvirbr0\n")
    inventory = Inventory(("cat", str(objects)), 10)
    assert inventory.leaks() == ()
    objects.write_text("virbr0\n")
    assert inventory.leaks() == ()
    objects.write_text("virbr0\nvif7.0\n")
    assert inventory.leaks() == ("left on the host: vif7.0",)


def test_a_tool_that_fails_is_the_labs_fault() -> None:
    with pytest.raises(InfraError, match="inventory failed with status 1"):
        Inventory(("false",), 10)


def test_without_a_command_there_is_nothing_to_look_at() -> None:
    inventory = Inventory((), 10)
    assert not inventory.due()
    assert inventory.leaks() == ()


def test_a_loop_that_leaves_something_fails_though_each_iteration_passed(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("")
    file = tmp_path / "leaky.py"
    file.write_text(
        "def mine(play):\n    play('create')\n    play('destroy')\n"
        f"    open({str(tmp_path / 'objects')!r}, 'a').write('loop7 disk\\n')\n"
    )
    done = loop(
        Options(
            connect="test:///default",
            ledger=str(tmp_path / "ledger"),
            loops=3,
            scenario=f"{file}:mine",
            inventory=("cat", str(tmp_path / "objects")),
        )
    )
    assert [case.outcome for case in done.cases] == [Outcome.PASSED] * 3 + [Outcome.FAILED]
    assert (done.status, done.verdict.outcome) == (1, "FAIL")
    assert "left on the host: loop7 disk" in done.verdict.text


def test_what_several_guests_leave_is_told_once_and_no_guest_takes_anothers_for_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "objects").write_text("")
    file = tmp_path / "plugged.py"
    file.write_text(
        "from pathlib import Path\n"
        f"FOLDER = Path({str(tmp_path)!r})\n"
        "def mine(play):\n"
        "    own = FOLDER / ('vif.' + play.guest.name)\n"
        "    own.touch()\n"
        "    play('create')\n    play('destroy')\n"
        "    own.unlink()\n"
        "    (FOLDER / 'vif.left').touch()\n"
    )
    done = loop(
        Options(
            connect="test:///default",
            ledger=str(tmp_path / "ledger"),
            loops=20,
            guests=2,
            scenario=f"{file}:mine",
            inventory=("sh", "-c", f"cd {tmp_path} && ls | grep vif || true"),
        )
    )
    assert [case.message for case in done.cases if case.outcome is not Outcome.PASSED] == [
        "left on the host: vif.left"
    ]
