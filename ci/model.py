"""The nouns of a run. All frozen; paths are absolute or relative to the run's folder, as said."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, Self

import msgspec


class Outcome(enum.StrEnum):
    """How something ended; the order is the severity."""

    PASSED = "passed"
    UNSUPPORTED = "unsupported"  # the driver says that it does not do this
    SKIPPED = "skipped"  # not tried, and the message says why
    WAIVED = "waived"  # failed as is known, with a reason and a day until which that is accepted
    FAILED = "failed"  # the product is to blame
    BROKEN = "broken"  # the lab is to blame


SEVERITY = {outcome: rank for rank, outcome in enumerate(Outcome)}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The most severe outcome; no outcome at all is BROKEN, since nothing was proven."""
    return max(outcomes, key=SEVERITY.__getitem__, default=Outcome.BROKEN)


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen, strictly decoded record."""


class Commit(Record, frozen=True, kw_only=True):
    """One change of the source. ``date`` is ISO 8601."""

    id: str
    author: str
    date: str
    subject: str


class Tree(Record, frozen=True, kw_only=True):
    """A checked-out source.

    ``path`` is a folder; ``revision`` is what the source calls it (commit id, svn number, digest);
    ``digest`` is the sha256 of the content; ``version`` is a version that an RPM accepts, or empty.
    """

    path: str
    revision: str
    digest: str
    version: str = ""
    dirty: bool = False
    commits: tuple[Commit, ...] = ()


class BuildId(Record, frozen=True, kw_only=True):
    """The GNU build-id of one ELF file that a package installs at ``path``."""

    path: str
    build_id: str


class Rpm(Record, frozen=True, kw_only=True):
    """One binary package: where it lies here, its checksum, what its ELF files are."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    path: str
    sha256: str
    debug: bool = False
    build_ids: tuple[BuildId, ...] = ()

    @property
    def nevra(self) -> str:
        """name-[epoch:]version-release.arch, as ``rpm`` prints it."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{self.name}-{epoch}{self.version}-{self.release}.{self.arch}"


BUILT_BEFORE = "built before"


class Build(Record, frozen=True, kw_only=True):
    """What a builder made. ``revision`` is the source's; ``log`` is relative to the run.

    ``facts`` are what the builder knows besides, for the report (OBS: rev, srcmd5 ...;
    BUILT_BEFORE: the earlier run whose packages these are).
    """

    kind: str
    revision: str
    rpms: tuple[Rpm, ...]
    log: str = ""
    facts: dict[str, str] = {}


class Jump(Record, frozen=True, kw_only=True):
    """A host that others are reached through; the same strict keys as everywhere.

    ``key`` and ``known_hosts`` are files. An empty ``key`` means the agent's and the user's own.
    """

    address: str
    port: int = 22
    user: str = "root"
    key: str = ""
    known_hosts: str = "~/.ssh/known_hosts"

    def located(self, base: Path) -> Self:
        """With its files as absolute paths."""
        return msgspec.structs.replace(self, **located_login(self, base))


class _Login(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def known_hosts(self) -> str: ...


def located_login(login: _Login, base: Path) -> dict[str, str]:
    """Absolute paths of a login's files; an empty key stays the agent's or the user's own."""
    key = str(base / Path(login.key).expanduser()) if login.key else ""
    return {"key": key, "known_hosts": str(base / Path(login.known_hosts).expanduser())}


class Access(Record, frozen=True, kw_only=True):
    """How to reach a host that is up. Secrets are files, never values.

    ``uri`` is the libvirt connection URI of its hypervisor, usable from here; ``console`` is the
    file that its serial console is recorded in, when there is one; ``pid`` is the process of a
    nested host on this machine (0: none); ``lease`` the fencing token of the lease that it is held
    by (0: none is needed); ``emulated`` that no hardware runs it, so that it may be slow;
    ``through`` the host in between, which sees it at ``address`` and ``port``.
    """

    name: str
    address: str
    port: int
    user: str
    key: str
    known_hosts: str
    hypervisor: str
    uri: str
    boot_id: str
    console: str = ""
    pid: int = 0
    lease: int = 0
    emulated: bool = False
    through: Jump | None = None


class Served(Record, frozen=True, kw_only=True):
    """A daemon as its host shows it: pid and start time (clock ticks since boot) name its process.

    ``idles``: it was told to end by itself when nobody is connected. ``at`` is when it began, by
    the clock of this machine.
    """

    program: str
    pid: int
    start: int
    idles: bool
    at: float


class Mark(Record, frozen=True, kw_only=True):
    """What of a host's evidence is older than what is about to be done there.

    ``cores`` are file names, on this machine paths with times; ``folders`` is where cores lie on
    this machine; ``sizes`` are bytes of logs by path on the host; ``last`` is the last line of
    what is asked by commands, by the name of the file that its answer becomes; ``served`` are the
    daemons that answer there.
    """

    boot_id: str
    cores: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    sizes: dict[str, int] = {}
    last: dict[str, str] = {}
    served: tuple[Served, ...] = ()


class LeftCore(Record, frozen=True, kw_only=True):
    """A core of one of our programs that a host had not before a suite.

    ``path`` is where it lies there; ``at`` when it was written, by the clock of this machine.
    """

    program: str
    pid: int
    path: str
    at: float


class Replaced(Record, frozen=True, kw_only=True):
    """A daemon that ended and left no core; ``by`` is who answers now, None when nobody does."""

    was: Served
    by: Served | None = None

    def sentence(self) -> str:
        now = f"process {self.by.pid} answers now" if self.by else "nobody answers now"
        return (
            f"{self.was.program} (process {self.was.pid}) ended meanwhile and left no core; {now}"
        )


class Looked(Record, frozen=True, kw_only=True):
    """What a look at a host behind a suite found; ``trouble`` is why nobody could look."""

    cores: tuple[LeftCore, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    trouble: str = ""

    @property
    def died(self) -> bool:
        """Whether anything did that no case need have seen."""
        return bool(self.cores or self.replaced)


class Module(Record, frozen=True, kw_only=True):
    """One executable or library as it runs: proof by build-id that it is the one we built."""

    path: str
    build_id: str
    expected: str
    package: str


class Deployment(Record, frozen=True, kw_only=True):
    """Proof that these packages run on this host."""

    host: str
    uri: str
    installed: tuple[str, ...]
    modules: tuple[Module, ...]
    changed: tuple[str, ...]
    kernel: str
    hypervisor_version: str
    libvirt_version: str
    boot_id: str


class CaseResult(Record, frozen=True, kw_only=True):
    """One verdict. Anything but a pass must say why.

    ``steps`` are seconds by step name; ``files`` are relative to the run; ``properties`` are facts
    for the report (NEVRA, seed, rate ...).
    """

    suite: str
    name: str
    outcome: Outcome
    seconds: float = 0.0
    host: str = ""
    message: str = ""
    detail: str = ""
    steps: dict[str, float] = {}
    files: tuple[str, ...] = ()
    properties: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.outcome is not Outcome.PASSED and not self.message.strip():
            raise ValueError(f"{self.suite}/{self.name} is {self.outcome} without a reason")
