"""JUnit files, ours and other tools', as results: what others wrote is hostile until read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError  # types; reading goes through defusedxml

from defusedxml import DefusedXmlException, ElementTree

from ci.errors import UsageError
from ci.model import CaseResult, Outcome
from ci.report.results import RunHeader, RunResults, StepResult, SuiteResults
from ci.report.tallies import PIPELINE
from ci.report.xml_text import bounded, printable

DETAIL = 64 * 1024
TROUBLE = {"failure": Outcome.FAILED, "error": Outcome.BROKEN, "skipped": Outcome.SKIPPED}


def read_junit(path: Path) -> RunResults:
    """The results in a JUnit file. Raises UsageError when it is none, or unsafe to read."""
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise UsageError(f"{path}: is no XML that may be read: {error}") from None
    if root is not None:
        _forget_namespace(root)
    if root is None or root.tag not in ("testsuites", "testsuite"):
        found = "nothing" if root is None else f"<{printable(str(root.tag))[:40]}>"
        raise UsageError(f"{path}: is no JUnit file: it begins with {found}")
    suites = list(root.iter("testsuite"))
    steps = [case for suite in suites if _is_pipeline(suite) for case in suite.iter("testcase")]
    return RunResults(
        folder=str(path.with_suffix("")),
        header=RunHeader(plan=_property(root, "plan") or path.name, plan_digest="", virtci=""),
        started=0.0,
        ended=0.0,
        finished=True,
        interrupted=False,
        steps=tuple(_step(step) for step in steps),
        suites=tuple(_suite(s, n) for n, s in enumerate(suites, 1) if not _is_pipeline(s)),
    )


def _forget_namespace(root: Element) -> None:
    """Some tools write ``xmlns=...``; the words are the same."""
    space = str(root.tag).rpartition("}")[0]
    for element in root.iter() if space else ():
        element.tag = str(element.tag).removeprefix(f"{space}}}")


def _is_pipeline(suite: Element) -> bool:
    case = suite.find("testcase")
    return suite.get("name") == PIPELINE and (
        case is None or case.get("classname") == "virtci.pipeline"
    )


def _property(root: Element, name: str) -> str:
    for one in root.iter("property"):
        if one.get("name") == name:
            return printable(one.get("value", ""))
    return ""


def _step(case: Element) -> StepResult:
    name, seconds = printable(case.get("name", "?")), _seconds(case)
    for child in case:
        if child.tag in ("failure", "error"):
            blame = "lab" if child.tag == "error" else child.get("type", "product")
            return StepResult(
                name=name,
                state="failed",
                seconds=seconds,
                blame=blame,
                message=_message(child),
                detail=_detail(child),
            )
    return StepResult(name=name, state="done", seconds=seconds)


def _suite(element: Element, number: int) -> SuiteResults:
    named, _, host = printable(element.get("name") or f"suite {number}").partition(" on ")
    cases = tuple(_cases(element, named, host))
    return SuiteResults(
        host=host or element.get("hostname", ""), suite=named, ledger="", cases=cases
    )


def _cases(element: Element, suite: str, host: str) -> Iterator[CaseResult]:
    prefix = f"{suite}.{host}" if host else suite
    for case in element.findall("testcase"):
        area = case.get("classname", "").removeprefix(prefix).lstrip(".").replace(".", "/")
        name = "/".join(part for part in (area, case.get("name", "?")) if part)
        trouble = next((child for child in case if child.tag in TROUBLE), None)
        outcome, message = Outcome.PASSED, ""
        if trouble is not None:
            outcome, message = TROUBLE[str(trouble.tag)], _message(trouble)
            if message.startswith("unsupported: ") and outcome is Outcome.SKIPPED:
                outcome = Outcome.UNSUPPORTED
            message = message.removeprefix("unsupported: ").removeprefix("skipped: ")
        yield CaseResult(
            suite=suite,
            name=printable(name),
            outcome=outcome,
            seconds=_seconds(case),
            host=host,
            message=message,
            detail="" if trouble is None else _detail(trouble),
        )


def _message(trouble: Element) -> str:
    text = (trouble.get("message") or "").strip() or (trouble.text or "").strip()
    return printable(text.splitlines()[0])[:1000] if text else f"{trouble.tag} without a reason"


def _detail(trouble: Element) -> str:
    return bounded(printable(trouble.text or ""), DETAIL)


def _seconds(case: Element) -> float:
    try:
        seconds = float((case.get("time") or "0").replace(",", ""))
    except ValueError:
        return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
