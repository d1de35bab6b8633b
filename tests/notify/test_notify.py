"""Who is told what, when, and never twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import InfraError, UsageError
from ci.model import CaseResult, Outcome
from ci.notify.decision import News
from ci.notify.message import Message, compose
from ci.notify.notify import FILE, Told, notify, what_to_tell
from ci.notify.recipients import Recipient, Recipients, load_recipients
from ci.notify.sender import send
from ci.report.loading import load
from ci.run import Failure
from tests import made_runs
from tests.made_runs import DAY, START, event, make_run
from tests.notify.sinks import http_sink, mail_sink, matrix_sink

ALL = tuple(News)
HOSTILE = "bad\r\nBcc: everybody@example.org\r\n\x1b[2J <b>"


def cases(mark: str) -> list[CaseResult]:
    """``.`` passed, ``F`` and ``G`` two different failures, ``!`` the lab."""
    match mark:
        case ".":
            return [made_runs.case("a/x")]
        case "!":
            return [made_runs.case("a/x", Outcome.BROKEN, "host gone")]
        case _:
            return [
                made_runs.case(
                    "a/x", Outcome.FAILED, f"wrong state {'of y' if mark == 'G' else ''}"
                )
            ]


def history(folder: Path, marks: str) -> Path:
    runs = [
        make_run(folder, f"{n:02}", {"xen1/tck": cases(mark)}, at=START + n * DAY, revision=f"r{n}")
        for n, mark in enumerate(marks)
    ]
    return runs[-1]


class Outbox:
    """Takes what is sent, or refuses it."""

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.sent: list[tuple[str, Message]] = []

    def __call__(self, url: str, message: Message) -> None:
        if self.refusal:
            raise InfraError(self.refusal)
        self.sent.append((url, message))


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("A", "B"):
        monkeypatch.setenv(f"URL_{name}", f"json://{name}")


def recipients(*names: str, on: tuple[News, ...] = ALL) -> Recipients:
    found = tuple(Recipient(name=name, url_env=f"URL_{name}", on=on) for name in names)
    return Recipients(recipients=found)


def tell(folder: Path, to: Recipients, outbox: Outbox) -> list[Told]:
    run = load(folder)
    return notify(folder, run, what_to_tell(folder, run), to, outbox)


@pytest.mark.parametrize(
    ("marks", "news"),
    [
        (".", None),
        ("F", News.NEW),
        (".F", News.NEW),
        (".FF", News.STILL),
        (".FFF", None),
        (".FFFF", News.STILL),
        (".FFG", News.NEW),
        (".F.", News.FIXED),
        (".F!.", News.FIXED),
        (".!", News.LAB),
        (".!.", None),
        (".F!F", News.STILL),
        ("..", None),
    ],
)
def test_what_is_told(tmp_path: Path, marks: str, news: News | None) -> None:
    folder = history(tmp_path, marks)
    assert what_to_tell(folder, load(folder)).news is news


def test_a_refused_plan_is_neither_the_products_nor_the_labs(tmp_path: Path) -> None:
    wrong = Failure(blame="user", message="there is no ref v0")
    history(tmp_path, ".")
    folder = make_run(tmp_path, "x1", {}, at=START + 9 * DAY, failed_steps=[("source", wrong)])
    assert what_to_tell(folder, load(folder)).news is News.PLAN
    later = make_run(tmp_path, "x2", {"xen1/tck": cases(".")}, at=START + 10 * DAY)
    assert what_to_tell(later, load(later)).news is None  # a wrong plan is not "fixed"


def test_known_gaps_hide_no_repair(tmp_path: Path) -> None:
    history(tmp_path, ".F")
    good = [*cases("."), made_runs.case("a/z", Outcome.UNSUPPORTED)]
    folder = make_run(tmp_path, "x", {"xen1/tck": good}, at=START + 9 * DAY)
    assert what_to_tell(folder, load(folder)).news is News.FIXED


def test_nobody_is_told_twice_of_one_run(tmp_path: Path) -> None:
    folder, outbox = history(tmp_path, ".F"), Outbox()
    assert [t.state for t in tell(folder, recipients("A", "B"), outbox)] == ["sent", "sent"]
    assert [t.state for t in tell(folder, recipients("A", "B"), outbox)] == ["left alone"] * 2
    assert len(outbox.sent) == 2


def test_a_cut_between_sending_and_noting_sends_no_second_message(tmp_path: Path) -> None:
    folder, outbox = history(tmp_path, ".F"), Outbox()
    (folder / FILE).write_bytes(event(START, "sending", "A"))
    (told,) = tell(folder, recipients("A"), outbox)
    assert (told.state, outbox.sent) == ("left alone", [])
    assert "perhaps" in told.why


def test_one_who_cannot_be_reached_is_tried_again_and_keeps_nobody_from_hearing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = history(tmp_path, ".F")
    monkeypatch.delenv("URL_A")
    outbox = Outbox()
    states = [t.state for t in tell(folder, recipients("A", "B"), outbox)]
    assert states == ["failed", "sent"]
    monkeypatch.setenv("URL_A", "json://A")
    assert [t.state for t in tell(folder, recipients("A"), Outbox("refused"))] == ["failed"]
    assert [t.state for t in tell(folder, recipients("A"), outbox)] == ["sent"]


def test_recipients_hear_only_what_they_asked_for(tmp_path: Path) -> None:
    folder = history(tmp_path, ".F")
    assert tell(folder, recipients("A", on=(News.FIXED, News.LAB)), Outbox()) == []
    other = Recipient(name="A", url_env="URL_A", plans=("nightly-*",))
    assert tell(folder, Recipients(recipients=(other,)), Outbox()) == []


def test_an_unfinished_run_is_told_when_it_has_ended(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "1", {"xen1/tck": cases("F")}, end="interrupted")
    outbox = Outbox()
    assert tell(folder, recipients("A"), outbox) == []
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(event(START + 99, "ended"))
    assert [t.state for t in tell(folder, recipients("A"), outbox)] == ["sent"]


def test_the_message_is_short_and_begins_with_a_line_for_programs(tmp_path: Path) -> None:
    bad = [
        made_runs.case(f"a/{chr(97 + n) * 3}", Outcome.FAILED, HOSTILE + "x" * 999)
        for n in range(26)
    ]
    folder = make_run(tmp_path, "1", {"xen1/tck": bad})
    run = load(folder)
    message = compose(run, what_to_tell(folder, run), "https://ci.example/{run}/")
    first = message.body.splitlines()[0]
    assert first.startswith("X-Virtci: run=1 plan=demo news=new outcome=failed times=1 signatures=")
    assert message.title == "virtci: demo broke"
    assert message.body.endswith("https://ci.example/1/")
    assert len(message.body) < 1500
    assert "\x1b" not in message.body
    assert "Bcc" not in message.body


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[recipients]]\nname = "a"\nurl_env = "mailto://x"\n', "url_env"),
        ('[[recipients]]\nname = "a"\nurl_env = "A"\non = ["news"]\n', "news"),
        ('[[recipients]]\nname = "a"\nurl_env = "A"\n' * 2, "two are named"),
        ('recipients = []\nlink = "https://x/{rum}/"\n', "link: {rum} is not known; {run} is"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        load_recipients(tmp_path / "r.toml")


def message() -> Message:
    return Message(title="virtci: demo broke", body="X-Virtci: run=1\n\nbody", header="run=1")


@pytest.mark.real
def test_a_mail_arrives_with_its_header_line() -> None:
    with mail_sink() as (port, mails):
        send(f"mailto://127.0.0.1:{port}?from=ci@example.org&to=qa@example.org", message())
    (mail,) = mails
    assert mail["Subject"] == "virtci: demo broke"
    assert mail["X-Virtci"] == "run=1"
    assert "X-Virtci: run=1" in str(mail.get_payload(decode=True) or mail.as_string())


@pytest.mark.real
def test_a_service_over_http_gets_title_and_body() -> None:
    with http_sink() as (port, got):
        send(f"json://127.0.0.1:{port}/hook", message())
    assert (got[0]["title"], got[0]["message"]) == ("virtci: demo broke", message().body)


@pytest.mark.real
def test_a_room_on_matrix_hears_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # Apprise keeps the session there
    with matrix_sink() as (port, got):
        send(f"matrix://ci:secret@127.0.0.1:{port}/!r:x?version=3", message())
    assert got[0]["msgtype"] == "m.text"
    assert "virtci: demo broke" in got[0]["body"]
    assert "X-Virtci: run=1" in got[0]["body"]


@pytest.mark.real
def test_a_channel_behind_a_slack_like_hook_hears_it() -> None:
    """Mattermost's incoming hook takes Slack's JSON; Slack's own address cannot be a loopback."""
    with http_sink() as (port, got):
        send(f"mmost://127.0.0.1:{port}/abcdefghijklmnopqrstuvwxyz", message())
    assert "X-Virtci: run=1" in got[0]["text"]
    assert "virtci: demo broke" in got[0]["text"]


@pytest.mark.real
def test_a_service_that_refuses_or_is_not_there_is_the_labs_trouble() -> None:
    with http_sink(500) as (port, _), pytest.raises(InfraError, match="did not take"):
        send(f"json://127.0.0.1:{port}", message())
    with pytest.raises(InfraError):
        send(f"json://127.0.0.1:{port}", message())


def test_an_address_that_nobody_knows_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError) as caught:
        send("nosuch://user:secret@host", message())
    assert "secret" not in caught.value.message
