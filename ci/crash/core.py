"""Core dumps: what they are of, and all their stacks through gdb, with symbols by build-id."""

from __future__ import annotations

from pathlib import Path

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.shell import STATUS_NOT_FOUND, Shell

GDB_SECONDS = 120.0
INSTALL_GDB = "apt-get install gdb (or gdb-minimal); zypper install gdb"
_ET_CORE = 4
QUIET = (
    "set pagination off",
    "set width 0",
    "set debuginfod enabled off",
    "set print frame-arguments scalars",
    "set print elements 300",
    "set max-value-size unlimited",
)
ASKED = (
    "info proc exe",
    r'printf "si_code %d\n", $_siginfo.si_code',
    "p __glib_assert_msg",
    "p (char *) __abort_msg->msg",
    "bt",
    "thread apply all bt",
)


def is_core(path: Path) -> bool:
    """Whether the file is an ELF core dump. Raises UsageError when it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(18)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    order = "little" if head[5:6] == b"\x01" else "big"
    kind = int.from_bytes(head[16:18], order)  # type: ignore[arg-type] # one of two literals
    return head[:4] == b"\x7fELF" and kind == _ET_CORE


def trace_core(
    path: Path,
    shell: Shell,
    deadline: Deadline,
    *,
    sysroot: Path | None = None,
    executable: str = "",
) -> str:
    """What gdb tells of a core: its own words, all threads.

    ``sysroot`` is a folder that looks like the host's root where libraries and debug information
    lie; ``executable`` is the program's path on this machine.
    Raises InfraError when there is no gdb or it fails, UsageError when the core is damaged.
    """
    commands = list(QUIET)
    if sysroot is not None:
        debug = f"{sysroot}/usr/lib/debug:/usr/lib/debug"  # both are asked by build-id
        commands += [f"set debug-file-directory {debug}", f"set sysroot {sysroot}"]
        commands += [f"set solib-search-path {':'.join(_folders_of_libraries(sysroot))}"]
    argv = ["gdb", "-batch", "-nx", "-q"]
    for command in (
        *commands,
        f"file {executable}" if executable else "",
        f"core-file {path}",
        *ASKED,
    ):
        argv += ["-ex", command] if command else []
    done = shell.run(tuple(argv), deadline.within(GDB_SECONDS), env={"LC_ALL": "C"})
    if done.status == STATUS_NOT_FOUND:
        raise InfraError(f"{path} needs gdb to be read, and there is none", hint=INSTALL_GDB)
    if "#0" not in done.stdout:
        raise UsageError(f"{path}: gdb finds no stack in this core", detail=done.tail())
    return done.stdout


def _folders_of_libraries(sysroot: Path) -> list[str]:
    """Where libraries are looked for by name, when the process knew them by another path."""
    return sorted({str(path.parent) for path in sysroot.rglob("*.so*") if path.is_file()})
