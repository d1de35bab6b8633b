"""A controller that gives one recorded answer, whatever it is asked; python-jenkins is real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3.response import HTTPResponse

from ci.jenkins.api import Door
from ci.jenkins.controller import Controller
from ci.jenkins.login import Login

DATA = Path(__file__).parent.parent / "data/jenkins"
URL = "http://jenkins.example:8080/"
CRUMB: dict[str, Any] = {
    "status": 200,
    "headers": {"Content-Type": "application/json"},
    "body": '{"crumb":"c","crumbRequestField":"Jenkins-Crumb"}',
}
EMPTY: dict[str, Any] = {"status": 200, "headers": {}, "body": ""}


def pairs() -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Every recorded exchange: its file, its place in it, the pair."""
    for path in sorted(DATA.glob("*.json")):
        for number, pair in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            yield path.stem, number, pair


class Recorded(BaseAdapter):
    """Answers the first question as recorded, the one a redirect leads to with nothing."""

    def __init__(self, response: dict[str, Any] | None) -> None:
        super().__init__()
        self._answers: list[dict[str, Any] | None] = [response, EMPTY]

    def send(
        self, request: requests.PreparedRequest, *_args: Any, **_kwargs: Any
    ) -> requests.Response:
        crumb = str(request.path_url).startswith("/crumbIssuer")
        answer = CRUMB if crumb else self._answers.pop(0)
        if answer is None:
            raise requests.ConnectionError("refused", request=request)
        response = requests.Response()
        response.status_code, response.request, response.url = (
            answer["status"],
            request,
            str(request.url),
        )
        response.raw = HTTPResponse(
            body=BytesIO((answer["body"] or "").encode()),
            headers=answer["headers"],
            status=answer["status"],
            preload_content=False,
        )
        response.headers.update(answer["headers"])
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        return response

    def close(self) -> None: ...


def replaying(response: dict[str, Any] | None) -> Controller:
    door = Door(Login(URL, "ci", "t0ken"))
    door._client._session.mount(URL, Recorded(response))
    return Controller(door)
