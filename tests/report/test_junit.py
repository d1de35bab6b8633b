"""JUnit: valid whatever the text, and honest about who is to blame."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element  # a type; what is read goes through defusedxml

import msgspec
import pytest
import xmlschema
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.model import CaseResult, Outcome
from ci.report import junit
from ci.report.results import RunHeader, RunResults, StepResult, SuiteResults
from ci.report.xml_text import bounded, printable

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent.parent / "data" / "jenkins-junit.xsd")
HOSTILE = "\x00\x1b[31m ]]> <b>&amp; \ud800 \ufffe \U0001fffe é 漢 \x7f"


def results(*cases: CaseResult, steps: tuple[StepResult, ...] = ()) -> RunResults:
    suite = SuiteResults(host="xen1", suite="stress", ledger="l", cases=cases, verdict="0/2 failed")
    return RunResults(
        folder="runs/r1",
        header=RunHeader(plan="p.toml", plan_digest="d", virtci="0.1"),
        started=1_700_000_000.0,
        ended=1_700_000_001.0,
        finished=True,
        interrupted=False,
        steps=steps or (StepResult(name="source", state="done", seconds=0.00001),),
        suites=(suite,),
    )


def case(outcome: Outcome, message: str = "why", name: str = "area/x") -> CaseResult:
    return CaseResult(
        suite="stress", name=name, outcome=outcome, seconds=0.000012, message=message,
        detail=message, steps={"create": 1.5}, properties={"seed": "7"}, files=("console.log",),
    )  # fmt: skip


def written(tmp_path: Path, run: RunResults) -> Element:
    junit.write(tmp_path / "junit.xml", run)
    SCHEMA.validate(tmp_path / "junit.xml")
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert isinstance(root, Element)
    return root


def one(root: Element, tag: str) -> Element:
    (element,) = root.iter(tag)
    return element


def test_each_outcome_has_its_element(tmp_path: Path) -> None:
    root = written(tmp_path, results(*(case(o, name=f"area/{o}") for o in Outcome)))
    found = {c.get("name"): [child.tag for child in c] for c in root.iter("testcase")}
    assert found["passed"] == ["system-out"]
    assert found["failed"] == ["failure", "system-out"]
    assert found["broken"] == ["error", "system-out"]
    assert found["skipped"] == ["skipped", "system-out"]
    assert found["unsupported"] == ["skipped", "system-out"]
    assert found["waived"] == ["skipped", "system-out"]


def test_classnames_group_by_suite_host_and_area(tmp_path: Path) -> None:
    root = written(tmp_path, results(case(Outcome.PASSED)))
    names = {c.get("classname") for c in root.iter("testcase")}
    assert names == {"virtci.pipeline", "stress.xen1.area"}


def test_a_lab_fault_is_an_error_and_a_product_fault_a_failure(tmp_path: Path) -> None:
    steps = tuple(
        StepResult(name=blame, state="failed", blame=blame, message="no", hint="do", detail="log")
        for blame in ("lab", "product")
    )
    root = written(tmp_path, results(steps=steps))
    tags = {c.get("name"): c[0].tag for c in root.iter("testcase")}
    assert tags == {"lab": "error", "product": "failure"}


def test_a_step_that_was_cut_is_an_error(tmp_path: Path) -> None:
    root = written(tmp_path, results(steps=(StepResult(name="build", state="running"),)))
    assert one(root, "error").get("message") == "was cut before it ended"


def test_the_suites_facts_are_its_properties(tmp_path: Path) -> None:
    root = written(tmp_path, results(case(Outcome.PASSED)))
    properties = {p.get("name"): p.get("value") for p in root[1].iter("property")}
    assert properties["verdict"] == "0/2 failed"
    assert properties["run"] == "r1"


def test_hostile_text_stays_visible_and_valid(tmp_path: Path) -> None:
    root = written(tmp_path, results(case(Outcome.FAILED, HOSTILE, name=HOSTILE)))
    text = one(root, "failure").text or ""
    assert r"\x1b[31m ]]> <b>&amp; \ud800 \ufffe \U0001fffe é 漢" in text


def test_text_is_read_in_the_order_that_it_has(tmp_path: Path) -> None:
    root = written(tmp_path, results(case(Outcome.FAILED, "\u202elive\u202c \u2066x\u2069 \u0634")))
    lines = (one(root, "failure").text or "").splitlines()
    assert lines[-1] == "\\u202elive\\u202c \\u2066x\\u2069 \u0634"


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(), min_size=1).filter(lambda t: t.strip()))
def test_any_text_gives_a_valid_file(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    written(tmp_path_factory.mktemp("junit"), results(case(Outcome.BROKEN, text, name=text)))


@pytest.mark.parametrize("name", ["n" * 10_000, f"a/{HOSTILE * 500}", "/" * 10_000])
def test_a_monstrous_name_is_bounded_and_valid(tmp_path: Path, name: str) -> None:
    root = written(tmp_path, results(case(Outcome.FAILED, "no", name=name)))
    for found in root.iter("testcase"):
        assert found.attrib["name"]
        assert len(found.attrib["name"]) + len(found.attrib["classname"]) < 1100


def test_huge_output_is_bounded_and_says_so(tmp_path: Path) -> None:
    root = written(tmp_path, results(case(Outcome.FAILED, "x" * 10**6)))
    text = one(root, "failure").text or ""
    assert len(text) < 70_000
    assert "characters cut" in text


def test_cutting_keeps_head_and_tail() -> None:
    text = bounded("a" * 100 + "b" * 100, 40)
    assert text.startswith("a" * 10 + "\n[... 160 characters cut ...]\n")
    assert text.endswith("b" * 30)


def test_ordinary_text_is_left_alone() -> None:
    assert printable("plain\ttext\nwith é and 漢") == "plain\ttext\nwith é and 漢"


@given(
    name=st.text(max_size=30), seconds=st.floats(1e-6, 1e6), text=st.text(max_size=40),
    bare=st.booleans(),
)  # fmt: skip
@settings(max_examples=200)
def test_what_is_written_without_the_library_is_what_it_would_write(
    *, name: str, seconds: float, text: str, bare: bool
) -> None:
    suite = results().suites[0]
    steps, properties = ({}, {}) if bare else ({"create": seconds}, {"said": text})
    passed = CaseResult(
        suite="stress", name=name or "x", outcome=Outcome.PASSED, seconds=seconds,
        steps=steps, properties=properties,
    )  # fmt: skip
    assert junit._plain(suite, passed) in ("", junit._element(junit._case(suite, passed)))
    plain = msgspec.structs.replace(passed, name="guest-1/iteration-000001")
    assert junit._plain(suite, plain) == junit._element(junit._case(suite, plain))


def test_a_long_loop_is_written_whole_and_counted_right(tmp_path: Path) -> None:
    many = 1001
    cases = [
        case(Outcome.FAILED if n % 100 == 0 else Outcome.PASSED, name=f"iteration-{n:06}")
        for n in range(1, many + 1)
    ]
    root = written(tmp_path, results(*cases))
    suite = root.findall("testsuite")[1]
    assert len(suite.findall("testcase")) == many
    assert (suite.get("tests"), suite.get("failures")) == (str(many), str(many // 100))
    assert len(list(suite.iter("failure"))) == many // 100
    rate = {p.get("name"): p.get("value") for p in suite.iter("property")}["rate"]
    assert str(rate).startswith(f"{many // 100} of {many} failed: rate 0.999 %")
