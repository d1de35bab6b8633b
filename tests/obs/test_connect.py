"""Osc's configuration as people have it, and an instance that is not there."""

from __future__ import annotations

import gc
import socket
import time
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.errors import UsageError
from ci.obs.api import connect
from ci.obs.door import Unreachable


def test_a_configuration_that_is_no_text_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "oscrc").write_bytes(b"\xa0\xff")
    monkeypatch.setenv("OSC_CONFIG", str(tmp_path / "oscrc"))
    with pytest.raises(UsageError, match=r"osc.s configuration .*oscrc cannot be read"):
        connect()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_who_asks_by_hand_soon_hears_that_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CONFIG", str(tmp_path / "none")), ("USERNAME", "u"), ("PASSWORD", "p")):
        monkeypatch.setenv(f"OSC_{name}", value)
    monkeypatch.setenv("OSC_COOKIEJAR", str(tmp_path / "cookies"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # bound and not listened on: refused
        door = connect(f"https://127.0.0.1:{port}", patience=1.0)
        began = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer GET /about"):
            door.call("GET", "/about", Deadline.after(600.0))
    assert time.monotonic() - began < 300.0
    gc.collect()  # osc leaves the lock of its cookies open when nobody answers: not the next test's
