"""The reproducer of a conformance case that a daemon did not survive.

The calls that the case had made, as a script that needs only libvirt-python; those of the case
before when the daemon was dead before this one made any. Where they are not known (the process of
the suite died with the daemon in it), the command that runs the case again.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from string import Template

from ci.codec import from_json
from ci.crash.explain import CrashReport
from ci.journal import read
from ci.model import CaseResult
from suites.hypervisor.calls import CRASHED, HUNG, OK, Tallies
from suites.hypervisor.trail import Made

CALLS = ".calls.jsonl"  # beside the ledger
_NAME = re.compile(r"(?P<area>[a-z_]+)/(?P<behaviour>\w+)(?P<with>\[.*\])?$")
_SCRIPT = Template('''\
"""The calls of $case, after which the daemon of libvirt was found dead or hanging.

    python3 reproduce.py [URI [LOOPS]]        exit code 1: the daemon did not survive
"""

import sys

import libvirt

URI = sys.argv[1] if len(sys.argv) > 1 else $uri
LOOPS = int(sys.argv[2]) if len(sys.argv) > 2 else 20


def calls(connection):
$calls


def refused(call, code):
    """A call that libvirt answered with an error when the case was run."""
    try:
        return call()
    except libvirt.libvirtError as error:
        if error.get_error_code() != code:
            raise


libvirt.registerErrorHandler(lambda _context, _error: None, None)
libvirt.virEventRegisterDefaultImpl()
for loop in range(1, LOOPS + 1):
    connection = libvirt.open(URI)
    try:
        calls(connection)
    except libvirt.libvirtError as error:
        if not connection.isAlive():
            sys.exit(f"loop {loop}: the daemon did not survive: {error}")
        print(f"loop {loop} ended early: {error}")
    connection.close()
print(f"{LOOPS} loops, and the daemon is alive")
''')


def make_case_bundle(
    folder: Path, ledger: Path, case: CaseResult, report: CrashReport, packages: tuple[str, ...]
) -> None:
    """Write the script, where the calls are known, and a text for upstream into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    told = _told(ledger, case.name)
    if told is not None and any(one.line for one in told.made):
        text = script(told.before or case.name, told)
        (folder / "reproduce.py").write_text(text, encoding="utf-8")
    page = _page(case, told, report, packages, scripted=(folder / "reproduce.py").is_file())
    (folder / "report.md").write_text(page, encoding="utf-8")


def _told(ledger: Path, name: str) -> Tallies | None:
    """What was kept of the calls of a case, as it was run last."""
    path = ledger.with_suffix(CALLS)
    if not path.is_file():
        return None
    events = [event for event in read(path) if event.what == "calls" and event.name == name]
    return from_json(events[-1].data, Tallies) if events else None


def script(case: str, told: Tallies) -> str:
    """The calls as a program. What cannot be made again stands there as a comment."""
    lines = [text for one in told.made for text in _lines(one)] or ["pass"]
    body = "\n".join(f"    {line}" for line in lines)
    return _SCRIPT.substitute(case=case, uri=repr(told.uri), calls=f"{body}\n    return")


def _lines(one: Made) -> tuple[str, ...]:
    if not one.line:
        return (f"# {one.function}: its arguments cannot be written down",)
    if one.outcome == OK:
        return (one.line,)
    if one.outcome in (CRASHED, HUNG):
        end = "the daemon died here" if one.outcome == CRASHED else "this did not return"
        return (f"{one.line}  # {end}",)
    given = re.match(r"(\w+ = )?(.*)", one.line, re.DOTALL)
    assert given is not None
    return (f"{given[1] or ''}refused(lambda: {given[2]}, {one.outcome})",)


def command(case: str, uri: str) -> str:
    """The command that runs one case again."""
    return f"virtci tck {shlex.quote(uri or 'URI')} {shlex.quote(case)}"


def _calls_of(before: str) -> str:
    return f"## Calls of {before}, behind which the daemon was dead" if before else "## Calls"


def _page(
    case: CaseResult,
    told: Tallies | None,
    report: CrashReport,
    packages: tuple[str, ...],
    *,
    scripted: bool,
) -> str:
    """For an upstream tracker."""
    uri = told.uri if told else ""
    lines = [f"# {report.signature}", "", f"`{case.name}`: {case.message}", ""]
    if scripted:
        lines += ["To reproduce (needs libvirt-python): `python3 reproduce.py [URI [LOOPS]]`", ""]
    before = told.before if told else ""
    lines += [f"With virtci: `{command(before or case.name, uri)}`", "", _calls_of(before), ""]
    lines += [f"- `{one.line or one.function}`" for one in (told.made if told else ())[-40:]]
    if told is not None and not told.made:
        lines += [f"- {one.count} x {one.function}({one.arguments})" for one in told.calls]
    lines += ["", "## Packages", "", *(f"- {nevra}" for nevra in packages)]
    lines += ["", "## Stack", "", *(f"    {frame}" for frame in report.told.stack)]
    return "\n".join(lines) + "\n"
