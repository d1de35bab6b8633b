"""The door: each error says whose it is, and the token is in none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.errors import UsageError, VirtciError
from ci.jenkins.api import Away, Door, Refused, job_path
from ci.jenkins.controller import Absent, Controller
from ci.jenkins.login import Login, login_from
from ci.jenkins.orders import checked, parse
from ci.jenkins.seen import Job, seen
from tests.jenkins.standin import StandIn
from tests.jenkins.transport import controller_on

TOKEN = "t0ken-of-ci"


def error_of(controller: Controller, deadline: Deadline) -> VirtciError:
    with pytest.raises(VirtciError) as caught:
        controller.queue(deadline)
    return caught.value


def test_a_wrong_token_is_the_users_and_never_shown(state: StandIn, deadline: Deadline) -> None:
    error = error_of(controller_on(state, token="wr0ng-t0ken"), deadline)
    assert isinstance(error, UsageError)
    assert "wr0ng-t0ken" not in f"{error.message}{error.hint}{error.detail}{error!r}"


def test_a_missing_permission_is_named(state: StandIn, deadline: Deadline) -> None:
    state.forbidden = ("POST /job/virt/job/suites/config.xml",)
    with pytest.raises(Refused, match="missing the Job/Configure permission"):
        controller_on(state).reconfigure("virt/suites", "<x/>", deadline)


def test_a_restart_is_away_first_unreachable_then_starting(
    state: StandIn, controller: Controller, deadline: Deadline
) -> None:
    state.restart(down=10, starting=10)
    first = error_of(controller, deadline)
    deadline.clock.sleep(12)
    second = error_of(controller, deadline)
    assert isinstance(first, Away)
    assert not first.sent
    assert isinstance(second, Away)
    assert "503" in second.message


def test_what_is_not_there_is_none_and_what_must_be_there_is_an_error(
    controller: Controller, deadline: Deadline
) -> None:
    assert controller.job("virt/nothing", deadline) is None
    assert controller.build("virt/suites", 99, deadline) is None
    assert controller.queue_item(99, deadline) is None
    assert controller.failed_cases("virt/suites", 1, deadline) is None
    with pytest.raises(Absent, match="is not there, or ci may not see it"):
        controller.order("virt/nothing", {}, deadline, parameterised=True)


def test_parameters_and_secrets_in_a_query_are_not_in_an_error(
    controller: Controller, deadline: Deadline
) -> None:
    with pytest.raises(Refused) as caught:
        controller.order("virt/suites", {"LEVEL": "s3cret"}, deadline, parameterised=True)
    assert "s3cret" not in str(caught.value)


def test_an_answer_that_is_a_page_is_told_as_such() -> None:
    with pytest.raises(VirtciError, match="not what Jenkins sends"):
        seen("<html>login</html>", Job, what="x")


def test_certificates_are_checked_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    assert Door(Login("https://j/", "me", TOKEN))._client._session.verify is True


@pytest.mark.parametrize(
    ("name", "path"),
    [("a", "job/a"), ("a/b c", "job/a/job/b%20c"), ("ä/#?", "job/%C3%A4/job/%23%3F"), ("", "")],
)
def test_names_become_paths_with_every_part_quoted(name: str, path: str) -> None:
    assert job_path(name) == path


def test_the_login_comes_from_the_environment_and_hides_its_token(tmp_path: Path) -> None:
    environment = {"JENKINS_URL": "https://j/", "JENKINS_USER": "me", "JENKINS_TOKEN": TOKEN}
    login = login_from(environment, tmp_path)
    assert (login.url, login.user, login.token) == ("https://j/", "me", TOKEN)
    assert TOKEN not in repr(login)


def test_or_from_a_netrc_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / ".netrc"
    path.write_text(f"machine j login me password {TOKEN}\n")
    path.chmod(0o644)
    with pytest.raises(UsageError, match="open to others"):
        login_from({"JENKINS_URL": "https://j"}, tmp_path)
    path.chmod(0o600)
    assert login_from({"JENKINS_URL": "https://j"}, tmp_path).token == TOKEN


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "no Jenkins controller"),
        ({"JENKINS_URL": "ftp://j"}, r"no http\(s\) URL"),
        ({"JENKINS_URL": "https://u:p4ss@j/"}, "holds a user or a password"),
        ({"JENKINS_URL": "https://j/"}, "no user and token"),
    ],
)
def test_a_login_that_is_not_complete_says_what_to_set(
    tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        login_from(environment, tmp_path)
    assert "p4ss" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "clear"),
    [("https://j/", False), ("http://j/", True), ("http://127.0.0.1:8080/", False)],
)
def test_a_token_in_the_clear_is_noticed(url: str, clear: bool) -> None:  # noqa: FBT001
    assert Login(url, "me", TOKEN).in_the_clear is clear


def test_parameters_are_checked_before_they_are_sent(
    controller: Controller, deadline: Deadline
) -> None:
    job = controller.job("virt/suites", deadline)
    assert job is not None
    assert checked(job, {"KEEP": "Yes", "LEVEL": "full"}) == {"KEEP": "true", "LEVEL": "full"}
    for given, says in (
        ({"LEVEL": "huge"}, "no choice"), ({"LEVL": "full"}, "no parameter"),
        ({"KEEP": "maybe"}, "true or false"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            checked(job, given)
    with pytest.raises(UsageError, match="is no parameter"):
        parse(["LEVEL"])
    with pytest.raises(UsageError, match="given twice"):
        parse(["A=1", "A=2"])
