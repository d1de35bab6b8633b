"""JUnit files that others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ci.errors import InfraError
from ci.model import Outcome
from suites.external.case import Finding, failed


def parse(text: str, *, source: str) -> tuple[Finding, ...]:
    """Every test case of a JUnit file. Raises InfraError when it is none."""
    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InfraError(f"{source} is no JUnit file: {error}") from None
    if root.tag not in ("testsuites", "testsuite"):
        raise InfraError(f"{source} is no JUnit file: its root is <{root.tag}>")
    return tuple(_cases(root))


def _cases(root: Element) -> Iterator[Finding]:
    for case in root.iter("testcase"):
        name = "/".join(filter(None, (case.get("classname"), case.get("name")))) or "without a name"
        yield _finding(name, case, _seconds(case.get("time")))


def _finding(name: str, case: Element, seconds: float) -> Finding:
    for tag in ("error", "failure", "skipped"):
        element = case.find(tag)
        if element is None:
            continue
        message = element.get("message") or _first_line(element.text) or tag
        if tag == "failure":
            return failed(name, message, element.text or "", seconds)
        outcome = Outcome.BROKEN if tag == "error" else Outcome.SKIPPED
        return Finding(
            name=name, outcome=outcome, message=message, detail=element.text or "", seconds=seconds
        )
    return Finding(name=name, outcome=Outcome.PASSED, seconds=seconds)


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n", 1)[0]


def _seconds(text: str | None) -> float:
    try:
        return float((text or "0").replace(",", ""))
    except ValueError:
        return 0.0
