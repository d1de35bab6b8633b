"""The web application; the only importer of starlette."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from ci.errors import UsageError, VirtciError
from ci.history.database import History
from ci.serve import pages

LONGEST = 300
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def application(history: History) -> Starlette:
    """Answers to GET alone. Nothing that is asked for can change the history."""

    def page(make: Callable[[Request], str]) -> Callable[[Request], Response]:
        return lambda request: HTMLResponse(make(request), headers=HEADERS)

    def style(_: Request) -> Response:
        sheet = importlib.resources.files("ci.report").joinpath("templates/style.css")
        return Response(sheet.read_text(encoding="utf-8"), media_type="text/css", headers=HEADERS)

    routes = {
        "/": page(lambda _: pages.overview(history)),
        "/runs/{name}": page(lambda r: pages.run(history, r.path_params["name"])),
        "/tests/{number:int}": page(lambda r: pages.one_test(history, r.path_params["number"])),
        "/signatures/{name}": page(lambda r: pages.signature(history, r.path_params["name"])),
        "/search": page(lambda r: pages.search(history, r.query_params.get("q", "")[:LONGEST])),
        "/lab": page(lambda _: pages.lab(history)),
        "/style.css": style,
        "/favicon.ico": lambda _: Response(status_code=204),
        "/health": lambda _: PlainTextResponse("ok\n", headers=HEADERS),
    }
    return Starlette(
        routes=[Route(path, make, methods=["GET"]) for path, make in routes.items()],
        exception_handlers={VirtciError: _sorry, HTTPException: _refused},
    )


def _sorry(_: Request, error: Exception) -> Response:
    missing = isinstance(error, UsageError)
    message = error.message if isinstance(error, VirtciError) else "this went wrong"
    title = "not found" if missing else "the history does not answer"
    return HTMLResponse(
        pages.sorry(title, message), status_code=404 if missing else 503, headers=HEADERS
    )


def _refused(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = "there is no such page" if status == 404 else "this is a view: it can only be read"
    return HTMLResponse(pages.sorry("no", text), status_code=status, headers=HEADERS)
