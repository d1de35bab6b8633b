"""The stand-in's HTTP: paths to states, with the statuses and headers that were recorded."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote

from tests.jenkins import pages
from tests.jenkins import web_builds as builds
from tests.jenkins import web_jobs as jobs
from tests.jenkins import web_queue as queue
from tests.jenkins.exchange import (
    NOT_FOUND,
    GoneError,
    Reply,
    Request,
    as_json,
    page,
)
from tests.jenkins.standin import StandIn


def answer(
    state: StandIn, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> Reply:
    """One exchange. Raises GoneError while the controller is down."""
    state.log.append((method, target))
    if state.now() < state.down_until:
        raise GoneError("connection refused")
    if state.now() < state.starting_until:
        return page(503, pages.STARTING)
    path, _, query = target.partition("?")
    request = Request(
        method,
        unquote(path),
        dict(parse_qsl(query, keep_blank_values=True)),
        body.decode(errors="replace"),
        headers,
    )
    refused = _refused(state, request)
    if refused is not None:
        return refused
    state.advance()
    for pattern, route in ROUTES:
        if (found := re.fullmatch(pattern, f"{method} {request.path}")) is not None:
            return route(state, request, **found.groupdict())
    return NOT_FOUND


def _refused(state: StandIn, request: Request) -> Reply | None:
    given = request.headers.get("Authorization", "")
    if not given:
        return page(403, pages.ANONYMOUS)
    if b64decode(given.removeprefix("Basic ")).decode() != f"{state.user}:{state.token}":
        return page(401, pages.UNAUTHORIZED)
    if any(f"{request.method} {request.path}".startswith(what) for what in state.forbidden):
        text = f"{state.user} is missing the Job/Configure permission"
        return page(403, pages.message(403, text))
    return None


def _crumb(_state: StandIn, _request: Request) -> Reply:
    return as_json({"crumb": "a1b2", "crumbRequestField": "Jenkins-Crumb"})


def _root(state: StandIn, _request: Request) -> Reply:
    return as_json({"mode": "NORMAL", "quietingDown": state.quieting_down, "useCrumbs": True})


def _me(state: StandIn, _request: Request) -> Reply:
    return as_json({"id": state.user})


def _plugins(state: StandIn, _request: Request) -> Reply:
    plugins = [{"shortName": n, "version": v} for n, v in state.plugins.items()]
    return as_json({"plugins": plugins})


def _computers(state: StandIn, _request: Request) -> Reply:
    return as_json({"computer": state.nodes})


def _locks(state: StandIn, _request: Request) -> Reply:
    return as_json({"resources": state.locks})


def _script(state: StandIn, request: Request) -> Reply:
    """Not a Groovy: it knows our one script by its first line."""
    text = dict(parse_qsl(request.body, keep_blank_values=True))["script"]
    found = re.match(r"def \(name, labels, description\) = \['(.*)', '(.*)', '(.*)'\]\n", text)
    if found is None or "LockableResourcesManager" not in text:
        return Reply(200, b"groovy.lang.MissingPropertyException: No such property\n")
    name, labels, description = found.groups()
    kept = [lock for lock in state.locks if lock["name"] != name]
    if labels:
        made = {"name": name, "labelsAsList": labels.split(), "description": description}
        kept.append({**made, "locked": False})
    state.locks = kept
    return Reply(200, b"virtci: done\n")


def _credentials(state: StandIn, _request: Request) -> Reply:
    return as_json({"credentials": [{"id": name} for name in state.credentials]})


def _validate(state: StandIn, _request: Request) -> Reply:
    data: dict[str, object] = {"result": "success"}
    if state.validator_errors:
        data = {"result": "failure", "errors": [{"error": e} for e in state.validator_errors]}
    return as_json({"status": "ok", "data": data})


_JOB = r"/(?P<job>job/[^/]+(?:/job/[^/]+)*)"
_FOLDER = r"/(?P<folder>(?:job/[^/]+/)*)"
_BUILD = _JOB + r"/(?P<number>\d+)"
ROUTES: tuple[tuple[str, Callable[..., Reply]], ...] = (
    (r"GET /crumbIssuer/api/json", _crumb),
    (r"GET /api/json", _root),
    (r"GET /me/api/json", _me),
    (rf"POST {_FOLDER}/?createItem", jobs.create),
    (rf"(?:GET|POST) {_JOB}/config.xml", jobs.config),
    (rf"POST {_JOB}/doDelete", jobs.delete),
    (rf"(?:GET|POST) {_FOLDER}view/(?P<view>[^/]+)/config.xml", jobs.view_config),
    (rf"POST {_FOLDER}view/(?P<view>[^/]+)/doDelete", jobs.view_delete),
    (rf"POST {_FOLDER}/?createView", jobs.view_create),
    (rf"GET {_JOB}/api/json", jobs.job),
    (rf"POST {_JOB}/buildWithParameters", queue.with_parameters),
    (rf"POST {_JOB}/build", queue.plain_build),
    (r"GET /queue/item/(?P<number>\d+)/?", queue.item_text),
    (r"GET /queue/item/(?P<number>\d+)/api/json", queue.item),
    (r"GET /queue/api/json", queue.queue),
    (r"POST /queue/cancelItem", queue.cancel),
    (rf"GET {_BUILD}/api/json", builds.with_build(builds.build)),
    (rf"GET {_BUILD}/?", builds.with_build(builds.build)),
    (rf"POST {_BUILD}/stop", builds.with_build(builds.stop)),
    (rf"GET {_BUILD}/logText/progressiveText", builds.with_build(builds.console)),
    (rf"GET {_BUILD}/wfapi/describe", builds.with_build(builds.stages)),
    (rf"GET {_BUILD}/testReport/api/json", builds.with_build(builds.tests)),
    (rf"GET {_BUILD}/artifact/(?P<name>.+)", builds.artifact),
    (r"GET /pluginManager/api/json", _plugins),
    (r"GET /computer/api/json", _computers),
    (r"GET /lockable-resources/api/json", _locks),
    (r"POST /scriptText", _script),
    (r"GET /credentials/store/system/domain/_/api/json", _credentials),
    (r"POST /pipeline-model-converter/validateJenkinsfile", _validate),
)
