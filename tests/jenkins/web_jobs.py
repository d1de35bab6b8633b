"""The stand-in's jobs, folders and views over HTTP."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tests.jenkins import config_xml, pages
from tests.jenkins import web_builds as builds
from tests.jenkins.exchange import (
    BROKEN,
    NOT_FOUND,
    Reply,
    Request,
    as_json,
    full_name,
    page,
    url_path,
)
from tests.jenkins.standin import JobState, StandIn


def create(state: StandIn, request: Request, folder: str) -> Reply:
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


def config(state: StandIn, request: Request, job: str) -> Reply:
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


def delete(state: StandIn, _request: Request, job: str) -> Reply:
    name = full_name(job)
    if name not in state.jobs:
        return NOT_FOUND
    for other in [known for known in state.jobs if known == name or known.startswith(f"{name}/")]:
        del state.jobs[other]
    return Reply(302, b"", {"Location": "/"})


def view_config(state: StandIn, request: Request, folder: str, view: str) -> Reply:
    key = (full_name(folder), view)
    if key not in state.views:
        return NOT_FOUND
    if request.method == "GET":
        return Reply(200, state.views[key].encode(), {"Content-Type": "application/xml"})
    state.views[key] = request.body
    return Reply()


def view_delete(state: StandIn, _request: Request, folder: str, view: str) -> Reply:
    return NOT_FOUND if state.views.pop((full_name(folder), view), None) is None else Reply()


def view_create(state: StandIn, request: Request, folder: str) -> Reply:
    state.views[(full_name(folder), request.query["name"])] = request.body
    return Reply()


def job(state: StandIn, _request: Request, job: str) -> Reply:
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
