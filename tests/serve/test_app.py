"""The web view: reads only, escapes everything, and breaks no policy in a real browser."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from ci.errors import InfraError
from ci.history.database import History, opened
from ci.history.importer import Importer
from ci.model import Outcome
from ci.serve.app import application
from ci.serve.server import listen
from tests.made_runs import DAY, START, case, commit, iterations, make_run
from tests.report.chromium import chromium

HOSTILE = "<script>alert(1)</script> wrong state"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with opened(f"sqlite:///{tmp_path}/h.sqlite") as history:
        for n in range(3):
            bad = case("a/<b>x</b>", Outcome.FAILED if n else Outcome.PASSED, HOSTILE if n else "")
            suites = {"xen1/tck": [bad, case("a/y")], "xen1/stress": iterations(10, n)}
            folder = make_run(
                tmp_path / "runs", f"run-{n}", suites,
                at=START + n * DAY, revision=f"rev{n}", commits=[commit(f"c{n}")],
            )  # fmt: skip
            Importer(history).run(folder)
        yield history


@pytest.fixture
def port(history: History) -> Iterator[int]:
    """The real server on a loopback port, ended with the test."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(application(history), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def test_the_overview_says_what_is_bad_since_when_and_who_may_have_done_it(port: int) -> None:
    status, text, headers = ask(port, "/")
    assert status == 200
    assert "tck on xen1: a/&lt;b&gt;x" in text
    assert 'since <a href="/runs/run-1">run-1</a>, 2 runs' in text
    assert "An Author: do c1" in text
    assert "<script>" not in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_a_run_a_test_and_a_signature_lead_to_each_other(port: int) -> None:
    _, run, _ = ask(port, "/runs/run-2")
    number = run.split('href="/tests/')[1].split('"')[0]
    name = run.split('href="/signatures/')[1].split('"')[0]
    assert "2 of 12 failed" in run
    _, test, _ = ask(port, f"/tests/{number}")
    assert "/runs/run-1" in test
    _, signature, _ = ask(port, f"/signatures/{name}")
    assert f"/tests/{number}" in signature


@pytest.mark.parametrize(
    ("asked", "found"),
    [("WRONG", "wrong state"), ("a/y", "/tests/"), ("xen1", "/tests/"), ("grev1", "/runs/run-1")],
)
def test_search_finds_by_signature_test_host_and_package(port: int, asked: str, found: str) -> None:
    _, text, _ = ask(port, f"/search?q={asked}")
    assert found in text.split("<main>")[1]


def test_what_is_not_there_is_said_kindly(port: int) -> None:
    for path in ("/runs/none", "/tests/999", "/signatures/none", "/nothing", "/tests/x"):
        status, text, headers = ask(port, path)
        assert status == 404, path
        assert "<h1>" in text
        assert "Content-Security-Policy" in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_but_reading_is_allowed(port: int, method: str) -> None:
    assert ask(port, "/", method)[0] == 405


def test_hostile_searches_do_no_harm(port: int) -> None:
    for asked in ("%27%20OR%201%3D1%20--", "%3Cscript%3Ealert(1)%3C/script%3E", "%25", "x" * 5000):
        status, text, _ = ask(port, f"/search?q={asked}")
        assert status == 200
        assert "<script>" not in text


def test_a_taken_port_is_told_in_a_sentence(port: int) -> None:
    with pytest.raises(InfraError, match=f"port {port}"):
        listen("127.0.0.1", port)


def test_a_history_that_fails_is_told_as_such(port: int, history: History, tmp_path: Path) -> None:
    history.close()
    (tmp_path / "h.sqlite").write_bytes(b"this is no database" * 500)
    status, text, _ = ask(port, "/")
    assert status == 503
    assert "does not answer" in text


@pytest.mark.real
@pytest.mark.timeout(300)
def test_a_browser_has_nothing_to_complain_about(port: int, tmp_path: Path) -> None:
    with chromium(tmp_path) as page:
        for path in ("/", "/lab", "/runs/run-2", "/search?q=a", "/tests/1"):
            for width in (1280, 390):
                page.look(width=width, dark=width == 390)
                page.open(f"http://127.0.0.1:{port}{path}")
                content, window = page.widths()
                assert content <= window, f"{path} scrolls sideways at {width}"
        assert page.complaints == []
