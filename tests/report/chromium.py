"""Headless Chromium, driven over its DevTools protocol; and a server that is as strict as Jenkins.

Whatever it says of a page is heard without a script in the page, since the policy forbids them.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from websocket import WebSocket, create_connection

# Debian's jenkins and the container's send these for archived files (DirectoryBrowserSupport).
JENKINS_POLICY = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
START_SECONDS = 90.0
QUIET_SECONDS = 0.7
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip


class _Strict(http.server.SimpleHTTPRequestHandler):
    policy = JENKINS_POLICY

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def do_GET(self) -> None:
        if self.path != "/favicon.ico":  # Jenkins has one; the browser asks for it by itself
            return super().do_GET()
        self.send_response(204)
        return self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - its name


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A loopback server of a folder with Jenkins' header; gives its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Strict, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Page:
    """One tab. ``complaints`` are everything the browser found wrong with what it loaded."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._number = 0
        self.complaints: list[str] = []
        self._loaded = False
        for domain in ("Page", "Log", "Runtime", "Network", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": values}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._hear(answer)

    def _hear(self, event: dict[str, Any]) -> None:
        values = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Log.entryAdded":
                self.complaints.append(values["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Audits.issueAdded":
                self.complaints.append(json.dumps(values)[:500])
            case "Network.loadingFailed" if not values.get("canceled"):
                self.complaints.append(f"not loaded: {values.get('blockedReason') or values}")
            case "Network.responseReceived" if values["response"]["status"] >= 400:
                self.complaints.append(
                    f"{values['response']['status']} {values['response']['url']}"
                )

    def open(self, url: str) -> None:
        """Load a page and hear everything there is to say of it."""
        self._loaded = False
        self.call("Page.navigate", url=url)
        until = time.monotonic() + START_SECONDS
        while not self._loaded and time.monotonic() < until:
            self.call("Page.getFrameTree")
            time.sleep(0.05)
        assert self._loaded, f"{url} did not load"
        time.sleep(QUIET_SECONDS)
        self.call("Page.getFrameTree")

    def look(self, *, width: int, dark: bool, media: str = "screen") -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def widths(self) -> tuple[float, float]:
        """Of the content, and of the window, in CSS pixels."""
        metrics = self.call("Page.getLayoutMetrics")
        content, window = metrics["cssContentSize"], metrics["cssLayoutViewport"]
        return float(content["width"]), float(window["clientWidth"])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(data["data"]))


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A browser with a profile of its own in ``folder``; ended with all its processes."""
    program = shutil.which("chromium")
    assert program, "Chromium is needed: apt-get install chromium"
    profile = folder / "profile"
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            (program, *FLAGS, f"--user-data-dir={profile}", "about:blank"),
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **home},
        )
    try:
        socket = create_connection(_tab(profile), timeout=START_SECONDS)
        try:
            yield Page(socket)
        finally:
            socket.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _tab(profile: Path) -> str:
    until = time.monotonic() + START_SECONDS
    port_file = profile / "DevToolsActivePort"
    while time.monotonic() < until:
        if port_file.is_file() and (text := port_file.read_text().splitlines()):
            with urllib.request.urlopen(f"http://127.0.0.1:{text[0]}/json", timeout=30) as answer:
                tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
            if tabs:
                return str(tabs[0]["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise AssertionError(f"Chromium did not start within {START_SECONDS:g} s")
