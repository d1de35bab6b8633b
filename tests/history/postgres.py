"""A private PostgreSQL on a socket in a folder of its own; no port, nothing of the system's."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

USER = "postgres"  # the server refuses to run as root
SETTINGS = "-c listen_addresses= -c fsync=off -c max_connections=40 -c shared_buffers=64MB"


@contextmanager
def postgres() -> Iterator[str]:
    """A running server with an empty database; gives its URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert programs, "PostgreSQL is needed: apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="virtci-pg-"))
    try:
        as_user: tuple[str, ...] = ()
        if os.getuid() == 0:
            account = pwd.getpwnam(USER)
            os.chown(folder, account.pw_uid, account.pw_gid)
            as_user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
        control = (*as_user, str(programs[-1] / "pg_ctl"), "-D", str(folder / "data"), "-w")
        make = (
            str(programs[-1] / "initdb"),
            "-D",
            str(folder / "data"),
            "-A",
            "trust",
            "-E",
            "UTF8",
        )
        _do((*as_user, *make, "-U", USER, "--no-sync"), folder)
        options = f"{SETTINGS} -k {folder}"
        _do((*control, "-t", "120", "-l", str(folder / "log"), "-o", options, "start"), folder)
        try:
            yield f"postgresql://{USER}@/postgres?host={quote(str(folder))}"
        finally:
            _do((*control, "-m", "immediate", "stop"), folder)
    finally:
        shutil.rmtree(folder)


def _do(argv: tuple[str, ...], folder: Path) -> None:
    done = subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
