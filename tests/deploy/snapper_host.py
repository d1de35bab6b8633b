"""A root file system as openSUSE lays it out, on btrfs, with a real snapper over a bus of its own.

The programs are this machine's; the rest of the root is its own. Everything lives in namespaces of
one process and ends with it. Needs root, loop devices and btrfs in the kernel.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ci.deadline import Deadline
from ci.shell import Argv, Completed, LocalShell
from tests.root import need_root
from tests.sshd import descendants

PACKAGES = "snapper btrfs-progs dbus rpm"
SECONDS = 60.0
_ENTER = """\
# $1 device, $2 where: what a boot would do, mounts the default subvolume and all below it
set -e
mkdir -p "$2"
mount "$1" "$2"
cd "$2"
mkdir -p .snapshots proc sys dev run tmp
mount -o subvol=@/.snapshots "$1" .snapshots
for name in usr bin lib lib64 sbin; do
    if [ -L /$name ]; then cp -Pf /$name $name; else mkdir -p $name; mount --bind /$name $name; fi
done
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs run run
mkdir -p run/dbus
"""
_MAKE = """\
set -e
mount -o loop "$1/disk" "$1/top"
device=$(losetup -j "$1/disk" -O NAME -n | head -n 1 | tr -d ' ')
cd "$1/top"
btrfs -q subvolume create @
btrfs -q subvolume create @/.snapshots
mkdir @/.snapshots/1
btrfs -q subvolume create @/.snapshots/1/snapshot
btrfs subvolume set-default "$(btrfs inspect-internal rootid @/.snapshots/1/snapshot)" .
cat >@/.snapshots/1/info.xml <<END
<?xml version="1.0"?><snapshot><type>single</type><num>1</num>
<date>2024-01-01 00:00:00</date><description>first root filesystem</description></snapshot>
END
sh "$1/enter" "$device" "$1/root-1"
cd "$1/root-1"
mkdir -p etc/snapper/configs etc/default etc/rpm var/log var/lib/rpm
cp /etc/passwd /etc/group /etc/nsswitch.conf etc/
cp -r /etc/dbus-1 etc/
cp /usr/share/snapper/config-templates/default etc/snapper/configs/root
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
echo 'SNAPPER_CONFIGS="root"' >etc/default/snapper
echo '%_dbpath /var/lib/rpm' >etc/rpm/macros
echo "$device" >"$1/device"
exec sleep 600
"""


class SnapperHost:
    """Implements ``ci.shell.Shell``: commands run in the root that is booted now."""

    where = "snapper-host"

    def __init__(self, folder: Path, holder: int) -> None:
        self._folder = folder
        self._holder = holder
        self._boots = 0
        self.boot()

    @property
    def root(self) -> Path:
        """The root of now, as this machine sees it from inside the namespaces."""
        return self._folder / f"root-{self._boots}"

    def boot(self) -> None:
        """Mount what is the default now, as a boot would, and start the bus."""
        self._boots += 1
        if self._boots > 1:
            device = (self._folder / "device").read_text().strip()
            self._inside("sh", str(self._folder / "enter"), device, str(self.root))
        self._inside("chroot", str(self.root), "dbus-daemon", "--system", "--fork")

    def put(self, local: Path) -> str:
        """A file of this machine into its /tmp; its name there."""
        self._inside("cp", str(local), f"{self.root}/tmp/")
        return f"/tmp/{local.name}"

    def run(
        self,
        argv: Argv,
        deadline: Deadline,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        log: Path | None = None,
    ) -> Completed:
        there = (*self._way(), "chroot", str(self.root), *argv)
        return LocalShell().run(there, deadline, env=env, stdin=stdin, log=log)

    def _way(self) -> Argv:
        return ("nsenter", "-t", str(self._holder), "-m", "-p", "--")

    def _inside(self, *argv: str) -> None:
        done = LocalShell().run((*self._way(), *argv), Deadline.after(SECONDS))
        assert done.ok, done.tail()


@contextmanager
def a_snapper_host(folder: Path) -> Iterator[SnapperHost]:
    need_root("a btrfs root of one's own")
    missing = [name for name in ("snapper", "mkfs.btrfs", "dbus-daemon") if not shutil.which(name)]
    assert not missing, f"{', '.join(missing)} missing: apt-get install {PACKAGES}"
    disk = folder / "disk"
    with disk.open("wb") as file:
        file.truncate(400 * 2**20)
    subprocess.run(("mkfs.btrfs", "-q", str(disk)), check=True, capture_output=True)
    (folder / "top").mkdir()
    (folder / "enter").write_text(_ENTER)
    (folder / "make").write_text(_MAKE)
    own = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
    with (folder / "make.log").open("wb") as log:
        process = subprocess.Popen(
            (*own, "sh", str(folder / "make"), str(folder)), stdout=log, stderr=log
        )
    try:
        _wait(folder, process)
        yield SnapperHost(folder, descendants(process.pid)[0])
    finally:
        process.kill()
        process.wait()


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS
    while not (folder / "device").exists():
        assert process.poll() is None, (folder / "make.log").read_text()
        assert time.monotonic() < end, (folder / "make.log").read_text()
        time.sleep(0.05)
