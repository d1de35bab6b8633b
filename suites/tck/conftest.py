"""Options, the session's connection, and the fixtures that the cases are written with."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import libvirt
import pytest

from ci.errors import InfraError, VirtciError
from suites.hypervisor.api import CallHung, DaemonCrashed
from suites.hypervisor.calls import Recorder
from suites.hypervisor.domain_xml import DomainXml
from suites.hypervisor.handle import Handle
from suites.hypervisor.watchdog import Watchdog
from suites.tck.alone import MARK, room
from suites.tck.bytecode import keep_bytecode
from suites.tck.events import Ledger, Verdicts, give_up
from suites.tck.lab import Lab
from suites.tck.live import Guest
from suites.tck.lost import Tool, end_lost
from suites.tck.options import add_options, options_of
from suites.tck.order import order_for
from suites.tck.spare import Lend
from suites.tck.supervise import LEDGER_VARIABLE, current_call, is_child, note_file, supervise
from suites.tck.sweep import foreign, sweep

LAB = pytest.StashKey[Lab]()
VERDICTS = pytest.StashKey[Verdicts]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser.getgroup("virtci tck"))


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("connect"):
        raise pytest.UsageError("--connect URI is needed, for example --connect test:///default")
    if not is_child() and not _is_worker(config):
        return  # the supervisor runs nothing itself
    keep_bytecode()
    config.addinivalue_line("markers", f"{MARK}: no other case may run at the same time")
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    recorder = Recorder(current_call(worker))
    verdicts = Verdicts(recorder, host=config.getoption("host"))
    ledger = None if worker else Ledger(_ledger_path(config))
    watchdog = Watchdog(lambda pending: give_up(ledger, verdicts, pending))
    config.stash[LAB] = Lab(options_of(config, worker), recorder, watchdog)
    config.stash[VERDICTS] = verdicts
    config.pluginmanager.register(verdicts, "virtci-verdicts")
    order = order_for(config, ledger.done if ledger is not None else ())
    config.pluginmanager.register(order, "virtci-order")
    if ledger is not None:
        config.pluginmanager.register(ledger, "virtci-ledger")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run everything in a child that may die."""
    if is_child() or config.getoption("help"):
        return None
    return supervise(sys.orig_argv, _ledger_path(config), config.getoption("host"))


def _ledger_path(config: pytest.Config) -> Path:
    """The ledger asked for, or a new one that survives a restart of this process."""
    if (path := config.getoption("ledger")) is not None:
        return Path(path)
    if LEDGER_VARIABLE not in os.environ:
        folder = tempfile.mkdtemp(prefix="virtci-tck-ledger-")
        os.environ[LEDGER_VARIABLE] = f"{folder}/ledger.jsonl"
    return Path(os.environ[LEDGER_VARIABLE])


def pytest_sessionstart(session: pytest.Session) -> None:
    """Connect and sweep once; a connection that cannot be had is said in one sentence."""
    lab = session.config.stash[LAB]
    try:
        left = sweep(lab.connection, prefix=lab.names.prefix)
        lost = () if _is_worker(session.config) else end_lost(lab.connection, _tool(lab))
    except CallHung as error:
        _hung_at_start(session.config, error)
        return
    except (libvirt.libvirtError, VirtciError) as error:
        raise pytest.UsageError(f"cannot connect to {lab.options.uri}: {error}") from None
    for sentence in left.values():
        sys.stderr.write(f"left by an earlier run: {sentence}\n")
    for domain in lost:
        sys.stderr.write(f"before this run: {domain}\n")
    session.config.stash[VERDICTS].drives(lab.driver)
    if _has_workers(session.config):
        lab.close()  # it only swept; the workers have connections of their own


def _hung_at_start(config: pytest.Config, error: CallHung) -> None:
    """The first case of a worker tells of it; who has no cases to run ends with one of its own."""
    if _is_worker(config):
        config.stash[LAB].unsaid = error
        return
    ledger = config.pluginmanager.get_plugin("virtci-ledger")
    assert isinstance(ledger, Ledger)
    case = config.stash[VERDICTS].hung(error.message, error.detail)
    ledger.write(case)
    pytest.exit(f"{case.name}: {case.message}", returncode=pytest.ExitCode.TESTS_FAILED)


def _tool(lab: Lab) -> Tool:
    return Tool(lab.options.hypervisor_list, lab.options.hypervisor_destroy)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _has_workers(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "numprocesses", None))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker that died left its objects to whoever started it."""
    if not _has_workers(session.config):
        return
    lab = session.config.stash[LAB]
    try:
        left = sweep(lab.connection, prefix=lab.names.prefix)
    except (libvirt.libvirtError, VirtciError) as error:
        left = {"": f"nothing could be swept: {error}"}
    for sentence in left.values():
        sys.stderr.write(f"left by a worker: {sentence}\n")


def pytest_unconfigure(config: pytest.Config) -> None:
    if (lab := config.stash.get(LAB, None)) is not None:
        lab.close()


@pytest.fixture(scope="session")
def session_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab of this session; at its end everything of ours is gone and the rest untouched."""
    lab = request.config.stash[LAB]
    before = _others(lab)
    yield lab
    lab.kept.clear()
    left = sweep(lab.connection, prefix=lab.names.prefix)
    assert not left, "; ".join(left.values())
    lost = [str(one) for one in end_lost(lab.connection, _tool(lab), lab.names.prefix) if one.ours]
    assert not lost, "; ".join(lost)
    changed = before.symmetric_difference(foreign(lab.connection)) if before is not None else ()
    assert not changed, f"objects that are not ours came or went: {', '.join(sorted(changed))}"


def _others(lab: Lab) -> frozenset[str] | None:
    """What is not ours; None when nobody can say, which the first case tells of.

    pytest gives the failure of a session's fixture to every case, also when all is well again.
    """
    if lab.unsaid is not None:
        return None
    try:
        return foreign(lab.connection)
    except (CallHung, DaemonCrashed) as error:
        lab.unsaid = error
    except (libvirt.libvirtError, InfraError):
        pass  # the first case will try as well
    return None


@pytest.fixture(autouse=True)
def its_room(request: pytest.FixtureRequest) -> Iterator[None]:
    """Cases of several workers run together, but for those that are marked ``alone``.

    A word in the mark means: apart only from cases that are marked with the same word.
    """
    mark = request.node.get_closest_marker(MARK)
    word = mark.args[0] if mark is not None and mark.args else ""
    with room(note_file(), alone=mark is not None and not word), _apart(word):
        yield


def _apart(word: str) -> AbstractContextManager[None]:
    """Alone among the cases that have the same word in their mark."""
    return room(Path(f"{note_file()}.{word}"), alone=True) if word else nullcontext()


@pytest.fixture(autouse=True)
def lab(request: pytest.FixtureRequest, its_room: None, session_lab: Lab) -> Iterator[Lab]:
    """A working connection before each case, and nothing left of ours after it."""
    if (unsaid := session_lab.unsaid) is not None:
        session_lab.unsaid = None
        raise unsaid
    try:
        connection = session_lab.connection
    except libvirt.libvirtError as error:
        raise InfraError(f"the connection is gone and does not come back: {error}") from None
    request.config.stash[VERDICTS].drives(session_lab.driver)
    if session_lab.reconnected:
        _clear_away(session_lab, connection)
    yield session_lab
    functions = session_lab.recorder.functions()
    left = sweep(
        session_lab.connection,
        prefix=session_lab.names.prefix,
        keep=session_lab.kept,
        functions=functions,
    )
    if any(function.startswith("virStorageVolCreate") for function in functions):
        left |= session_lab.scratch.sweep_volumes()
    session_lab.kept.update(left)  # told once, not after every case that follows
    assert not left, "; ".join(left.values())


def _clear_away(lab: Lab, connection: Handle) -> None:
    """What a broken connection left: known to the daemon that came back, or lost by it."""
    left = sweep(connection, prefix=lab.names.prefix)
    lab.kept.update(left)
    lab.reconnected = False
    lost = end_lost(connection, _tool(lab), lab.names.prefix)
    for sentence in (*left.values(), *map(str, lost)):
        sys.stderr.write(f"after the connection broke: {sentence}\n")


@pytest.fixture
def connection(lab: Lab) -> Handle:
    """The connection under test."""
    return lab.connection


@pytest.fixture
def domain_xml(lab: Lab) -> DomainXml:
    """The smallest domain that starts here; it does not exist yet."""
    return lab.domain()


@pytest.fixture
def defined(connection: Handle, domain_xml: DomainXml) -> Handle:
    """A persistent domain that does not run."""
    domain: Handle = connection.defineXML(str(domain_xml))
    return domain


@pytest.fixture
def fresh(defined: Handle) -> Handle:
    """A persistent domain of the case's own that runs; nothing in it has to be alive."""
    defined.create()
    return defined


@pytest.fixture
def running(lab: Lab, connection: Handle) -> Iterator[Handle]:
    """The same, handed on by the last case if it left it as it was."""

    def make() -> Handle:
        domain: Handle = connection.defineXML(str(lab.domain()))
        domain.create()
        return domain

    yield lab.spares.borrow("running", make)
    lab.spares.give_back("running")


@pytest.fixture
def savable(lab: Lab, connection: Handle) -> Iterator[Handle]:
    """A persistent domain that runs and can be saved: a paravirtual guest has to be up for that.

    The next case has it if it runs again, also if it was saved and restored.
    """
    yield lab.up(lab.spares.borrow("savable", lab.savable_domain))
    lab.spares.give_back("savable", any_run=True)


@pytest.fixture
def shared(lab: Lab) -> Handle:
    """A running domain for cases that only look, or that are refused."""
    return lab.shared()


@pytest.fixture
def transient(lab: Lab, connection: Handle) -> Iterator[Handle]:
    """A running domain without a configuration, handed on likewise."""
    yield lab.spares.borrow("transient", lambda: connection.createXML(str(lab.domain()), 0))
    lab.spares.give_back("transient")


@pytest.fixture
def lend(lab: Lab) -> Iterator[Lend]:
    """Lends the domain of a kind, which the case itself makes if the last one left none."""
    kinds: list[str] = []

    def borrow(kind: str, make: Callable[[], Handle]) -> Handle:
        kinds.append(kind)
        return lab.spares.borrow(kind, make)

    yield borrow
    for kind in kinds:
        lab.spares.give_back(kind)


@pytest.fixture
def guest(lab: Lab, connection: Handle) -> Iterator[Guest]:
    """A persistent domain with a booted guest that tells how it is."""
    live = lab.borrow_guest()
    yield live
    lab.give_back(live)
