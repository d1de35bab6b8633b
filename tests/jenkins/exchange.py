"""What both sides of the stand-in's HTTP speak in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.jenkins import pages

HTML = "text/html;charset=UTF-8"
JSON = "application/json;charset=UTF-8"


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class GoneError(ConnectionError):
    """Nobody listens."""


def page(status: int, text: str) -> Reply:
    return Reply(status, text.encode(), {"Content-Type": HTML})


def as_json(data: object) -> Reply:
    headers = {"Content-Type": JSON, "X-Jenkins": "2.516.2"}
    return Reply(200, json.dumps(data, ensure_ascii=False).encode(), headers)


NOT_FOUND = page(404, pages.NOT_FOUND)
BROKEN = page(500, pages.SERVER_ERROR)


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: str
    headers: Mapping[str, str]


def full_name(path: str) -> str:
    return "/".join(re.findall(r"job/([^/]+)", path))


def url_path(name: str) -> str:
    return "/".join(f"job/{part}" for part in name.split("/"))


def shown(parameters: dict[str, object]) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in parameters.items()]
