"""The Test Anything Protocol, as Perl's Test::More writes it."""

from __future__ import annotations

import re

from ci.model import Outcome
from suites.external.case import Finding, failed

RESULT = re.compile(
    r"^(?P<failed>not )?ok\b *(?P<number>\d+)?(?: *-)? *(?P<text>[^#]*?) *"
    r"(?:# *(?P<what>(?i:skip|todo))\S* *(?P<why>.*))?$"
)
# a line of libvirt's own log, which the client writes where LIBVIRT_LOG_OUTPUTS says
LOGGED = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+\d{4}: \d+: (?:error : \w+:\d+|info) : (?P<text>.*)$"
)
NOT_FOUND = re.compile(r": (?:command )?not found$")
# what Perl and Python say when a script needs a module that is not installed
NO_MODULE = re.compile(r"Can't locate (\S+)\.pm in @INC|No module named '([\w.]+)'")
PLAN = re.compile(r"^1\.\.(\d+)(?: *# *(?i:skip)\S* *(.*))?$")


def parse(script: str, output: str, status: int) -> tuple[Finding, ...]:
    """The verdicts that a script printed. ``output`` has its diagnostics in between.

    A script that bailed out, or lacks a module, is broken; one that printed too little, or died,
    has failed.
    """
    if (bailed := re.search(r"^Bail out! *(.*)$", output, re.MULTILINE)) is not None:
        return (_bailed(script, bailed[1] or "no reason given", output),)
    findings = _results(script, output.splitlines())
    whole = _whole(script, output, status, len(findings), any_failed=_has_failed(findings))
    return (*findings, whole) if whole else findings


def _bailed(script: str, why: str, output: str) -> Finding:
    """The set-up did not work; for a call that the driver does not have that is an answer."""
    finding = failed(script, f"bailed out: {why}", output)
    if finding.outcome is Outcome.UNSUPPORTED:
        return finding
    return Finding(name=script, outcome=Outcome.BROKEN, message=f"bailed out: {why}", detail=output)


def _results(script: str, lines: list[str]) -> tuple[Finding, ...]:
    found: list[Finding] = []
    error = ""  # the last one of libvirt's or of the shell's since the result before
    for position, line in enumerate(lines):
        if logged := LOGGED.match(line):
            error = logged["text"] if " error : " in line else error
        elif NOT_FOUND.search(line):
            error = line.strip("< ")
        elif match := RESULT.match(line):
            notes = _notes(lines[position + 1 :])
            found.append(_finding(script, match, len(found) + 1, notes, error))
            error = ""
    return tuple(found)


def _finding(script: str, match: re.Match[str], position: int, notes: str, error: str) -> Finding:
    name = f"{script}/{match['number'] or position} {match['text'] or ''}".strip()
    match (match["what"] or "").lower(), bool(match["failed"]):
        case "skip", _:
            return Finding(name=name, outcome=Outcome.SKIPPED, message=match["why"] or "skipped")
        case "todo", True:
            why = f"not expected to work yet: {match['why']}"
            return Finding(name=name, outcome=Outcome.SKIPPED, message=why)
        case _, True:
            message = notes.split("\n", 1)[0] or "not ok"
            return failed(name, f"{message}: {error}" if error else message, notes)
        case _:
            return Finding(name=name, outcome=Outcome.PASSED)


def _notes(lines: list[str]) -> str:
    """The diagnostics right after a result."""
    notes = []
    for line in lines:
        if LOGGED.match(line):
            continue
        if not line.lstrip().startswith("#"):
            break
        notes.append(line.lstrip("# "))
    return "\n".join(notes)


def _has_failed(findings: tuple[Finding, ...]) -> bool:
    return any(f.outcome in (Outcome.FAILED, Outcome.UNSUPPORTED) for f in findings)


def _whole(
    script: str, output: str, status: int, count: int, *, any_failed: bool
) -> Finding | None:
    """What is wrong with the script as a whole, if its results do not tell already."""
    plan = next((m for line in output.splitlines() if (m := PLAN.match(line))), None)
    if plan is not None and plan[1] == "0":
        return Finding(name=script, outcome=Outcome.SKIPPED, message=plan[2] or "nothing to do")
    if any_failed:
        return None
    tail = "\n".join(output.splitlines()[-20:])
    if status != 0 and (module := NO_MODULE.search(output)):
        name = (module[1] or module[2]).replace("/", "::")
        why = f"this machine has no module {name}, which the script needs"
        return Finding(name=script, outcome=Outcome.BROKEN, message=why, detail=tail)
    if status != 0:
        return failed(script, f"died with status {status} after {count} results", tail)
    if plan is None or int(plan[1]) != count:
        planned = plan[1] if plan else "no number of"
        return failed(script, f"printed {count} results, {planned} were planned", tail)
    return None
