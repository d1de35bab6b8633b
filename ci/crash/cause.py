"""What a failed case died of: one of the crashes that the evidence tells of, or a hang it shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ci.crash.attribution import HANG, loss_meaning
from ci.crash.explain import CrashReport
from ci.crash.signature import leak_signature, signature
from ci.crash.text import parse_traces
from ci.model import CaseResult

_PROCESS = re.compile(r"the daemon (?:was |is still |\()process (\d+)")
_LEAK = re.compile(r"the (?P<program>daemon) leaks (?P<quantity>[\w ]+?):")
_TELLING = ("crashed", "hung")  # a suite's own word for it: its property "verdict"


@dataclass(frozen=True)
class Cause:
    """A crash, hang or leak by its name. ``files`` are relative to the evidence."""

    signature: str
    files: tuple[str, ...] = ()


def cause_of(case: CaseResult, reports: Sequence[CrashReport]) -> Cause | None:
    """The crash that a case died of; None when it died of none, or of one that nothing tells apart.

    Known by the process that served the case, else it must be the only crash of its sort.
    """
    if found := _LEAK.search(case.message):
        return Cause(leak_signature("libvirtd", found["quantity"]))
    hung = bool(HANG.search(case.message)) or case.properties.get("verdict") == "hung"
    died = bool(loss_meaning(case.message)) or case.properties.get("verdict") in _TELLING
    pids = set(_PROCESS.findall(case.message))
    if not (hung or died or pids):
        return None
    own = [one for one in reports if pids & _numbers(one)] or _only(reports, pids, hung=hung)
    if len(own) == 1:
        return Cause(own[0].signature, own[0].files)
    return _shown(case) if hung else None


def _only(reports: Sequence[CrashReport], pids: set[str], *, hung: bool) -> list[CrashReport]:
    """The crashes that nothing speaks against: no core of another process tells of them."""
    fitting = [one for one in reports if _hangs(one) == hung]
    return [one for one in fitting if not (pids and _numbers(one))]


def _numbers(report: CrashReport) -> set[str]:
    """Numbers in the names of a crash's cores: one of them is the process."""
    return {
        number for file in report.files for number in re.findall(r"\d+", file.rpartition("/")[2])
    }


def _hangs(report: CrashReport) -> bool:
    return ": hang of " in report.signature


def _shown(case: CaseResult) -> Cause | None:
    """A hang whose backtrace the suite itself took."""
    names = [signature(trace) for trace in parse_traces(case.detail)]
    return Cause(names[0]) if names else None
