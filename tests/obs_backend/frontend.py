"""The part of the API frontend that the backend lacks: users, rights, branches, status answers.

It always answers, since osc repeats requests whose connection dropped. Tests may cut connections
and count requests.
"""

from __future__ import annotations

import base64
import http.client
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from defusedxml.ElementTree import fromstring

STATUS = '<status code="{code}"><summary>{summary}</summary></status>'
OK = STATUS.format(code="ok", summary="Ok")
TIMEOUT = 400
WRITES = frozenset({"PUT", "POST", "DELETE"})
READ_COMMANDS = frozenset({"diff", "linkdiff"})


@dataclass
class Frontend:
    """Serves the backend on a port of its own to users with passwords.

    ``read_only`` are projects nobody may write to. ``cut`` maps a path pattern to how many more
    requests for it are cut off in the middle of the body.
    """

    source: int
    users: dict[str, str]
    port: int = 0
    read_only: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def apiurl(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        frontend = self

        class Handler(_Handler):
            owner = frontend

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes, str]:
        """Ask the backend itself: status, body, content type."""
        connection = http.client.HTTPConnection("127.0.0.1", self.source, timeout=TIMEOUT)
        try:
            connection.request(method, path, body=body, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("Content-Type", "text/xml")
        finally:
            connection.close()

    def takes_cut(self, path: str) -> bool:
        for pattern, left in self.cut.items():
            if left > 0 and re.search(pattern, path):
                self.cut[pattern] = left - 1
                return True
        return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up while its question waited is no error."""


class _Handler(BaseHTTPRequestHandler):
    owner: Frontend
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT
    wbufsize = -1  # one packet an answer: no 40 ms of delayed acknowledgement

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_args: object) -> None:
        """Silent."""

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if self.command in WRITES and self.owner.takes_cut(f"{self.command} {self.path}"):
            self.rfile.read(size // 2)
            self._hang_up()
            return
        body = self.rfile.read(size)
        self.owner.seen.append((self.command, self.path))
        try:
            answer = self._decide(body)
        except (OSError, http.client.HTTPException) as error:
            answer = (503, STATUS.format(code="503", summary=f"backend: {error}").encode(), "")
        self._answer(*answer)

    def _decide(self, body: bytes) -> tuple[int, bytes, str]:
        user = self._user()
        if user is None:
            return 401, STATUS.format(code="authentication_required", summary="who?").encode(), ""
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        command = query.get("cmd", [""])[0]
        project = [*url.path.split("/"), "", ""][2]
        writes = self.command in WRITES and command not in READ_COMMANDS
        if writes and project in self.owner.read_only:
            said = f"no permission to modify project {project}"
            return (
                403,
                STATUS.format(code="modify_project_no_permission", summary=said).encode(),
                "",
            )
        if url.path == "/about":
            return 200, b"<about><title>Open Build Service API</title></about>", ""
        if url.path.startswith("/person/"):
            return 200, f"<person><login>{user}</login><email>t@x</email></person>".encode(), ""
        if self.command == "POST" and command == "branch":
            return self._branch(url.path, query, user)
        return self._pass_on(user, command, body)

    def _pass_on(self, user: str, command: str, body: bytes) -> tuple[int, bytes, str]:
        url = urlsplit(self.path)
        query = parse_qsl(url.query)
        writes = self.command in WRITES and url.path.startswith("/source/")
        # the backend knows no user; but for these commands it is told who commits
        if writes and command not in READ_COMMANDS and command not in ("waitservice",):
            query = [pair for pair in query if pair[0] != "user"] + [("user", user)]
        asked = f"?{urlencode(query)}" if query else ""
        status, said, kind = self.owner.ask(self.command, url.path + asked, body)
        if self.command == "PUT" and url.path.endswith(("/_meta", "/_config")) and status == 200:
            return 200, OK.encode(), ""
        return status, said, kind

    def _branch(self, path: str, query: dict[str, list[str]], user: str) -> tuple[int, bytes, str]:
        _, _, project, package = path.split("/")
        target = query.get("target_project", [f"home:{user}:branches:{project}"])[0]
        name = query.get("target_package", [package])[0]
        status, meta, _ = self.owner.ask("GET", f"/source/{project}/_meta")
        if status != 200:
            return status, meta, ""
        if self.owner.ask("GET", f"/source/{target}/_meta")[0] == 404:
            self.owner.ask(
                "PUT", f"/source/{target}/_meta?user={user}", _branched(meta, project, target)
            )
        if self.owner.ask("GET", f"/source/{target}/{name}/_meta")[0] == 404:
            made = f'<package name="{name}" project="{target}"><title/><description/></package>'
            self.owner.ask("PUT", f"/source/{target}/{name}/_meta?user={user}", made.encode())
        asked = urlencode({"cmd": "branch", "oproject": project, "opackage": package, "user": user})
        status, said, kind = self.owner.ask("POST", f"/source/{target}/{name}?{asked}")
        if status != 200:
            return status, said, kind
        data = "".join(
            f'<data name="{key}">{value}</data>'
            for key, value in (("targetproject", target), ("targetpackage", name))
        )
        return 200, f'<status code="ok"><summary>Ok</summary>{data}</status>'.encode(), ""

    def _user(self) -> str | None:
        scheme, _, coded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        user, _, password = base64.b64decode(coded).decode().partition(":")
        return user if self.owner.users.get(user) == password and password else None

    def _answer(self, status: int, body: bytes, kind: str = "") -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="obs"')
        self.send_header("Content-Type", kind or "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET" and self.owner.takes_cut(f"GET {self.path}"):
            self.wfile.write(body[: len(body) // 2])
            self._hang_up()
            return
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(2)


def _branched(meta: bytes, project: str, target: str) -> bytes:
    """The meta of a project that builds against ``project``, in the same repositories."""
    lines = [f'<project name="{target}"><title/><description/>']
    for repository in fromstring(meta).findall("repository"):
        name = repository.get("name")
        lines.append(f'<repository name="{name}"><path project="{project}" repository="{name}"/>')
        lines += [f"<arch>{arch.text}</arch>" for arch in repository.findall("arch")]
        lines.append("</repository>")
    return "".join((*lines, "</project>")).encode()
