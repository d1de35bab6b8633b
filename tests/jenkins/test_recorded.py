"""Exchanges recorded on Jenkins 2.516.2: understood by us, and by the stand-in given alike."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ci.jenkins.api import reason_in
from ci.jenkins.console import Cursor, advance, plain
from ci.jenkins.controller import Chunk
from ci.jenkins.facts import from_xml
from ci.jenkins.seen import BuildState, Node, QueueItem, Resource, Stage, Suite, seen
from ci.jenkins.validator import problems
from tests.clock import FakeClock
from tests.jenkins.exchange import Reply
from tests.jenkins.standin import Script, StandIn
from tests.jenkins.web import answer

DATA = Path(__file__).parent.parent / "data/jenkins"
JOB = "/job/virt/job/suites"


def recorded(name: str) -> list[dict[str, Any]]:
    (path,) = DATA.glob(f"{name}*.json")
    pairs: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return pairs


def bodies(name: str, path: str) -> list[str]:
    return [
        pair["response"]["body"]
        for pair in recorded(name)
        if pair["response"] and re.search(path, pair["request"]["path_and_query"])
    ]


def test_an_order_goes_from_the_quiet_period_to_a_build() -> None:
    items = [seen(body, QueueItem, what="item") for body in bodies("20", "/queue/item")]
    assert [item.executable.number if item.executable else None for item in items] == [
        None,
        None,
        1,
    ]
    assert "quiet period" in str(items[0].why)
    assert items[0].parameters == {
        "KERNEL_REF": "v6.12 & wörld", "LEVEL": "full", "KEEP_GUEST": "true", "OUTCOME": "pass",
    }  # fmt: skip


def test_a_build_that_has_just_ended_has_no_duration_yet() -> None:
    states = [seen(b, BuildState, what="build") for b in bodies("21", r"suites/2/api")]
    assert [(state.result, state.ended, state.duration) for state in states] == [
        (None, False, 0), ("UNSTABLE", True, 0),
    ]  # fmt: skip
    tests = states[1].tests
    assert tests is not None
    assert (tests.fail_count, tests.skip_count, tests.total_count) == (1, 1, 4)


def test_a_stopped_build_goes_on_for_a_while() -> None:
    states = [seen(b, BuildState, what="build") for b in bodies("23", r"suites/4/api")]
    assert [(state.ended, state.result) for state in states] == [
        (False, None), (False, None), (True, "ABORTED"),
    ]  # fmt: skip


def test_a_cancelled_item_has_left_and_has_no_build() -> None:
    item = seen(bodies("44", "/queue/item/49")[-1], QueueItem, what="item")
    assert (item.cancelled, item.executable) == (True, None)


def test_the_queue_names_reasons_without_saying_whose() -> None:
    for name, why in (("43", "no nodes with the label"), ("46", "next available executor")):
        items = seen(bodies(name, "/queue/api")[0], tuple[QueueItem, ...], what="q", inside="items")
        assert why in str(items[0].why)
        assert items[0].task.name == ""


def test_a_held_lock_names_the_build_that_holds_it() -> None:
    body = bodies("40", "lockable-resources")[0]
    (lock,) = seen(body, tuple[Resource, ...], what="locks", inside="resources")
    assert (lock.locked, lock.build_name, lock.labels_as_list) == (
        True, "virt » lock-a #3", ("virt-hosts",),
    )  # fmt: skip


def test_agents_have_labels_and_may_be_offline() -> None:
    nodes = seen(bodies("44", "/computer/api")[0], tuple[Node, ...], what="n", inside="computer")
    assert {node.display_name: node.offline for node in nodes} == {
        "Built-In Node": False, "bench-1": True, "builder-1": False,
    }  # fmt: skip
    assert "linux-build" in nodes[2].labels


def test_stages_and_failed_cases_are_read() -> None:
    stages = seen(bodies("21", "wfapi")[0], tuple[Stage, ...], what="s", inside="stages")
    assert [stage.status for stage in stages][-1] == "UNSTABLE"
    report = seen(bodies("24", "testReport")[0], tuple[Suite, ...], what="t", inside="suites")
    failed = [case.name for suite in report for case in suite.cases if case.failed]
    assert failed == ["ioctl"]


def test_the_pieces_of_a_console_make_the_whole() -> None:
    cursor, text = Cursor(), ""
    pairs = [pair["response"] for pair in recorded("29")]
    for response in pairs[:8]:
        headers = response["headers"]
        size = int(headers["X-Text-Size"])
        piece, cursor = advance(cursor, Chunk(response["body"], size, "X-More-Data" in headers))
        text += piece
    assert text == plain(pairs[-1]["body"])
    assert text.startswith("Started by user ci\n[Pipeline] Start of Pipeline\n")
    assert "\x1b" not in text
    after, _cursor = advance(cursor, Chunk(pairs[-1]["body"], 5, more=False))
    assert after == ""  # asked beyond the end it starts again at 0: nothing is printed twice


def test_a_config_that_a_run_has_saved_is_read() -> None:
    facts = from_xml(bodies("13", "config.xml")[0])
    assert facts.cron == "H 2 * * *"
    assert [(one.name, one.choices) for one in facts.parameters] == [("LEVEL", ("smoke", "full"))]
    assert from_xml(bodies("13", "config.xml")[2]).parameters == ()  # wiped by a reconfiguration


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("03", "Unauthorized"),
        ("04", "Authentication required"),
        ("05", "No valid crumb was included in the request"),
        ("10", "A job already exists with the name"),
        ("11", "an error without a reason (Logging ID b865b170-4cc2-4005-bab2-489dcd9488df)"),
        ("30-", "Nothing is submitted"),
        ("32", "an error without a reason (Logging ID"),
    ],
)
def test_error_pages_become_one_line(name: str, said: str) -> None:
    assert said in reason_in(recorded(name)[-1]["response"]["body"])


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("50-validate-good", []),
        ("50-validate-bad-syntax", [7]),
        ("50-validate-bad-semantic", [4, 8, 11, 3]),
        ("50-validate-scripted", [0]),
    ],
)
def test_the_validators_answers_are_understood(name: str, lines: list[int]) -> None:
    assert [problem.line for problem in problems(bodies(name, "validateJenkinsfile")[0])] == lines


# What the stand-in answers to the same request: status, whether it names a place, its marks.
Exchange = tuple[str, int, str, str]
SAME: tuple[Exchange, ...] = (
    ("10", -1, "POST", "/job/virt/createItem?name=suites"),
    ("11", -1, "POST", "/job/virt/createItem?name=broken"),
    ("12", 0, "POST", "/job/virt/job/bare/buildWithParameters?LEVEL=full"),
    ("20", 0, "POST", f"{JOB}/buildWithParameters?LEVEL=full"),
    ("23", 6, "POST", f"{JOB}/1/stop"),
    ("25", 0, "GET", f"{JOB}/1/testReport/api/json"),
    ("30-", 0, "POST", f"{JOB}/build"),
    ("32", 0, "POST", f"{JOB}/buildWithParameters?LEVEL=huge"),
    ("34", 2, "POST", "/queue/cancelItem?id=2"),
    ("34", -1, "POST", "/queue/cancelItem?id=1"),
    ("35", 3, "POST", f"{JOB}/buildWithParameters?OUTCOME=again"),
    ("71-after", -1, "GET", "/queue/item/65/api/json"),
    ("29", 0, "GET", f"{JOB}/1/logText/progressiveText?start=0"),
)


@pytest.fixture
def busy(state: StandIn, clock: FakeClock) -> StandIn:
    """One build running, two orders waiting; the second of them is asked for again."""
    cases = (("a.B", "c", "PASSED"), ("a.B", "d", "FAILED"))
    state.scripts["virt/suites"] = Script(seconds=600, cases=cases)
    ask(state, "POST", f"{JOB}/buildWithParameters")
    clock.sleep(10)
    state.advance()
    ask(state, "POST", f"{JOB}/buildWithParameters?OUTCOME=other")
    ask(state, "POST", f"{JOB}/buildWithParameters?OUTCOME=again")
    return state


def ask(state: StandIn, method: str, target: str) -> Reply:
    headers = {"Authorization": "Basic Y2k6dDBrZW4tb2YtY2k="}
    return answer(state, method, target, headers, b"<flow-definition><definition")


@pytest.mark.parametrize(("name", "index", "method", "target"), SAME)
def test_the_stand_in_answers_as_was_recorded(
    busy: StandIn, name: str, index: int, method: str, target: str
) -> None:
    wanted = recorded(name)[index]["response"]
    given = ask(busy, method, target)
    assert given.status == wanted["status"]
    for header in ("Location", "X-Text-Size", "X-More-Data"):
        assert (header in given.headers) == (header in wanted["headers"])
    if given.status >= 400:
        page = given.body.decode()
        assert (
            reason_in(page).split("Logging ID")[0][:20]
            == (reason_in(wanted["body"]).split("Logging ID")[0][:20])
        )


def misfits(given: Any, real: Any, at: str = "") -> list[str]:
    """Where the one has what the other never has: names, or another kind of value."""
    if given is None or real is None:
        return []
    if isinstance(given, dict) and isinstance(real, dict):
        strange = [f"{at}.{name}" for name in given if name not in real]
        both = [name for name in given if name in real]
        return strange + [one for n in both for one in misfits(given[n], real[n], f"{at}.{n}")]
    if isinstance(given, list) and isinstance(real, list):
        whole = real[0] if real else None
        return misfits(given[0], whole, f"{at}[]") if given else []
    same = isinstance(given, str) == isinstance(real, str)
    return [] if same and isinstance(real, type(given)) else [f"{at}: {given!r} {real!r}"]


SHAPES = (
    ("01", r"/me/", "/me/api/json"),
    ("08", r"suites/api", "/job/virt/job/bare/api/json"),
    ("20", r"queue/item/1/", "/queue/item/2/api/json"),
    ("20-build", r"suites/1/api", f"{JOB}/1/api/json"),
    ("21", r"wfapi", f"{JOB}/1/wfapi/describe"),
    ("23", r"suites/4/api", f"{JOB}/1/api/json"),
    ("24", r"testReport", f"{JOB}/1/testReport/api/json"),
    ("34", r"queue/item/14/", "/queue/item/1/api/json"),
    ("35", r"queue/api", "/queue/api/json"),
    ("40", r"lockable", "/lockable-resources/api/json"),
    ("44", r"computer/api", "/computer/api/json"),
    ("45", r"^/api/json", "/api/json"),
)


@pytest.mark.parametrize(("name", "path", "target"), SHAPES)
def test_the_stand_in_tells_nothing_that_a_controller_does_not(
    busy: StandIn, clock: FakeClock, name: str, path: str, target: str
) -> None:
    busy.locks = [{"name": "h", "labelsAsList": ["l"], "locked": True, "buildName": "b"}]
    if name in ("24", "20-build", "21"):
        clock.sleep(900)
    real = json.loads(bodies(name, path)[-1])
    assert misfits(json.loads(ask(busy, "GET", target).body), real) == []


def test_a_strange_name_or_value_would_be_noticed() -> None:
    real = json.loads(bodies("20-build", r"suites/1/api")[0])
    assert misfits({"number": "1", "nosuch": 1}, real) == [".nosuch", ".number: '1' 1"]


def test_a_running_build_goes_on_under_another_queue_id_and_the_stand_ins_too(
    state: StandIn, clock: FakeClock
) -> None:
    real = [
        json.loads(body)["queueId"] for body in bodies("70", r"lock-a/5/api") if "{" in body[:2]
    ]
    assert (real[0], real[-1]) == (65, 67)
    state.scripts["virt/suites"] = Script(seconds=600)
    ask(state, "POST", f"{JOB}/buildWithParameters")
    clock.sleep(10)
    state.advance()
    (build,) = state.jobs["virt/suites"].builds
    before = build.queue_id
    state.restart()
    assert build.queue_id != before
    clock.sleep(700)
    ended = build.queue_id
    state.restart()
    assert build.queue_id == ended
