"""Repositories behind a password, which reaches the server and nothing else."""

from __future__ import annotations

import base64
import dataclasses
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ci.errors import InfraError, UsageError
from ci.run import Step
from ci.shell import Argv, Completed, LocalShell
from ci.sources.git import GitSource
from tests.sources.conftest import Talk, text, tool


def test_a_password_variable_that_is_not_set_is_named(step: Step) -> None:
    source = GitSource(url="https://ann@127.0.0.1:9/x.git", password_env="VIRTCI_NO_SUCH")
    with pytest.raises(UsageError, match="VIRTCI_NO_SUCH"):
        source.fetch(step)


@pytest.fixture
def guarded(repository: Path) -> Iterator[str]:
    """The repository over HTTP, for those who know the password."""
    bare = repository.with_name("bare.git")
    tool("git", "clone", "-q", "--bare", str(repository), str(bare))
    tool("git", "update-server-info", cwd=bare)
    expected = "Basic " + base64.b64encode(b"ann:s3cret").decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(bare.parent))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == expected:
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=x")
            self.send_header("Content-Length", "0")
            return self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://ann@127.0.0.1:{server.server_address[1]}/bare.git"
        server.shutdown()
        thread.join()


def test_the_password_reaches_the_server_and_nothing_else(
    step: Step, guarded: str, monkeypatch: pytest.MonkeyPatch, talk: Talk
) -> None:
    seen: list[str] = []

    class Watched(LocalShell):
        def run(self, argv: Argv, *args: Any, **options: Any) -> Completed:
            seen.extend(argv)
            return super().run(argv, *args, **options)

    monkeypatch.setenv("ANNS_TOKEN", "s3cret")
    source = GitSource(url=guarded, password_env="ANNS_TOKEN")
    tree = source.fetch(dataclasses.replace(step, shell=Watched()))
    assert text(tree.path, "src/b.c") == "b\n"
    written = [p.read_bytes() for p in step.folder.parents[2].rglob("*") if p.is_file()]
    assert not any(b"s3cret" in content for content in written)
    assert "s3cret" not in "".join(seen) + talk.text


def test_a_wrong_password_is_told_without_it(
    step: Step, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNS_TOKEN", "wr0ng")
    with pytest.raises(InfraError, match="refuses us") as error:
        GitSource(url=guarded, password_env="ANNS_TOKEN").fetch(step)
    assert "wr0ng" not in error.value.detail
    assert "source.password_env" in error.value.hint
    with pytest.raises(InfraError, match="refuses us"):
        GitSource(url=guarded).fetch(step)
