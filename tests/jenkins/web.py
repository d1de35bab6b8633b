"""The stand-in's HTTP: paths to states, with the statuses and headers that were recorded."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from base64 import b64decode
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote

from tests.jenkins import config_xml, pages
from tests.jenkins import web_builds as builds
from tests.jenkins.exchange import (
    BROKEN,
    NOT_FOUND,
    GoneError,
    Reply,
    Request,
    as_json,
    full_name,
    page,
    shown,
    url_path,
)
from tests.jenkins.standin import Item, JobState, StandIn


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


def _create(state: StandIn, request: Request, folder: str) -> Reply:
    parent = full_name(folder)
    name = "/".join(part for part in (parent, request.query["name"]) if part)
    if parent and parent not in state.jobs:
        return NOT_FOUND
    if name in state.jobs:
        return page(400, pages.jenkins(pages.EXISTS.format(request.query["name"])))
    try:
        config_xml.parse(request.body)
    except ET.ParseError:
        return BROKEN
    state.add_job(name, request.body)
    return Reply()


def _config(state: StandIn, request: Request, job: str) -> Reply:
    known = state.jobs.get(full_name(job))
    if known is None:
        return NOT_FOUND
    if request.method == "GET":
        return Reply(200, known.xml.encode(), {"Content-Type": "application/xml"})
    try:
        known.xml = config_xml.as_posted(request.body)
    except ET.ParseError:
        return BROKEN
    return Reply()


def _delete(state: StandIn, _request: Request, job: str) -> Reply:
    name = full_name(job)
    if name not in state.jobs:
        return NOT_FOUND
    for other in [known for known in state.jobs if known == name or known.startswith(f"{name}/")]:
        del state.jobs[other]
    return Reply(302, b"", {"Location": "/"})


def _view_config(state: StandIn, request: Request, folder: str, view: str) -> Reply:
    key = (full_name(folder), view)
    if key not in state.views:
        return NOT_FOUND
    if request.method == "GET":
        return Reply(200, state.views[key].encode(), {"Content-Type": "application/xml"})
    state.views[key] = request.body
    return Reply()


def _view_delete(state: StandIn, _request: Request, folder: str, view: str) -> Reply:
    return NOT_FOUND if state.views.pop((full_name(folder), view), None) is None else Reply()


def _view_create(state: StandIn, request: Request, folder: str) -> Reply:
    state.views[(full_name(folder), request.query["name"])] = request.body
    return Reply()


def _job(state: StandIn, _request: Request, job: str) -> Reply:
    known = state.jobs.get(full_name(job))
    return NOT_FOUND if known is None else as_json(_job_json(state, full_name(job), known))


def _job_json(state: StandIn, name: str, job: JobState) -> dict[str, object]:
    root = config_xml.parse(job.xml)
    data: dict[str, object] = {
        "_class": "com.cloudbees.hudson.plugins.folder.Folder"
        if job.folder
        else "org.jenkinsci.plugins.workflow.job.WorkflowJob",
        "name": name.rpartition("/")[2],
        "fullName": name,
        "description": root.findtext("description"),
        "url": f"{state.url}{url_path(name)}/",
    }
    if job.folder:
        below = [n for n in state.jobs if n.rpartition("/")[0] == name]
        data["jobs"] = [_job_json(state, child, state.jobs[child]) for child in below]
        data["views"] = [
            {"name": view, "description": config_xml.parse(xml).findtext("description")}
            for (folder, view), xml in state.views.items()
            if folder == name
        ]
        return data
    definitions = config_xml.parameters(job.xml)
    data |= {
        "disabled": root.findtext("disabled") == "true",
        "buildable": root.findtext("disabled") != "true",
        "color": "notbuilt",
        "inQueue": any(i.job == name and state.waits(i) for i in state.items.values()),
        "nextBuildNumber": job.next_number,
        "property": [{"parameterDefinitions": definitions}, {}] if definitions else [{}],
        "builds": [builds.build_json(state, build) for build in reversed(job.builds)][:20],
    }
    return data


def _with_parameters(state: StandIn, request: Request, job: str) -> Reply:
    known = state.jobs.get(full_name(job))
    if known is None:
        return NOT_FOUND
    definitions = config_xml.parameters(known.xml)
    if not definitions:
        return BROKEN
    values: dict[str, object] = {}
    for definition in definitions:
        default = definition["defaultParameterValue"]
        value: object = default["value"] if isinstance(default, dict) else ""
        value = request.query.get(str(definition["name"]), value)
        choices = definition.get("choices")
        if isinstance(choices, list) and value not in choices:
            return BROKEN
        if definition["type"] == "BooleanParameterDefinition":
            value = str(value).lower() == "true"
        values[str(definition["name"])] = value
    item, merged = state.order(full_name(job), values, merge=True)
    return _created(state, item, 303 if merged else 201)


def _plain_build(state: StandIn, _request: Request, job: str) -> Reply:
    known = state.jobs.get(full_name(job))
    if known is None:
        return NOT_FOUND
    if config_xml.parameters(known.xml):
        return page(400, pages.message(400, "Nothing is submitted"))
    item, _merged = state.order(full_name(job), {}, merge=True)
    return _created(state, item, 201)


def _created(state: StandIn, item: Item, status: int) -> Reply:
    return Reply(status, b"", {"Location": f"{state.url}queue/item/{item.id}/"})


def _item_text(state: StandIn, _request: Request, number: str) -> Reply:
    return Reply(200, f"Queue item exists. For details check /queue/item/{number}/".encode())


def _item(state: StandIn, _request: Request, number: str) -> Reply:
    item = state.items.get(int(number))
    return NOT_FOUND if item is None else as_json(_item_json(state, item))


def _item_json(state: StandIn, item: Item) -> dict[str, object]:
    kind, why = state.why(item)
    data: dict[str, object] = {
        "_class": f"hudson.model.Queue${kind}",
        "actions": [{"parameters": shown(item.parameters)}, {}],
        "id": item.id,
        "blocked": kind == "BlockedItem",
        "buildable": False,
        "stuck": False,
        "task": {"name": item.job.rpartition("/")[2], "url": f"{state.url}{url_path(item.job)}/"},
        "why": why,
    }
    if kind == "LeftItem":
        number = {"number": item.build, "url": f"{state.url}{url_path(item.job)}/{item.build}/"}
        late, state.executable_late = state.executable_late > 0, max(0, state.executable_late - 1)
        data["cancelled"] = item.cancelled
        if not late:
            data["executable"] = None if item.build is None else number
    return data


def _queue(state: StandIn, _request: Request) -> Reply:
    items = [_item_json(state, item) for item in state.items.values() if state.waits(item)]
    for job in state.jobs.values():
        items += [
            {"id": 900 + b.number, "actions": [], "stuck": True, "buildable": True, "task": {},
             "why": b.script.inner_why}
            for b in job.builds
            if b.script.inner_why and b.ends() > state.now()
        ]  # fmt: skip
    return as_json({"_class": "hudson.model.Queue", "items": items})


def _cancel(state: StandIn, request: Request) -> Reply:
    item = state.items.get(int(request.query["id"]))
    if item is None or not state.waits(item):
        return BROKEN
    item.cancelled = True
    return Reply(204)


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
    (rf"POST {_FOLDER}/?createItem", _create),
    (rf"(?:GET|POST) {_JOB}/config.xml", _config),
    (rf"POST {_JOB}/doDelete", _delete),
    (rf"(?:GET|POST) {_FOLDER}view/(?P<view>[^/]+)/config.xml", _view_config),
    (rf"POST {_FOLDER}view/(?P<view>[^/]+)/doDelete", _view_delete),
    (rf"POST {_FOLDER}/?createView", _view_create),
    (rf"GET {_JOB}/api/json", _job),
    (rf"POST {_JOB}/buildWithParameters", _with_parameters),
    (rf"POST {_JOB}/build", _plain_build),
    (r"GET /queue/item/(?P<number>\d+)/?", _item_text),
    (r"GET /queue/item/(?P<number>\d+)/api/json", _item),
    (r"GET /queue/api/json", _queue),
    (r"POST /queue/cancelItem", _cancel),
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
