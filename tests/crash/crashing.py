"""The small daemon of tests/data/backtraces/source, built here and brought to a real crash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "data" / "backtraces" / "source" / "daemon.c"
SECONDS = 60


def build_daemon(folder: Path) -> Path:
    """Compiled as packages are, with a build-id; the test fails without a compiler."""
    assert shutil.which("gcc"), "the daemon that crashes needs a compiler: apt-get install gcc"
    program = folder / "virtdaemon"
    options = ("-O2", "-g", "-Wl,--build-id", "-pthread")
    subprocess.run(("gcc", *options, "-o", str(program), str(SOURCE)), check=True, timeout=SECONDS)
    return program


def core_of(program: Path, bug: str, folder: Path) -> Path:
    """Run it into ``bug`` with cores allowed; the core, whatever the machine calls it."""
    folder.mkdir(parents=True, exist_ok=True)
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    assert not pattern.startswith(("|", "/")), f"cores go elsewhere here: {pattern}"
    argv = ("prlimit", "--core=unlimited", str(program), bug)
    process = subprocess.Popen(argv, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    cores = sorted(folder.glob("core*"))
    assert len(cores) == 1, f"{bug} left {cores}"
    return cores[0]
