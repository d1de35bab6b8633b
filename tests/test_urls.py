"""Addresses that are none, wherever they are written."""

from __future__ import annotations

import pytest

from ci.__main__ import main
from ci.errors import UsageError
from ci.urls import parts_of

BAD = ("http://[::1", "http://127.0.0.1:99999/", "http://host:port/")


@pytest.mark.parametrize("url", BAD)
def test_an_address_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="is no address: "):
        parts_of(url)


def test_the_password_of_a_wrong_address_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        parts_of("https://me:hunter2@host:99999/x")
    assert caught.value.message.startswith('"https://host:99999/x" is no address')


def test_a_right_address_is_taken_apart() -> None:
    parts = parts_of("qemu+ssh://root@[::1]:22/system?socket=/x")
    assert (parts.hostname, parts.port, parts.path) == ("::1", 22, "/system")


@pytest.mark.parametrize(
    "words",
    [
        ("obs", "why", "a/b", "-A", "http://[::1"),
        ("hook", "send", "http://127.0.0.1:99999/x", "a=b", "--secret", "SECRET"),
        ("stress", "qemu+ssh://[::1", "-n", "1"),
        ("tck", "qemu+ssh://[::1/system", "errors"),
        ("parity", "qemu+ssh://[::1/system"),
        ("jenkins", "trigger", "job"),
        ("hosts", "outer", "qemu+ssh://root@host:99999/system"),
    ],
)
def test_a_command_that_gets_one_says_so(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("URL", "http://[::1"), ("USER", "u"), ("TOKEN", "t")):
        monkeypatch.setenv(f"JENKINS_{name}", value)
    monkeypatch.setenv("SECRET", "x" * 32)
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "Invalid IPv6 URL" in said or "Port out of range" in said
