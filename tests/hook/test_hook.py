"""Webhooks: who calls is proven, nothing is taken twice, nothing is unbounded."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.hook.desk import Desk, Verdict, parameters
from ci.hook.event import HookEvent
from ci.hook.plan import Caller, HookPlan, secrets_of
from ci.hook.replay import Seen
from ci.hook.server import MOST_BYTES, serving
from ci.hook.signature import sign
from ci.hook.spool import Spool
from tests.clock import FakeClock

SECRET = b"a secret of sixteen or more"
PUSH = {
    "ref": "refs/heads/main", "after": "a1b2c3d4", "repository": {"full_name": "libvirt/libvirt"},
}  # fmt: skip
COMMIT = {"project": "Virtualization", "package": "libvirt", "rev": "42"}
Taken = list[tuple[str, HookEvent]]


def caller(kind: str, **more: object) -> Caller:
    values: dict[str, object] = {
        "path": f"/{kind}", "kind": kind, "secret": "S", "job": "virtci/demo",
        "parameters": {"SOURCE_REF": "revision"},
    }  # fmt: skip
    return Caller(**(values | more))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def taken() -> Taken:
    return []


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(tmp_path: Path, clock: FakeClock, taken: Taken) -> MakeDesk:
    def make(*callers: Caller, room: int = 10) -> Desk:
        def accept(one: Caller, event: HookEvent) -> bool:
            if len(taken) >= room:
                return False
            taken.append((one.job, event))
            return True

        plan = HookPlan(callers=callers)
        secrets = {one.path: SECRET for one in callers}
        return Desk(plan, secrets, Seen(tmp_path / "seen"), clock, accept)

    return make


def body_of(data: object) -> bytes:
    return json.dumps(data).encode()


def headers_of(kind: str, body: bytes, clock: FakeClock, secret: bytes = SECRET) -> dict[str, str]:
    at = f"{clock.wall()}"
    match kind:
        case "github":
            digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
            return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "push"}
        case "gitlab":
            return {"X-Gitlab-Token": secret.decode(), "X-Gitlab-Event-UUID": "1"}
        case "obs":
            return {"Authorization": f"Token {secret.decode()}"}
        case _:
            return {"X-Virtci-Time": at, "X-Virtci-Signature": sign(secret, at, body)}


KINDS = [("github", PUSH), ("gitlab", PUSH), ("obs", COMMIT), ("virtci", COMMIT)]


@pytest.mark.parametrize(("kind", "data"), KINDS)
def test_a_genuine_call_is_taken_once(
    make_desk: MakeDesk, clock: FakeClock, taken: Taken, kind: str, data: object
) -> None:
    desk, body = make_desk(caller(kind)), body_of(data)
    headers = headers_of(kind, body, clock)
    assert desk.judge(f"/{kind}", headers, body).status == 202
    assert desk.judge(f"/{kind}", headers, body) == Verdict(409, "this call was taken already")
    assert len(taken) == 1


@pytest.mark.parametrize(("kind", "data"), KINDS)
def test_a_call_with_another_secret_or_none_is_refused_and_its_body_not_read(
    make_desk: MakeDesk, clock: FakeClock, taken: Taken, kind: str, data: object
) -> None:
    desk = make_desk(caller(kind))
    for body in (body_of(data), b"{not json"):
        wrong = headers_of(kind, body, clock, b"not the secret at all")
        assert desk.judge(f"/{kind}", wrong, body) == Verdict(401, "not proven")
        assert desk.judge(f"/{kind}", {}, body) == Verdict(401, "not proven")
    assert taken == []


def test_a_signed_body_that_was_changed_is_refused(make_desk: MakeDesk, clock: FakeClock) -> None:
    desk, body = make_desk(caller("github")), body_of(PUSH)
    headers = headers_of("github", body, clock)
    assert desk.judge("/github", headers, body + b" ").status == 401


def test_an_old_signature_is_refused(make_desk: MakeDesk, clock: FakeClock) -> None:
    desk, body = make_desk(caller("virtci")), body_of(COMMIT)
    headers = headers_of("virtci", body, clock)
    clock.sleep(301)
    assert desk.judge("/virtci", headers, body).status == 401


def test_a_replay_is_refused_after_a_restart_too(make_desk: MakeDesk, clock: FakeClock) -> None:
    body = body_of(PUSH)
    headers = headers_of("github", body, clock)
    assert make_desk(caller("github")).judge("/github", headers, body).status == 202
    assert make_desk(caller("github")).judge("/github", headers, body).status == 409


def test_a_call_refused_for_lack_of_room_may_come_again(
    make_desk: MakeDesk, clock: FakeClock, taken: Taken
) -> None:
    body = body_of(PUSH)
    headers = headers_of("github", body, clock)
    assert make_desk(caller("github"), room=0).judge("/github", headers, body).status == 503
    assert make_desk(caller("github"), room=1).judge("/github", headers, body).status == 202


@pytest.mark.parametrize(
    "data",
    [
        PUSH | {"ref": "refs/heads/x'; rm -rf /"},
        PUSH | {"after": "$(reboot)"},
        PUSH | {"ref": "refs/heads/" + "a" * 300},
        PUSH | {"repository": {"full_name": "a\nb"}},
        {"ref": 7},
        ["a", "list"],
    ],
)
def test_fields_that_could_be_more_than_names_are_refused(
    make_desk: MakeDesk, clock: FakeClock, taken: Taken, data: object
) -> None:
    desk, body = make_desk(caller("github")), body_of(data)
    assert desk.judge("/github", headers_of("github", body, clock), body).status == 400
    assert taken == []


def test_a_ping_a_deleted_branch_and_another_branch_start_nothing(
    make_desk: MakeDesk, clock: FakeClock, taken: Taken
) -> None:
    desk = make_desk(caller("github", branches=("main",)))
    for data, event in (
        (PUSH, "ping"), (PUSH | {"after": "0" * 40}, "push"),
        (PUSH | {"ref": "refs/heads/other"}, "push"),
    ):  # fmt: skip
        body = body_of(data)
        headers = headers_of("github", body, clock) | {"X-GitHub-Event": event}
        assert desk.judge("/github", headers, body) == Verdict(200, "nothing to do")
    assert taken == []


def test_fields_of_the_event_become_parameters() -> None:
    one = caller("obs", parameters={"SOURCE_REF": "revision", "BRANCH": "branch"})
    assert parameters(one, HookEvent(revision="42")) == {"SOURCE_REF": "42"}


def test_a_parameter_from_no_field_and_a_short_secret_are_refused() -> None:
    with pytest.raises(ValueError, match="none of"):
        caller("obs", parameters={"EXTRA": "body"})
    with pytest.raises(UsageError, match="shorter than 16"):
        secrets_of(HookPlan(callers=(caller("obs"),)), {"S": "short"})
    with pytest.raises(UsageError, match="is not set"):
        secrets_of(HookPlan(callers=(caller("obs"),)), {})


def test_the_memory_of_calls_is_bounded(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "seen", most=3)
    for number in range(10):
        assert seen.once(("/x", ""), str(number).encode(), lambda: True)
    assert seen.once(("/x", ""), b"9", lambda: True) is None
    again = Seen(tmp_path / "seen", most=3)
    assert again.once(("/x", ""), b"9", lambda: True) is None
    assert len((tmp_path / "seen").read_text().split()) == 3


def ask(port: int, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.real
def test_over_a_socket_a_signed_call_is_taken_and_everything_else_is_bounded(
    make_desk: MakeDesk, clock: FakeClock, taken: Taken
) -> None:
    body = body_of(PUSH)
    signed = headers_of("github", body, clock)
    with serving("127.0.0.1", 0, make_desk(caller("github"))) as port:
        assert ask(port, "POST", "/github", body, {}) == 401
        assert ask(port, "POST", "/github", body, signed) == 202
        assert ask(port, "POST", "/github", body, signed) == 409
        assert ask(port, "POST", "/other", body, signed) == 404
        assert ask(port, "GET", "/github", b"", signed) == 405
        big = {"Content-Length": str(MOST_BYTES + 1)}
        assert ask(port, "POST", "/github", b"", signed | big) == 413
        chunked = b"POST /github HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            raw.sendall(chunked)
            assert b" 411 " in raw.recv(200)
    assert len(taken) == 1


def test_what_waits_is_bounded_kept_in_order_and_survives_damage(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most=2)
    assert spool.add("/a", HookEvent(revision="1"))
    assert spool.add("/b", HookEvent(revision="2"))
    assert not spool.add("/c", HookEvent(revision="3"))
    again = Spool(tmp_path, most=2)
    first = again.first()
    assert first is not None
    assert (first.path, first.event.revision) == ("/a", "1")
    again.done(first)
    (tmp_path / "hook-0.json").write_text("{")
    second = again.first()
    assert second is not None
    assert second.path == "/b"
    again.done(second)
    assert again.first() is None
