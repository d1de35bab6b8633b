"""The stand-in's orders and its queue over HTTP."""

from __future__ import annotations

from tests.jenkins import config_xml, pages
from tests.jenkins.exchange import (
    BROKEN,
    NOT_FOUND,
    Reply,
    Request,
    as_json,
    full_name,
    page,
    shown,
    url_path,
)
from tests.jenkins.standin import Item, StandIn


def with_parameters(state: StandIn, request: Request, job: str) -> Reply:
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


def plain_build(state: StandIn, _request: Request, job: str) -> Reply:
    known = state.jobs.get(full_name(job))
    if known is None:
        return NOT_FOUND
    if config_xml.parameters(known.xml):
        return page(400, pages.message(400, "Nothing is submitted"))
    item, _merged = state.order(full_name(job), {}, merge=True)
    return _created(state, item, 201)


def _created(state: StandIn, item: Item, status: int) -> Reply:
    return Reply(status, b"", {"Location": f"{state.url}queue/item/{item.id}/"})


def item_text(state: StandIn, _request: Request, number: str) -> Reply:
    return Reply(200, f"Queue item exists. For details check /queue/item/{number}/".encode())


def item(state: StandIn, _request: Request, number: str) -> Reply:
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


def queue(state: StandIn, _request: Request) -> Reply:
    items = [_item_json(state, item) for item in state.items.values() if state.waits(item)]
    for job in state.jobs.values():
        items += [
            {"id": 900 + b.number, "actions": [], "stuck": True, "buildable": True, "task": {},
             "why": b.script.inner_why}
            for b in job.builds
            if b.script.inner_why and b.ends() > state.now()
        ]  # fmt: skip
    return as_json({"_class": "hudson.model.Queue", "items": items})


def cancel(state: StandIn, request: Request) -> Reply:
    item = state.items.get(int(request.query["id"]))
    if item is None or not state.waits(item):
        return BROKEN
    item.cancelled = True
    return Reply(204)
