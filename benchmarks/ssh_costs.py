"""What SSH costs: one kept connection against one for each command, uploads against scp, leases.

python -m benchmarks.ssh_costs            # a sshd of its own on loopback
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.lease import Lease, Leases
from ci.deploy.sshshell import SshShell
from ci.ssh_uri import ssh_options
from tests.sshd import Sshd, running_sshd

COMMANDS = 20  # about as many as a deployment sends
ROUNDS = 5
LANES = 8
FILES = 500


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def soon() -> Deadline:
    return Deadline.after(120)


def kept(server: Sshd) -> None:
    with SshShell(server.target()) as shell:
        for _ in range(COMMANDS):
            shell.run(("true",), soon())


def anew(server: Sshd) -> None:
    for _ in range(COMMANDS):
        with SshShell(server.target()) as shell:
            shell.run(("true",), soon())


def in_lanes(work: Callable[[Sshd], None], server: Sshd) -> None:
    """The same on as many hosts at once; here they share one server."""
    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(work, [server] * LANES))


def uploads(server: Sshd, folder: Path) -> tuple[float, float]:
    """Files per second: ours (whole, checked by sha256) and scp's."""
    source = folder / "source"
    source.mkdir()
    for number in range(FILES):
        (source / str(number)).write_bytes(bytes(number * 20))
    files = [(path, f"{folder}/ours/{path.name}") for path in source.iterdir()]
    target = server.target()
    options = ssh_options(key=target.key, known_hosts=target.known_hosts)
    where = f"{target.user}@{target.address}:{folder}/theirs"
    scp = ("scp", "-q", "-r", *options, "-P", str(target.port), str(source), where)
    with SshShell(target) as shell:
        ours = seconds(lambda: shell.put_many(files, soon()))
    theirs = seconds(lambda: subprocess.run(scp, check=True, timeout=120))
    return FILES / ours, FILES / theirs


def leases(server: Sshd, folder: Path) -> tuple[float, float]:
    """Seconds to take and to renew a lease."""
    with SshShell(server.target()) as shell:
        book = Leases(shell, str(folder / "lease"))
        shell.run(("true",), soon())
        began = time.perf_counter()
        lease = book.ask(owner="bench", purpose="", seconds=300, deadline=soon())
        taken = time.perf_counter() - began
        if not isinstance(lease, Lease):
            raise TypeError("a fresh folder is free")
        token = lease.token
        renewed = [seconds(lambda: book.renew(token, 300, soon())) for _ in range(10)]
    return taken, statistics.median(renewed)


def measure(server: Sshd, folder: Path) -> None:
    one = statistics.median(seconds(lambda: kept(server)) for _ in range(ROUNDS))
    many = statistics.median(seconds(lambda: anew(server)) for _ in range(ROUNDS))
    print(f"{COMMANDS} commands, one kept connection   {one:6.2f} s")
    print(f"{COMMANDS} commands, a connection for each {many:6.2f} s   {many / one:.1f}x")
    one = statistics.median(seconds(lambda: in_lanes(kept, server)) for _ in range(3))
    many = statistics.median(seconds(lambda: in_lanes(anew, server)) for _ in range(3))
    print(f"the same in {LANES} lanes at once, kept      {one:6.2f} s")
    print(f"the same in {LANES} lanes at once, anew      {many:6.2f} s   {many / one:.1f}x")
    ours, theirs = uploads(server, folder)
    print(f"uploads: {ours:.0f} files/s (checked), scp {theirs:.0f} files/s")
    taken, renewed = leases(server, folder)
    hourly = renewed * 3600 / (300 / 4)
    print(f"lease: {taken:.3f} s to take, {renewed:.3f} s a heartbeat, {hourly:.1f} s an hour")


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="virtci-bench-"))
    (folder / "sshd").mkdir()
    for server in running_sshd(folder / "sshd"):
        measure(server, folder)


if __name__ == "__main__":
    main()
