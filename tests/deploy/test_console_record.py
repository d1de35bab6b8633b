"""A console is recorded by a program that wants a terminal, for as long as it is wanted."""

from __future__ import annotations

import os
import pty
import sys
import tty
from pathlib import Path

import pytest

from ci.deadline import Deadline, wait_until
from ci.deploy.console_record import Recorders
from ci.deploy.console_troubles import troubles
from ci.deploy.power import IpmiPower, Switch
from tests.bmc import ADDRESS, PASSWORD, USER, a_bmc

TALKER = """
import os, sys, time
assert os.isatty(0) and os.isatty(1), "no terminal"
print("session", flush=True)
print("[ 1.0] kernel BUG at mm/slub.c:379!", flush=True)
for line in sys.stdin:
    if line.strip() == "bye":
        print("left", flush=True)
        sys.exit()
    if sys.argv[1] == "short":
        sys.exit()
"""


def recorded(path: Path, text: str) -> None:
    wait_until(
        f"{text} on the console",
        lambda: path.exists() and text in path.read_text(),
        Deadline.after(30),
        every=0.1,
    )


def test_it_is_recorded_and_left_in_its_own_way(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    recorders = Recorders()
    argv = (sys.executable, "-c", TALKER, "long")
    recorders.start(Switch(argv=argv, leave="bye\n"), path)
    recorders.start(Switch(argv=argv), path)
    recorded(path, "BUG")
    recorders.stop(str(path))
    text = path.read_text()
    assert text.count("session") == 1
    assert "left" in text
    assert [one.kind for one in troubles(text)] == ["oops"]


def test_a_console_that_hangs_up_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.deploy.console_record.AGAIN_SECONDS", 0.1)
    path = tmp_path / "console.log"
    recorders = Recorders()
    recorders.start(Switch(argv=(sys.executable, "-c", "print('session')")), path)
    wait_until(
        "sessions",
        lambda: path.exists() and path.read_text().count("session") >= 3,
        Deadline.after(30),
        every=0.1,
    )
    recorders.stop(str(path))


def test_a_console_that_cannot_be_opened_fails_nothing(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "console.log"
    recorders = Recorders()
    recorders.start(Switch(argv=("true",)), path)
    recorders.stop(str(path))
    assert not path.exists()


@pytest.mark.real
def test_serial_over_lan_of_a_real_bmc_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_BMC", PASSWORD)
    machine, line = pty.openpty()
    tty.setraw(line)
    path = tmp_path / "console.log"
    recorders = Recorders()
    try:
        with a_bmc(tmp_path / "bmc", Path("/bin/true"), serial=os.ttyname(line)) as port:
            power = IpmiPower(address=ADDRESS, port=port, user=USER, password_env="TEST_BMC")
            recorders.start(power.console(), path)
            recorded(path, "SOL Session operational")
            os.write(machine, b"[ 1.0] kernel BUG at mm/slub.c:379!\r\n")
            recorded(path, "slub.c:379!")
            recorders.stop(str(path))
            again = tmp_path / "again.log"
            recorders.start(power.console(), again)
            recorded(again, "SOL Session operational")
            recorders.stop(str(again))
    finally:
        os.close(machine)
        os.close(line)
    assert [one.kind for one in troubles(path.read_text())] == ["oops"]
    assert PASSWORD not in path.read_text()
