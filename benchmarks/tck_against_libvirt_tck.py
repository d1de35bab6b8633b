"""Our API suite against libvirt-tck: distinct API functions, results, wall seconds.

    LIBVIRT_TCK_DIR=... python -m benchmarks.tck_against_libvirt_tck DRIVER [AREA] [--untraced]

DRIVER is test or qemu; AREA may be a script of libvirt-tck as well.

Both run on the same daemon (or on test:///default), one after the other. Which functions were
called is read from libvirt's own debug log on the client's side, so both bindings are measured
alike; libvirt-api.xml (package libvirt-dev) says which names are API.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ci.codec import from_json
from ci.commands.tck import workers_for
from ci.deadline import Deadline
from ci.guest.build import Guest, build_guest
from ci.journal import read
from ci.model import CaseResult
from ci.shell import LocalShell
from suites import external, tck
from tests.libvirtd import start_libvirtd

API = Path("/usr/share/libvirt/api/libvirt-api.xml")
CALLED = re.compile(rb"debug : (vir\w+):\d+ : ")
SECONDS = 3600
UNTRACED = "--untraced"  # seconds alone: writing the log of each call costs whoever calls more


def api_names() -> frozenset[str]:
    return frozenset(re.findall(r"<function name='(vir\w+)'", API.read_text(encoding="utf-8")))


def functions(log: Path, api: frozenset[str]) -> frozenset[str]:
    with log.open("rb") as lines:
        found = {match[1].decode() for line in lines if (match := CALLED.search(line))}
    return frozenset(found) & api


def run(name: str, command: tuple[str, ...], ledger: Path, api: frozenset[str]) -> frozenset[str]:
    """Run one suite; the functions that it called, none when nothing is traced (empty ``api``)."""
    log = ledger.with_suffix(".debug")
    log.touch()
    traced = {"LIBVIRT_LOG_FILTERS": "1:libvirt", "LIBVIRT_LOG_OUTPUTS": f"1:file:{log}"}
    env = {**os.environ, **(traced if api else {})}
    began = time.monotonic()
    output = ledger.with_suffix(".out")
    with output.open("wb") as out:
        subprocess.run(command, stdout=out, stderr=out, env=env, timeout=SECONDS, check=False)
    seconds = time.monotonic() - began
    called = functions(log, api)
    cases = [from_json(e.data, CaseResult) for e in read(ledger) if e.what == "case"]
    counts = Counter(str(case.outcome) for case in cases)
    told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    print(f"{name:12} {len(called):4} functions {len(cases):5} cases {seconds:7.1f} s   {told}")
    return called


@contextlib.contextmanager
def connection(driver: str) -> Iterator[str]:
    if driver == "test":
        yield "test:///default"
        return
    with start_libvirtd() as daemon:
        yield daemon.uri


def main() -> None:
    words = [word for word in sys.argv[1:] if word != UNTRACED]
    driver, named = (words or ["test"])[0], tuple(words[1:])
    guest: Guest = build_guest(LocalShell(), Deadline.after(SECONDS), say=print)
    folder = Path(tempfile.mkdtemp(prefix="virtci-benchmark-"))
    api = frozenset[str]() if UNTRACED in sys.argv else api_names()
    ours, theirs = folder / "ours.jsonl", folder / "theirs.jsonl"
    with connection(driver) as uri:
        command = tck.argv(
            uri, ours, named, kernel=guest.kernel, initrd=guest.initrd, workers=workers_for(uri)
        )
        mine = run("virtci tck", command, ours, api)
        other = external.argv(
            "libvirt-tck", theirs, (), name="libvirt-tck", uri=uri,
            kernel=guest.kernel, initrd=guest.initrd, seconds=120,
        )  # fmt: skip
        their = run("libvirt-tck", other, theirs, api)
    if not api:
        return
    print(f"{driver}: {len(mine) / max(1, len(their)):.2f} x the functions of libvirt-tck")
    print("only libvirt-tck calls:", ", ".join(sorted(their - mine)) or "none")


if __name__ == "__main__":
    main()
