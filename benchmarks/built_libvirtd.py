"""Run a command on the libvirtd of a folder of packages, started here and not installed.

    python -m benchmarks.built_libvirtd builds/06 virtci stress {uri} -n 5 --packages builds/06

``{uri}`` is the connection to its test driver. The daemon has namespaces and folders of its own and
is started again when it dies. Ends as the command did, or with 125 (as git bisect run has it) when
the daemon of these packages does not start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ci.crash.debuginfo import unpack
from ci.crash.rpms import build_of
from ci.deadline import Deadline
from ci.shell import LocalShell
from tests.libvirtd import start_libvirtd

CANNOT_RUN = 125
SECONDS = 120.0
START = """\
#!/bin/sh
export LD_LIBRARY_PATH={libraries} LIBVIRT_DRIVER_DIR={libraries}/libvirt/connection-driver
exec {root}/usr/sbin/libvirtd "$@"
"""


def program(packages: Path, folder: Path) -> Path:
    """The daemon of the packages as one command, with its own libraries and drivers."""
    deadline = Deadline.after(SECONDS)
    root = unpack(build_of(packages, deadline), folder, LocalShell(), deadline)
    libraries = next(root.rglob("libvirt.so.0")).parent
    start = folder / "libvirtd"
    start.write_text(START.format(root=root, libraries=libraries))
    start.chmod(0o755)
    return start


def main() -> int:
    packages, *command = sys.argv[1:]
    # a core keeps 79 characters of the command line, and the program's path is in it
    with tempfile.TemporaryDirectory(prefix="vb-", dir="/var/tmp") as folder:
        start = program(Path(packages), Path(folder))
        if subprocess.run((str(start), "--version"), capture_output=True, check=False).returncode:
            sys.stderr.write(f"the libvirtd of {packages} does not start\n")
            return CANNOT_RUN
        os.environ["VIRTCI_LIBVIRTD"] = str(start)
        with start_libvirtd(respawn=True) as daemon:
            uri = daemon.uri_of("test", "/default")
            argv = tuple(word.replace("{uri}", uri) for word in command)
            return subprocess.run(argv, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
