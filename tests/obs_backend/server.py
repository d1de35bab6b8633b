"""The real backend of the Open Build Service, private: own ports, own folders, loopback only."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from ci.deadline import Deadline, wait_until

INSTALLED = Path("/usr/lib/obs/server")
DAEMONS: tuple[tuple[str, ...], ...] = (
    ("bs_srcserver",),
    ("bs_repserver",),
    ("bs_service",),
    ("bs_servicedispatch",),
    ("bs_sched", "x86_64"),
    ("bs_sched", "i586"),
    ("bs_dispatch",),
    ("bs_publish",),
    ("bs_warden",),
)
READY_SECONDS = 30.0
END_SECONDS = 10.0
DOWN_SECONDS = 40.0
ID = "probe"  # of workers, with their number
CONFIG = """
package BSConfig;
our $ipaccess = {{ '^127\\..*' => 'rw,worker' }};
our $srcserver = "http://127.0.0.1:{source}";
our $reposerver = "http://127.0.0.1:{repository}";
our $serviceserver = "http://127.0.0.1:{service}";
our $servicedir = "{folder}/services/";
our $bsdir = "{folder}/obs";
our $bsuser = 'obsrun';
our $bsgroup = 'obsrun';
our $bsserviceuser = 'obsrun';
our $bsservicegroup = 'obsrun';
our $rundir = "{folder}/obs/run";
our $logdir = "{folder}/obs/log";
our $nosharedtrees = 2;
our $packtrack = [];
our $relsync_pool = {{ 'local' => 'local', 'x86_64' => 'x86_64', 'i586' => 'i586' }};
our $sign_project = 0;
our $servicedispatch = 1;
our $disable_data_sync = 1;
our $createrepo = '/usr/bin/createrepo_c';
our $schedulerarchs = ['x86_64', 'i586'];
our $buildlog_maxidle = {idle};
our $obsname = 'obs.loopback';
1;
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Daemon:
    """A process of ours with all its children, ended by its group."""

    name: str
    argv: tuple[str, ...]
    log: Path
    cwd: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ("setpriv", "--pdeathsig", "KILL", "--", *self.argv),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C", "BUILD_DIR": "/usr/lib/obs-build"},
            )

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        for each in (sign, signal.SIGKILL):
            try:
                os.killpg(process.pid, each)
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        process.wait(END_SECONDS)

    def pause(self) -> None:
        """Hold every process of the group still."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)


@dataclass
class Server:
    """The daemons. ``idle`` is after how many silent seconds a build is killed as stuck."""

    folder: Path
    idle: int = 3600
    source: int = field(default_factory=free_port)
    repository: int = field(default_factory=free_port)
    service: int = field(default_factory=free_port)
    daemons: dict[str, Daemon] = field(default_factory=dict)

    def start(self) -> None:
        """Up and answering in a few seconds."""
        self._lay()
        ports = {"bs_srcserver": self.source, "bs_repserver": self.repository}
        for argv in DAEMONS:
            name = " ".join(argv)
            log = self.folder / f"{'-'.join(argv)}.log"
            command = ("perl", f"./{argv[0]}", *argv[1:])
            self.daemons[name] = Daemon(name, command, log, self.folder / "server")
            self.daemons[name].start()
            # the scheduler looks for the others once, and again only after a minute
            if argv[0] in ports:
                self.wait_for(ports[argv[0]])

    def wait_for(self, port: int) -> None:
        wait_until(
            f"the backend on port {port} (logs in {self.folder})",
            lambda: _answers(port),
            Deadline.after(READY_SECONDS),
            every=0.1,
        )

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.stop(signal.SIGKILL)

    def log(self, name: str, lines: int = 40) -> str:
        """The end of a daemon's log."""
        text = (self.folder / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def forgive_hosts(self) -> None:
        """What an administrator does when a worker is shunned for a build that its own death broke.

        A worker that is killed may still report its job as not buildable there; the dispatcher then
        keeps that job from it for a day, and there is no other worker.
        """
        (self.folder / "obs/run/bs_dispatch.dropbadhosts").touch()

    def _lay(self) -> None:
        copy = self.folder / "server"
        shutil.copytree(INSTALLED, copy, symlinks=True)
        for linked in (copy / "BSConfig.pm", copy / "build"):
            linked.unlink()
        (copy / "build").symlink_to("/usr/lib/obs-build")
        # workers take their code, this file included, from the copy
        (copy / "BSConfig.pm").write_text(
            CONFIG.format(
                folder=self.folder,
                source=self.source,
                repository=self.repository,
                service=self.service,
                idle=self.idle,
            )
        )
        server = copy / "BSServer.pm"
        # this version would listen on every address of the machine
        server.write_text(server.read_text().replace("INADDR_ANY", "INADDR_LOOPBACK"))
        for name in ("obs/run", "obs/log", "services"):
            folder = self.folder / name
            folder.mkdir(parents=True)
            folder.chmod(0o775)
            shutil.chown(folder, "obsrun", "obsrun")
        shutil.chown(self.folder / "obs", "obsrun", "obsrun")


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def private_folder() -> Path:
    """A folder that the daemons' own user can enter; what killed owners left is removed."""
    for left in Path("/var/tmp").glob("virtci-obs-[0-9]*-*"):
        if not Path("/proc", left.name.split("-")[2]).exists():
            sweep(left)
    folder = Path(tempfile.mkdtemp(prefix=f"virtci-obs-{os.getpid()}-", dir="/var/tmp"))
    folder.chmod(0o755)
    return folder


@dataclass
class Worker:
    """A worker that builds in a memory file system of its own, seen by nobody else."""

    server: Server
    number: int = 1
    tmpfs: str = "4G"
    daemon: Daemon | None = None
    down_since: float = 0.0

    @property
    def folder(self) -> Path:
        return self.server.folder / f"worker-{self.number}"

    def start(self) -> None:
        folder = self.folder
        # as after a reboot: a worker that comes back idle has its lost job built again
        shutil.rmtree(folder / "state", ignore_errors=True)
        for name in ("root", "state", "cache", "code"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if not (folder / "code/bs_worker").exists():
            self._fetch_code(folder / "code")
        script = (
            f"mount -t tmpfs -o size={self.tmpfs},mode=755 tmpfs {folder}/root && cd {folder}/code "
            f"&& exec perl ./bs_worker --root {folder}/root --statedir {folder}/state "
            f"--cachedir {folder}/cache --cachesize 2000 --id {ID}:{self.number} --jobs 2 "
            f"--reposerver http://127.0.0.1:{self.server.repository} "
            f"--srcserver http://127.0.0.1:{self.server.source}"
        )
        # a process name space of its own: when its first process ends, so does every build
        argv = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        log = self.server.folder / f"worker-{self.number}.log"
        self.daemon = Daemon("worker", (*argv, "sh", "-c", script), log, folder)
        self.daemon.start()

    def _fetch_code(self, folder: Path) -> None:
        url = f"http://127.0.0.1:{self.server.repository}/getworkercode"
        with urllib.request.urlopen(url, timeout=20) as answer:
            code = answer.read()
        unpack = ("cpio", "--extract", "--make-directories", "--quiet")
        subprocess.run(unpack, input=code, cwd=folder, check=True, timeout=30)
        for link, target in (("XML", "."), ("build", "/usr/lib/obs-build")):
            (folder / link).symlink_to(target)

    def state(self) -> str:
        """What the server holds it for: ``idle``, ``building``, ``down`` ...; empty: never seen."""
        known = (self.server.folder / "obs/workers").glob(f"*/*:{ID}:{self.number}")
        return next((file.parent.name for file in known), "")

    def wake(self) -> None:
        """What an administrator does when the server holds a worker for down that is there.

        One that dies while a job is handed to it is noted as down a moment later, which may be
        after the next one said that it is idle; that says so again only after five minutes. One
        that takes new code is down for some seconds, too, and comes back by itself.
        """
        if self.state() != "down":
            self.down_since = 0.0
        elif not self.down_since:
            self.down_since = time.monotonic()
        elif time.monotonic() - self.down_since > DOWN_SECONDS:
            self.down_since = 0.0
            self.stop()
            self.start()

    def stop(self) -> None:
        """End it, and with it whatever it builds."""
        if self.daemon is not None:
            self.daemon.stop(signal.SIGKILL)


def missing() -> str:
    """What this machine lacks to run the backend, as a sentence; empty when it has all."""
    if os.geteuid() != 0:
        return "the build service's worker makes chroots: run these tests as root"
    tools = ("mmdebstrap", "rpmbuild", "createrepo_c", "cpio", "unshare")
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    if not INSTALLED.is_dir() or not Path("/usr/lib/obs-build/build").exists():
        lacking.append("obs-server")
    if not lacking:
        return ""
    packages = "obs-server obs-worker obs-utils obs-build rpm createrepo-c mmdebstrap cpio"
    return f"{', '.join(lacking)} missing: apt-get install --no-install-recommends {packages}"


def sweep(folder: Path) -> None:
    """Remove a private folder; whatever is mounted in it lives in name spaces that are gone."""
    assert re.fullmatch(r"/var/tmp/virtci-obs-\d+-\w+", str(folder))
    shutil.rmtree(folder, ignore_errors=True)
