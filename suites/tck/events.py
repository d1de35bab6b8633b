"""The pytest plugin that turns each test into one verdict and writes it to the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import libvirt
import msgspec
import pytest

from ci.codec import from_json, to_json
from ci.journal import Event, Journal, read
from ci.model import CaseResult, Outcome
from suites.hypervisor.api import CallHung, DaemonCrashed
from suites.hypervisor.calls import Recorder, Tallies
from suites.hypervisor.watchdog import Pending
from suites.tck.baseline import Known, known_for, today, waive
from suites.tck.supervise import note_file, read_note
from suites.tck.verdict import Unsupported, verdict

SUITE = "tck"
CASE = "virtci-case"
CALLS = "virtci-calls"
DETAIL_LINES = 120
STUCK = " (stuck)"  # behind the noted call of a worker that ends because of it
KILLED = "killed the process that its driver ran in (a worker of the suite)"
KINDS: dict[type[BaseException], str] = {DaemonCrashed: "crashed", CallHung: "hung"}
VERDICTS = pytest.StashKey[list[tuple[Outcome, str, str, str]]]()
STARTED = pytest.StashKey[float]()


def case_name(item: pytest.Item) -> str:
    """area/behaviour, from the file and the function: ``memory/the_maximum_is_reported``."""
    return _case_name(item.nodeid)


def _case_name(nodeid: str) -> str:
    file, _, function = nodeid.partition("::")
    return f"{Path(file).stem.removeprefix('test_')}/{function.removeprefix('test_')}"


def calls_file(ledger: Path) -> Path:
    """Where the calls of each case lie beside the ledger."""
    return ledger.with_suffix(".calls.jsonl")


class Verdicts:
    """Judges every phase; the worst phase is the case. Runs where the tests run."""

    def __init__(self, recorder: Recorder, *, host: str) -> None:
        self.recorder = recorder
        self.host = host
        self.driver = ""
        self.known: tuple[Known, ...] = ()
        self.item: pytest.Item | None = None

    def drives(self, driver: str) -> None:
        """Judge by what is known of this driver from now on."""
        if driver != self.driver:
            self.driver, self.known = driver, known_for(driver)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self.item = item
        verdicts = item.stash.setdefault(VERDICTS, [])
        item.stash.setdefault(STARTED, call.start)
        if call.excinfo is not None:
            verdicts.append(_judge(call, report))
            self._show_waiver(item, call, report)
        if call.when == "teardown":
            case = self._case(item, call)
            report.user_properties.append((CASE, to_json(case).decode()))
            report.user_properties.append((CALLS, to_json(self._calls(item, case)).decode()))
        return report

    def _calls(self, item: pytest.Item, case: CaseResult) -> Tallies:
        made, before = self.recorder.fatal() if case.properties.get("verdict") else ((), "")
        uri = str(item.config.getoption("connect")) if made else ""
        calls = self.recorder.take()
        return Tallies(driver=self.driver, calls=calls, made=made, uri=uri, before=before)

    def _show_waiver(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> None:
        """What the baseline waives is an expected failure to pytest, too."""
        case = self._case(item, call)
        if report.failed and case.outcome is Outcome.WAIVED:
            report.outcome, report.wasxfail = "skipped", case.message

    def _case(self, item: pytest.Item, call: pytest.CallInfo[None]) -> CaseResult:
        seconds = call.stop - item.stash[STARTED]
        result = _result(case_name(item), item.stash[VERDICTS], seconds, self.host)
        return waive(result, self.known, today())

    def stuck(self, pending: Pending) -> CaseResult:
        """The verdict of the case that is running when a call can not be ended at all."""
        message = f"{pending.function} did not return, and nothing could make it return"
        return self.hung(message, pending.evidence, function=pending.function)

    def hung(self, message: str, evidence: str, *, function: str = "virConnectOpen") -> CaseResult:
        """The verdict of the case that is running, or of the way to the first one."""
        return CaseResult(
            suite=SUITE,
            name=case_name(self.item) if self.item is not None else "connection/start",
            host=self.host,
            outcome=Outcome.FAILED,
            message=message,
            detail=evidence,
            properties={"verdict": "hung", "function": function},
        )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        self.item = item
        self.recorder.note_case(case_name(item))
        with answers(session=is_session(item)):
            yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        with answers(session=is_session(item)):
            yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        with answers(session=is_session(item)):
            yield


def is_session(item: pytest.Item) -> bool:
    """Whether the daemon is that of one user, who may do less than root."""
    return urlsplit(str(item.config.getoption("connect"))).path == "/session"


@contextmanager
def answers(*, session: bool = False) -> Iterator[None]:
    """An answer of the driver ends a case without the traceback that a failure deserves; a case
    that was stopped has no verdict."""
    try:
        yield
    except (libvirt.libvirtError, Unsupported) as error:
        outcome, reason = verdict(error, "call", session=session)
        if outcome in (Outcome.UNSUPPORTED, Outcome.SKIPPED):
            pytest.skip(f"{outcome}: {reason.splitlines()[0]}")
        raise
    except SystemError as error:
        # Python found that somebody had stopped us when a call of libvirt came back with a result
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


def _judge(call: pytest.CallInfo[None], report: pytest.TestReport) -> tuple[Outcome, str, str, str]:
    """Outcome, reason, detail, and how a crash or a hang is called."""
    assert call.excinfo is not None
    error = call.excinfo.value
    if isinstance(error, pytest.skip.Exception):
        said, _, reason = str(error).partition(": ")
        answered = said in (Outcome.UNSUPPORTED, Outcome.SKIPPED)
        return (Outcome(said), reason, "", "") if answered else _skipped(error)
    outcome, reason = verdict(error, call.when)
    short = reason.splitlines()[0] if reason else type(error).__name__
    kind = KINDS.get(type(error), "")
    evidence = getattr(error, "detail", "")
    text = "\n".join((*str(report.longreprtext).splitlines()[-DETAIL_LINES:], evidence))
    return outcome, short, text, kind


def _skipped(error: BaseException) -> tuple[Outcome, str, str, str]:
    return Outcome.SKIPPED, str(error), "", ""


def _result(
    name: str, verdicts: list[tuple[Outcome, str, str, str]], seconds: float, host: str
) -> CaseResult:
    order = list(Outcome)
    passed = (Outcome.PASSED, "", "", "")
    # a crash or a hang explains whatever went wrong after it
    fatal = [verdict for verdict in verdicts if verdict[3]]
    worst = max(fatal or verdicts, key=lambda v: order.index(v[0]), default=passed)
    outcome, reason, detail, kind = worst
    return CaseResult(
        suite=SUITE,
        name=name,
        host=host,
        outcome=outcome,
        seconds=round(seconds, 4),
        message=reason,
        detail=detail,
        properties={"verdict": kind} if kind else {},
    )


class Ledger:
    """The one writer of the ledger; runs in the process that was started, not in its workers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = {event.name for event in _events(path) if event.what == "case"}
        self._cases = Journal(path)
        # not synced: it has to outlive this process, not the machine
        self._calls = calls_file(path).open("ab", buffering=0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if report.when == "teardown":
            self.write(from_json(str(properties[CASE]), CaseResult))
            calls = str(properties[CALLS]).encode()
            self._calls.write(msgspec.json.encode(_event("calls", report.nodeid, calls)) + b"\n")
        elif report.when not in ("setup", "call"):  # a worker died
            self.write(_lost(report))

    def write(self, case: CaseResult) -> None:
        self._cases.append(_event("case", case.name, to_json(case)))

    def pytest_unconfigure(self) -> None:
        self._cases.close()
        self._calls.close()


def _event(what: str, name: str, data: bytes) -> Event:
    name = _case_name(name) if "::" in name else name
    return Event(at=time.time(), what=what, name=name, data=msgspec.Raw(data))


def _lost(report: pytest.TestReport) -> CaseResult:
    """The verdict of a case whose worker died, with the call that the worker noted last."""
    worker = getattr(getattr(report, "node", None), "gateway", None)
    call, _ = read_note(note_file(worker.id)) if worker is not None else ("", "")
    hung = call.endswith(STUCK)
    function = call.removesuffix(STUCK) or "a call before the first one of libvirt"
    does = "did not return, and nothing could make it return" if hung else KILLED
    return CaseResult(
        suite=SUITE,
        name=_case_name(report.nodeid),
        outcome=Outcome.FAILED,
        message=f"{function} {does}",
        properties={"verdict": "hung" if hung else "crashed", "function": function},
        detail=report.longreprtext,
    )


def _events(path: Path) -> tuple[Event, ...]:
    return tuple(read(path)) if path.exists() else ()


def give_up(ledger: Ledger | None, verdicts: Verdicts, pending: Pending) -> None:
    """The last resort when a call blocks this process for ever: note it, and end.

    The supervisor (or pytest-xdist, for its workers) goes on with a new process.
    """
    if ledger is not None:
        ledger.write(verdicts.stuck(pending))
    else:
        verdicts.recorder.begin(pending.function + STUCK)
    os.abort()
