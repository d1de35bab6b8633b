"""The stand-in's answers about builds."""

from __future__ import annotations

from collections.abc import Callable

from tests.jenkins import pages
from tests.jenkins.exchange import (
    NOT_FOUND,
    Reply,
    Request,
    as_json,
    full_name,
    page,
    shown,
    url_path,
)
from tests.jenkins.standin import Build, StandIn


def with_build(
    function: Callable[[StandIn, Request, Build], Reply],
) -> Callable[..., Reply]:
    def route(state: StandIn, request: Request, job: str, number: str) -> Reply:
        known = state.jobs.get(full_name(job))
        builds = [b for b in known.builds if b.number == int(number)] if known else []
        return function(state, request, builds[0]) if builds else NOT_FOUND

    return route


def build(state: StandIn, _request: Request, build: Build) -> Reply:
    data = as_json(build_json(state, build))
    build.looked = build.looked or state.now() >= build.ends()
    return data


def build_json(state: StandIn, build: Build) -> dict[str, object]:
    ended = state.now() >= build.ends()
    actions: list[dict[str, object]] = [{"parameters": shown(build.parameters)}, {}]
    if ended and build.script.cases is not None:
        failed = sum(status != "PASSED" for *_names, status in build.script.cases)
        counts = {"failCount": failed, "skipCount": 0, "totalCount": len(build.script.cases)}
        actions.append(dict(counts))
    return {
        "actions": actions,
        "artifacts": [{"relativePath": name} for name in build.script.artifacts],
        "building": not ended,
        "inProgress": not ended,
        "duration": round((build.ends() - build.at) * 1000) if ended and build.looked else 0,
        "number": build.number,
        "queueId": build.queue_id,
        "result": build.result() if ended else None,
        "timestamp": round(build.at * 1000),
        "url": f"{state.url}{url_path(build.job)}/{build.number}/",
    }


def stop(state: StandIn, _request: Request, build: Build) -> Reply:
    if state.now() < build.ends():
        build.stopped = state.now()
    return Reply(302, b"", {"Location": f"/{url_path(build.job)}/{build.number}/"})


def console(state: StandIn, request: Request, build: Build) -> Reply:
    """LF becomes CRLF on the way; the size counts neither; beyond the end starts at 0."""
    whole = build.console(state.now())
    start = int(request.query.get("start", "0"))
    part = whole[start if start <= len(whole) else 0 :]
    headers = {"Content-Type": "text/plain;charset=UTF-8", "X-Text-Size": str(len(whole))}
    if state.now() < build.ends():
        headers["X-More-Data"] = "true"
    return Reply(200, part.replace(b"\n", b"\r\n"), headers)


def stages(state: StandIn, _request: Request, build: Build) -> Reply:
    if "pipeline-rest-api" not in state.plugins:
        return NOT_FOUND
    ended = state.now() >= build.ends()
    status = "SUCCESS" if ended else "IN_PROGRESS"
    stages = [
        {"id": str(number), "name": name, "status": status, "durationMillis": 1000}
        for number, name in enumerate(build.script.stages)
    ]
    return as_json({"id": str(build.number), "stages": stages})


def tests(state: StandIn, _request: Request, build: Build) -> Reply:
    if build.script.cases is None or state.now() < build.ends():
        return page(404, pages.message(404, "Not found"))
    cases = [
        {"className": kind, "name": name, "status": status, "errorDetails": None}
        for kind, name, status in build.script.cases
    ]
    return as_json({"suites": [{"cases": cases}]})


def artifact(state: StandIn, request: Request, job: str, number: str, name: str) -> Reply:
    build = next(b for b in state.jobs[full_name(job)].builds if b.number == int(number))
    if name not in build.script.artifacts:
        return NOT_FOUND
    return Reply(200, build.script.artifacts[name], {"Content-Type": "application/xml"})
