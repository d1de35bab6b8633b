"""A build service in memory: answers by method and path; what nobody scripted fails by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ci.deadline import Deadline
from ci.obs.door import NotThere, Query
from ci.run import Step
from ci.shell import LocalShell
from tests.clock import FakeClock

Answer = bytes | Exception | Callable[[Query, bytes], bytes]


@dataclass
class FakeDoor:
    """Satisfies ``ci.obs.door.Door``. A list of answers is given out one by one, the last stays."""

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    apiurl: str = "https://obs.example"
    user: str = "tester"
    asked: list[tuple[str, Query]] = field(default_factory=list)
    sent: dict[str, bytes] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Query = (),
        data: bytes = b"",
        file: Path | None = None,
        seconds: float = 60.0,
        repeat: bool | None = None,
    ) -> bytes:
        request = f"{method} {path}"
        self.asked.append((request, query))
        if method == "PUT":
            self.sent[path] = file.read_bytes() if file else data
        answer = self._next(request, dict(query))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else answer(query, data)

    def download(self, path: str, target: Path, deadline: Deadline, *, query: Query = ()) -> int:
        body = self.call("GET", path, deadline, query=query)
        return target.write_bytes(body)

    def _next(self, request: str, query: Mapping[str, str]) -> Answer:
        key = f"{request} {query['cmd']}" if "cmd" in query else request
        if key not in self.answers:
            if request.startswith("PUT"):
                return b'<status code="ok"/>'
            raise AssertionError(f"nobody scripted {key}")
        answer = self.answers[key]
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    def count(self, request: str) -> int:
        return sum(asked == request for asked, _ in self.asked)


def gone(what: str = "no such package") -> NotThere:
    return NotThere(f"GET: {what}")


def deadline(seconds: float = 100.0, stop: threading.Event | None = None) -> Deadline:
    return Deadline.after(seconds, FakeClock(), stop)


def a_step(folder: Path) -> Step:
    return Step("build", LocalShell(), Deadline.after(120), folder, folder)


def results(*lines: str, state: str = "s1") -> bytes:
    """``_result`` of lines such as ``deb12 x86_64 hello succeeded``; ``dirty`` may follow."""
    out = []
    for line in lines:
        repository, arch, package, code, *more = line.split()
        dirty = ' dirty="true"' if "dirty" in more else ""
        out.append(
            f'<result project="p" repository="{repository}" arch="{arch}" code="building" '
            f'state="{"published" if "published" in more else "building"}"{dirty}>'
            f'<status package="{package}" code="{code}"/></result>'
        )
    return f'<resultlist state="{state}">{"".join(out)}</resultlist>'.encode()


def history(*jobs: str) -> bytes:
    """``_jobhistory`` of lines ``hello 3 md5 succeeded 100``: package rev md5 code start."""
    out = []
    for job in jobs:
        package, rev, md5, code, start = job.split()
        out.append(
            f'<jobhist package="{package}" rev="{rev}" srcmd5="{md5}" versrel="1.0-{rev}" bcnt="1" '
            f'readytime="{start}" starttime="{start}" endtime="{int(start) + 5}" code="{code}" '
            'workerid="w:1"/>'
        )
    return f"<jobhistlist>{''.join(out)}</jobhistlist>".encode()
