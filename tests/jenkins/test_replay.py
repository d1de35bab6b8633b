"""Every exchange that was recorded on Jenkins 2.516.2, through our client: understood, or told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from ci.deadline import Deadline
from ci.errors import VirtciError
from ci.jenkins.api import Away, Refused
from ci.jenkins.controller import Absent, Controller
from tests.jenkins.replay import pairs, replaying

Call = Callable[[Controller, Deadline], object]
CALLS: dict[str, Call] = {
    r"GET /api/json": lambda c, d: c.version(d),
    r"GET /me/api/json": lambda c, d: c.whoami(d),
    r"GET /job/virt/api/json": lambda c, d: c.folder("virt", d),
    r"GET /job/virt/job/[^/]+/api/json": lambda c, d: c.job("virt/x", d),
    r"GET /job/virt/job/[^/]+/config.xml": lambda c, d: c.config("virt/x", d),
    r"GET /job/virt/job/[^/]+/\d+/api/json": lambda c, d: c.build("virt/x", 1, d),
    r"GET /queue/item/\d+/api/json": lambda c, d: c.queue_item(1, d),
    r"GET /queue/api/json": lambda c, d: c.queue(d),
    r"GET /computer/api/json": lambda c, d: c.nodes(d),
    r"GET /lockable-resources/api/json": lambda c, d: c.resources(d),
    r"GET .*/wfapi/describe": lambda c, d: c.stages("virt/x", 1, d),
    r"GET .*/logText/progressiveText": lambda c, d: c.console("virt/x", 1, 0, d),
    r"GET .*/testReport/api/json": lambda c, d: c.failed_cases("virt/x", 1, d),
    r"POST .*/buildWithParameters": lambda c, d: c.order("x", {}, d, parameterised=True),
    r"POST .*/build": lambda c, d: c.order("x", {}, d, parameterised=False),
    r"POST .*/createItem": lambda c, d: c.create("virt/x", "<x/>", d),
    r"POST .*/config.xml": lambda c, d: c.reconfigure("virt/x", "<x/>", d),
    r"POST .*/stop": lambda c, d: c.stop("virt/x", 1, d),
    r"POST /queue/cancelItem": lambda c, d: c.cancel(1, d),
    r"POST .*/validateJenkinsfile": lambda c, d: c.validate("x", d),
}


def call_of(pair: dict[str, Any]) -> Call | None:
    request = pair["request"]
    if "tree=artifacts" in request["path_and_query"]:
        return lambda c, d: c.artifacts("virt/x", 1, d)
    asked = f"{request['method']} {request['path_and_query'].partition('?')[0]}"
    return next((call for what, call in CALLS.items() if re.fullmatch(what, asked)), None)


PAIRS = [(name, number, pair) for name, number, pair in pairs() if call_of(pair)]


@pytest.mark.parametrize(
    ("name", "pair"),
    [pytest.param(name, pair, id=f"{name}-{number}") for name, number, pair in PAIRS],
)
def test_a_recorded_answer_is_understood_or_told_in_one_sentence(
    name: str, pair: dict[str, Any]
) -> None:
    call, response = call_of(pair), pair["response"]
    assert call is not None
    deadline = Deadline.after(60)
    controller = replaying(response)
    if response is None or response["status"] == 503:
        with pytest.raises(Away):
            call(controller, deadline)
    elif response["status"] >= 400:
        _told(call, controller, deadline, response["status"])
    else:
        call(controller, deadline)


def _told(call: Call, controller: Controller, deadline: Deadline, status: int) -> None:
    """An error status is an error in one line, or the answer that there is no such thing."""
    told: VirtciError | None = None
    try:
        assert call(controller, deadline) in (None, ())
    except VirtciError as error:
        told = error
    if told is None:
        assert status == 404
        return
    assert isinstance(told, Refused | Absent)
    assert str(status) in told.message
    assert not set("<\n") & set(told.message)
    assert len(told.message) < 400


def test_every_recording_is_tried() -> None:
    assert len({name for name, _, _ in PAIRS}) >= 45
    assert len(PAIRS) >= 130
