"""A real Xen host that wedges, and comes back: by its daemons, and by a real BMC."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from ci.deadline import Deadline
from ci.deploy.identity import machine_id
from ci.deploy.lease import Lease, Leases
from ci.deploy.pool import PooledHost, load_hosts
from ci.deploy.recover import RUNG_SECONDS, Ladder, Recovery, recover
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.errors import VirtciError
from ci.model import Access
from ci.nested import accel
from ci.nested.image import build_image
from ci.nested.qemu import Machine, launch_command
from ci.shell import LocalShell
from tests.bmc import ADDRESS, PASSWORD, USER, a_bmc
from tests.nested_host import HOST, booted

pytestmark = [pytest.mark.real, pytest.mark.xen, pytest.mark.faults]
PATIENT = msgspec.structs.replace(HOST, boot_seconds=600)
CHASSIS = """\
#!/bin/sh
# What stands behind the BMC's power switch: the QEMU of a nested host.
pid=$(cat {pidfile} 2>/dev/null)
case "$1 $2 $3" in
"get power "*) if [ -n "$pid" ] && [ -d /proc/$pid ]; then echo power:1; else echo power:0; fi ;;
"set power 0") [ -z "$pid" ] || kill $pid; while [ -d /proc/$pid ]; do sleep 0.1; done ;;
"set power 1") {launch} >/dev/null 2>&1 </dev/null ;;
esac
exit 0
"""


def soon(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """One of our own: it is going to be broken."""
    with booted(tmp_path_factory.mktemp("wedged"), PATIENT) as access:
        yield access


@pytest.fixture
def switched(host: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PooledHost]:
    """The host as an entry of a hosts file, enrolled, with a BMC."""
    monkeypatch.setenv("TEST_BMC", PASSWORD)
    monkeypatch.setitem(RUNG_SECONDS, "wait", 5.0)
    monkeypatch.setattr("ci.deploy.recover.LOOK_SECONDS", 60.0)
    folder = Path(host.console).parent
    machine = Machine(
        name=HOST.name,
        image=build_image(LocalShell(), soon(900), say=print),
        accelerator=accel.best(LocalShell(), soon()),
        memory_mib=HOST.memory_mib,
        dom0_mib=HOST.dom0_mib,
        cpus=HOST.cpus,
        port=host.port,
        folder=str(folder),
        seconds_to_live=1800,
    )
    script = tmp_path / "chassis"
    launch = shlex.join(launch_command(machine))
    script.write_text(CHASSIS.format(pidfile=machine.pidfile, launch=launch))
    script.chmod(0o755)
    with SshShell(target_of(host)) as shell:
        # The image is the same for every host, so that it cannot hold an identity.
        shell.run(("sh", "-c", "cat /proc/sys/kernel/random/uuid >/etc/machine-id"), soon())
        identity = machine_id(shell, soon())
    with a_bmc(tmp_path / "bmc", script) as port:
        path = tmp_path / "hosts.toml"
        path.write_text(_entry(host, identity, port))
        yield load_hosts(path)[0]


def _entry(host: Access, identity: str, port: int) -> str:
    return f"""[[hosts]]
name = "wedged"
address = "{host.address}"
port = {host.port}
key = "{host.key}"
known_hosts = "{host.known_hosts}"
machine_id = "{identity}"
[hosts.power]
kind = "ipmi"
address = "{ADDRESS}"
port = {port}
user = "{USER}"
password_env = "TEST_BMC"
"""


def climbed(host: PooledHost, folder: Path, console: str) -> Recovery:
    with SshShell(host.ssh(Path()).target()) as shell:
        ladder = Ladder(host=host, shell=shell, folder=folder, deadline=soon(900), say=print)
        return recover(ladder, console=console)


def test_a_wedged_daemon_is_restarted_and_is_the_products_fault(
    switched: PooledHost, host: Access, tmp_path: Path
) -> None:
    with SshShell(target_of(host)) as shell:
        leases = Leases(shell)
        lease = leases.ask(owner="test", purpose="", seconds=600, deadline=soon())
        assert isinstance(lease, Lease)
        shell.run(("sh", "-c", "kill -STOP $(pidof libvirtd)"), soon())
        recovery = climbed(switched, tmp_path / "recovery", host.console)
        assert [(rung.name, rung.helped) for rung in recovery.rungs] == [("restart-daemons", True)]
        assert (recovery.healthy, recovery.blame) == (True, "product")
        assert (tmp_path / "recovery/1-restart-daemons/xl-info.txt").exists()
        leases.release(lease.token, soon())


def test_a_panic_is_seen_on_the_console_and_ends_in_a_power_cycle(
    switched: PooledHost, host: Access, tmp_path: Path
) -> None:
    with SshShell(target_of(host)) as shell, suppress(VirtciError):
        panic = "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger"
        shell.run(("sh", "-c", panic), soon(10))
    recovery = climbed(switched, tmp_path / "recovery", host.console)
    assert [rung.name for rung in recovery.rungs if rung.helped] == ["power-cycle"]
    assert (recovery.healthy, recovery.blame) == (True, "product")
    with SshShell(target_of(host)) as shell:
        assert shell.run(("xl", "list"), soon()).ok
