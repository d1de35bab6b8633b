"""JUnit XML, valid against the schema that Jenkins' xunit plugin uses (junit-10.xsd).

The only importer of junit_xml. The file is written whole and renamed, so a reader or a crash never
sees half of one. Two things junit_xml 1.9 gets wrong are put right here: it writes a ``disabled``
attribute and exponents in times, neither of which the schema allows.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET  # only writes; what is read goes through defusedxml
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape

from junit_xml import TestCase, TestSuite

from ci.model import BUILT_BEFORE, CaseResult, Outcome
from ci.report.results import NEUTRAL, RunResults, StepResult, SuiteResults
from ci.report.signature import signature_of
from ci.report.statement import statement
from ci.report.xml_text import bounded, printable

DETAIL_LIMIT = 64 * 1024
NAME_LIMIT = 500
OUTPUT_LIMIT = 16 * 1024
_PLAIN = re.compile(r"[\w .:@+-]{1,400}", re.ASCII)


def write(path: Path, results: RunResults) -> None:
    """Write the run's JUnit file; memory does not grow with the number of cases."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<testsuites>\n')
        pipeline, cases = _pipeline_suite(results)
        _open_suite(file, pipeline, _tally_of(cases))
        file.writelines(map(_element, cases))
        file.write("</testsuite>\n")
        for suite in results.suites:
            _open_suite(file, _suite(results, suite), _tally(suite))
            file.writelines(_written(suite))
            file.write("</testsuite>\n")
        file.write("</testsuites>\n")
    part.replace(path)


def _open_suite(file: TextIO, suite: TestSuite, tally: dict[str, str]) -> None:
    """The suite's opening tag and properties."""
    element: ET.Element = suite.build_xml_doc()
    element.attrib.pop("disabled", None)
    element.attrib.update(tally)
    opening = ET.tostring(element, encoding="unicode").removesuffix("</testsuite>")
    file.write(f"{opening.removesuffix(' />') + '>' if opening.endswith(' />') else opening}\n")


def _written(suite: SuiteResults) -> Iterator[str]:
    """Each case as XML; a soak has a hundred thousand that passed, and those need no library."""
    for result in suite.cases:
        yield _plain(suite, result) or _element(_case(suite, result))


def _element(case: TestCase) -> str:
    """The library's own XML of a case."""
    made: ET.Element = next(TestSuite("one", [case]).build_xml_doc().iter("testcase"))
    made.set("time", f"{float(made.get('time', '0')):.3f}")
    return ET.tostring(made, encoding="unicode") + "\n"


def _plain(suite: SuiteResults, result: CaseResult) -> str:
    """The same of a case that passed and whose names need no escapes; of others nothing."""
    name, classname = _names(suite, result)
    if result.outcome is not Outcome.PASSED or not _PLAIN.fullmatch(f"{name}{classname}"):
        return ""
    story = bounded(printable(_story(result)), OUTPUT_LIMIT)
    opening = f'<testcase name="{name}" time="{result.seconds:.3f}" classname="{classname}"'
    output = f"<system-out>{escape(story)}</system-out>"
    return f"{opening}>{output}</testcase>\n" if story else f"{opening} />\n"


def _tally(suite: SuiteResults) -> dict[str, str]:
    counts = suite.counts
    return {
        "tests": str(counts.total()),
        "failures": str(counts[Outcome.FAILED]),
        "errors": str(counts[Outcome.BROKEN]),
        "skipped": str(counts[Outcome.SKIPPED] + counts[Outcome.UNSUPPORTED]),
        "time": f"{suite.seconds:.3f}",
    }


def _tally_of(cases: list[TestCase]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.is_failure() for case in cases)),
        "errors": str(sum(case.is_error() for case in cases)),
        "skipped": "0",
        "time": f"{sum(case.elapsed_sec or 0.0 for case in cases):.3f}",
    }


def _pipeline_suite(results: RunResults) -> tuple[TestSuite, list[TestCase]]:
    cases = [_step_case(step) for step in results.steps if not step.name.startswith("suites/")]
    cases += [_step_case(s) for s in results.failed_steps if s.name.startswith("suites/")]
    stamp = _stamp(results.started)
    return TestSuite("pipeline", timestamp=stamp, properties=_clean(_facts(results))), cases


def _step_case(step: StepResult) -> TestCase:
    case = TestCase(printable(step.name), classname="virtci.pipeline", elapsed_sec=step.seconds)
    if step.retries:
        case.stdout = f"retried {step.retries} time(s) after lab trouble"
    text = "\n".join(part for part in (step.message, step.hint, step.detail) if part)
    if step.state == "running":
        case.add_error_info(message="was cut before it ended", error_type="lab")
    elif step.state == "failed" and step.blame != "product":
        case.add_error_info(_line(step.message), _text(text), error_type=step.blame)
    elif step.state == "failed":
        case.add_failure_info(_line(step.message), _text(text), failure_type=step.blame)
    return case


def _suite(results: RunResults, suite: SuiteResults) -> TestSuite:
    properties = _facts(results)
    for deployment in results.deployments:
        if deployment.host == suite.host:
            properties |= {
                "kernel": deployment.kernel,
                "hypervisor": deployment.hypervisor_version,
                "libvirt": deployment.libvirt_version,
                "boot_id": deployment.boot_id,
            }
    if suite.verdict:
        properties["verdict"] = suite.verdict
    if suite.seed is not None:
        properties["seed"] = str(suite.seed)
    if suite.loops:
        finding = statement(suite)
        properties["rate"] = finding.text if finding else "nothing is known about the rate"
    return TestSuite(
        printable(f"{suite.suite} on {suite.host}"),
        hostname=printable(suite.host),
        timestamp=_stamp(results.started),
        properties=_clean(properties),
    )


def _names(suite: SuiteResults, result: CaseResult) -> tuple[str, str]:
    """Of the case, and of the class that Jenkins groups it under."""
    area, _, name = result.name.rpartition("/")
    parts = (suite.suite, suite.host, area.replace("/", "."))
    return name or result.name, ".".join(part for part in parts if part)


def _case(suite: SuiteResults, result: CaseResult) -> TestCase:
    name, classname = _names(suite, result)
    case = TestCase(
        _named(name),
        classname=_named(classname),
        elapsed_sec=result.seconds,
        stdout=bounded(printable(_story(result)), OUTPUT_LIMIT),
    )
    detail = _text("\n".join(part for part in (result.message, result.detail) if part))
    match result.outcome:
        case Outcome.FAILED:
            case.add_failure_info(_line(result.message), detail, failure_type="product")
        case Outcome.BROKEN:
            case.add_error_info(_line(result.message), detail, error_type="lab")
        case Outcome.SKIPPED | Outcome.UNSUPPORTED | Outcome.WAIVED:
            case.add_skipped_info(_line(f"{result.outcome}: {result.message}"))
        case Outcome.PASSED:
            pass
    return case


def _story(result: CaseResult) -> str:
    lines = [f"{name}: {seconds:.3f} s" for name, seconds in result.steps.items()]
    lines += [f"{name}={value}" for name, value in result.properties.items()]
    if result.outcome not in NEUTRAL:
        lines.append(f"signature={' '.join(signature_of(result))}")
    lines += [f"[[ATTACHMENT|{name}]]" for name in result.files]
    return "\n".join(lines)


def _facts(results: RunResults) -> dict[str, str]:
    facts = {"run": results.id, "plan": results.header.plan, "virtci": results.header.virtci}
    if results.tree is not None:
        facts["source"] = results.tree.revision
    if results.build is not None:
        facts["packages"] = " ".join(rpm.nevra for rpm in results.build.rpms if not rpm.debug)
        facts |= {k: v for k, v in results.build.facts.items() if k == BUILT_BEFORE}
    return facts


def _clean(properties: dict[str, str]) -> dict[str, str]:
    return {printable(name): bounded(printable(value), 4096) for name, value in properties.items()}


def _named(text: str) -> str:
    """Short names stay as they are; of a monstrous one the middle is left out."""
    found = printable(text)
    half = NAME_LIMIT // 2
    return found if len(found) <= NAME_LIMIT else f"{found[:half]}[...]{found[-half:]}"


def _line(text: str) -> str:
    return bounded(printable(text.strip().splitlines()[0] if text.strip() else "no reason"), 500)


def _text(text: str) -> str:
    return bounded(printable(text), DETAIL_LIMIT)


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
