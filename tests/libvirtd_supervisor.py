"""Runs virtlogd and libvirtd by hand in namespaces of their own; started by tests/libvirtd.py.

    unshare --net --mount python libvirtd_supervisor.py FOLDER [respawn]

FOLDER/{run,lib,log,etc,cache} stand in for the daemon's folders, so that the machine's own libvirt
is never seen or touched. It reaps every process that loses its parent: a dead QEMU that stays a
zombie keeps libvirt waiting for two seconds. It ends everything when its stdin is closed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun", "loop-control")
FOLDERS = {
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
    "etc": "/etc/libvirt",
    "lock": "/run/lock",  # a /dev/pts of one's own has names that others have locked
}


def private_folders(folder: Path) -> None:
    for name, place in FOLDERS.items():
        source = folder / name
        source.mkdir(exist_ok=True)
        Path(place).mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(source), place)


def private_dev(folder: Path) -> None:
    """A /dev without kvm: where it cannot boot guests libvirt would still offer it."""
    dev = folder / "dev"
    dev.mkdir()
    for name in (*DEVICES, *_loops()):
        if (real := Path("/dev", name)).exists():
            (dev / name).parent.mkdir(exist_ok=True)
            (dev / name).touch()
            _mount("--bind", str(real), str(dev / name))
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    _mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620", "devpts", str(dev / "pts"))
    (dev / "ptmx").symlink_to("pts/ptmx")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")
    (dev / "fd").symlink_to("/proc/self/fd")
    _mount("--rbind", str(dev), "/dev")
    _mount("-t", "tmpfs", "shm", "/dev/shm")


def _loops() -> tuple[str, ...]:
    return tuple(path.name for path in Path("/dev").glob("loop[0-9]*"))


def _mount(*arguments: str) -> None:
    subprocess.run(("mount", *arguments), check=True)


def start(folder: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A daemon with its output in FOLDER/<name>.out and its cores in FOLDER."""
    name = Path(program).name
    with (folder / f"{name}.out").open("ab") as out:
        return subprocess.Popen(
            (program, *arguments),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def start_libvirtd(folder: Path) -> subprocess.Popen[bytes]:
    program = os.environ.get("VIRTCI_LIBVIRTD", "/usr/sbin/libvirtd")
    configuration = str(folder / "etc" / "libvirtd.conf")
    pid = str(folder / "run" / "pid")
    return start(folder, program, "--listen", "-f", configuration, "-p", pid)


def start_virtlogd(folder: Path) -> None:
    configuration = str(folder / "etc" / "virtlogd.conf")
    pid = str(folder / "run" / "virtlogd.pid")  # one pid file for the machine would lock others out
    start(folder, "/usr/sbin/virtlogd", "-f", configuration, "-p", pid)


def reap() -> set[int]:
    """Take the status of every ended child; return their pids."""
    ended = set()
    with contextlib.suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            ended.add(pid)
    return ended


def children() -> list[int]:
    task = Path("/proc/self/task").iterdir()
    return [int(pid) for thread in task for pid in (thread / "children").read_text().split()]


def end_all() -> None:
    """First ask, then kill; orphans of a killed daemon become ours and are ended as well."""
    for number, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
        until = time.monotonic() + seconds
        while children() and time.monotonic() < until:
            for pid in children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.05)
            reap()


def watch(folder: Path, *, respawn: bool) -> None:
    """Reap until stdin is closed; start a libvirtd that died again, as a service manager would."""
    wake, notify = os.pipe()
    os.set_blocking(notify, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(notify, warn_on_full_buffer=False)
    daemon = start_libvirtd(folder)
    while True:
        ready, _, _ = select.select([0, wake], [], [], 1.0)
        if wake in ready:
            os.read(wake, 4096)
        if 0 in ready and not os.read(0, 4096):
            return
        if daemon.pid in reap() and respawn:
            daemon = start_libvirtd(folder)


def main() -> None:
    folder = Path(sys.argv[1])
    # the parent's death must not leave a half-made daemon behind
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    private_folders(folder)
    private_dev(folder)
    try:
        start_virtlogd(folder)
        watch(folder, respawn="respawn" in sys.argv[2:])
    finally:
        end_all()
        shutil.rmtree(folder / "run", ignore_errors=True)


if __name__ == "__main__":
    main()
