"""A real BMC of the tests' own: ipmi_sim on a UDP port of loopback, whose switch is a script."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADDRESS = "127.0.0.1"
USER, PASSWORD = "ci", "bmc-secret"
PACKAGES = "openipmi ipmitool"

LAN = """\
name "bmc"
set_working_mc 0x20
  startlan 1
    addr {address} {port}
    priv_limit admin
    allowed_auths_callback md5
    allowed_auths_user md5
    allowed_auths_operator md5
    allowed_auths_admin md5
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{script}"
  {serial}
  user 1 false "" "" user 10 md5
  user 2 true "{user}" "{password}" admin 10 md5
"""
EMULATOR = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""


@contextmanager
def a_bmc(folder: Path, script: Path, *, serial: str = "") -> Iterator[int]:
    """Yields its port. The script is called with ``get power`` and ``set power 0`` or ``1``.

    ``serial`` is a terminal that serial over LAN leads to.
    """
    missing = [name for name in ("ipmi_sim", "ipmitool") if shutil.which(name) is None]
    assert not missing, f"{missing} missing: apt-get install {PACKAGES}"
    port = _free_udp_port()
    (folder / "state").mkdir(parents=True)
    sol = f'sol "{serial}" 115200' if serial else ""
    lan = LAN.format(
        address=ADDRESS, port=port, script=script, user=USER, password=PASSWORD, serial=sol
    )
    (folder / "lan.conf").write_text(lan)
    (folder / "emu").write_text(EMULATOR)
    argv = ("ipmi_sim", "-n", "-c", str(folder / "lan.conf"), "-f", str(folder / "emu"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            (*argv, "-s", str(folder / "state")),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, port, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    argv = (
        "ipmitool",
        "-I",
        "lanplus",
        "-H",
        ADDRESS,
        "-p",
        str(port),
        "-U",
        USER,
        "-E",
        "-R",
        "1",
    )
    for _ in range(60):
        done = subprocess.run(
            (*argv, "mc", "guid"),
            check=False,
            capture_output=True,
            env={"IPMI_PASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"},
        )
        if done.returncode == 0:
            return
        assert process.poll() is None, f"ipmi_sim ended: {log.read_text()}"
        time.sleep(0.2)
    raise AssertionError(f"ipmi_sim does not answer: {done.stderr!r} {log.read_text()}")


def _free_udp_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((ADDRESS, 0))
        port: int = sock.getsockname()[1]
        return port
