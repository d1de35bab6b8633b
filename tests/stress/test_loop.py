"""Whole loops on libvirt's own test driver: counted, judged, resumed, never lost."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest

from ci.journal import read
from ci.model import Outcome
from suites.stress.options import Options
from tests.stress.loop import ended, kill, loop, started

pytestmark = pytest.mark.real  # processes, and seconds of waiting for them


def on_test_driver(folder: Path, **changed: object) -> Options:
    made = Options(connect="test:///default", ledger=str(folder / "ledger"), loops=20)
    return msgspec.structs.replace(made, **changed)


def scenario(folder: Path, *body: str) -> str:
    """A scenario of Python lines."""
    file = folder / "scenario.py"
    file.write_text("def mine(play):\n" + "".join(f"    {line}\n" for line in body))
    return f"{file}:mine"


def test_each_iteration_is_a_case_with_the_seconds_of_its_steps(tmp_path: Path) -> None:
    done = loop(on_test_driver(tmp_path))
    assert done.status == 0
    assert [case.name for case in done.cases] == [f"iteration-{n:06}" for n in range(1, 21)]
    steps = ["create", "alive", "reboot", "alive-2", "shutdown", "check"]
    assert list(done.cases[0].steps) == steps
    assert [op.op for op in done.operations[:5]] == [
        "create", "alive", "reboot", "alive", "shutdown",
    ]  # fmt: skip
    operations = done.events("op")
    starts = [op.start for op in done.operations]
    ends = [op.start + op.seconds for op in done.operations]
    assert starts == sorted(starts)  # one after the other, each before it was written down
    assert all(end <= event.at + 0.1 for end, event in zip(ends, operations, strict=True))
    assert done.verdict.text.startswith("PASS: 0/20 failed: rate < 14 % at 95 %; no guest ran")


def test_killed_and_resumed_it_has_the_same_totals_and_repeats_nothing(tmp_path: Path) -> None:
    options = on_test_driver(tmp_path, loops=6000)
    for cases in (1, 2500):
        kill(started(options, cases))
    assert sum(event.what == "case" for event in read(tmp_path / "ledger")) < 6000
    done = loop(options)
    assert [case.name for case in done.cases] == [f"iteration-{n:06}" for n in range(1, 6001)]
    assert done.verdict.iterations == 6000
    assert loop(options).verdict.iterations == 6000  # nothing is left to do


def test_asked_to_end_it_ends_after_the_iteration_with_its_verdict(tmp_path: Path) -> None:
    options = on_test_driver(tmp_path, loops=10_000_000)
    process = started(options)
    process.send_signal(signal.SIGTERM)
    done = ended(process, options)
    assert done.status == 130
    assert done.verdict.outcome == "INCONCLUSIVE"
    assert "somebody asked" in done.verdict.text
    assert done.verdict.iterations == len(done.cases) > 0


def test_it_stops_as_soon_as_the_rate_is_shown(tmp_path: Path) -> None:
    done = loop(on_test_driver(tmp_path, loops=0, until="rate<10% @95%"))
    assert (done.status, len(done.cases)) == (0, 29)


def test_a_loop_that_does_not_do_what_it_says_cannot_pass(tmp_path: Path) -> None:
    mine = scenario(
        tmp_path, "play('create')", "play.guest.call(play.guest.domain.suspend)", "play('destroy')"
    )
    done = loop(on_test_driver(tmp_path, scenario=mine, loops=2))
    assert done.status == 1
    assert "were [started:booted suspended:paused stopped:destroyed]" in done.cases[0].message
    assert "they should be [started:booted stopped:destroyed]" in done.cases[0].message


def test_a_loop_that_does_nothing_is_refused(tmp_path: Path) -> None:
    mine = scenario(tmp_path, "pass")
    done = loop(on_test_driver(tmp_path, scenario=mine, loops=2))
    assert done.status == 2
    assert "mine did nothing in iteration 1" in done.said


def test_an_event_that_comes_when_all_is_over_fails(tmp_path: Path) -> None:
    mine = scenario(
        tmp_path,
        "play('create')",
        "play('destroy')",
        "settle = play.guest.settle",
        "play.guest.settle = lambda: (settle(), play.guest.heard('stopped:crashed'))",
    )
    done = loop(on_test_driver(tmp_path, scenario=mine, loops=1))
    assert done.status == 1
    assert "events that nobody asked for came at the end: stopped:crashed" in done.said


def test_a_domain_that_gets_the_id_of_the_one_before_fails(tmp_path: Path) -> None:
    mine = scenario(
        tmp_path,
        "play('create')",
        "play('destroy')",
        "play.guest._ids = (play.guest.host.daemon, play.guest.domain_id + 1)",
    )
    done = loop(on_test_driver(tmp_path, scenario=mine, loops=2))
    assert [case.outcome for case in done.cases] == [Outcome.PASSED, Outcome.FAILED]
    assert "was started and has the id of the one before" in done.cases[1].message


def test_a_guest_that_is_left_fails_and_does_not_spoil_the_next_iteration(tmp_path: Path) -> None:
    mine = scenario(tmp_path, "play('create')", "if play.number != 1:", "    play('destroy')")
    done = loop(on_test_driver(tmp_path, scenario=mine, loops=3))
    assert [case.outcome for case in done.cases] == [
        Outcome.FAILED, Outcome.PASSED, Outcome.PASSED,
    ]  # fmt: skip
    assert "guests are left: libvirt lists ['virtci-stress-0']" in done.cases[0].message


def test_an_error_of_libvirt_is_given_with_the_step_it_followed(tmp_path: Path) -> None:
    mine = scenario(tmp_path, "play('create')", "play('resume')")
    done = loop(on_test_driver(tmp_path, scenario=mine, loops=1))
    assert "not paused" in done.cases[0].message
    assert "(after create)" in done.cases[0].message
    assert done.operations[1].outcome is Outcome.FAILED


def test_a_call_that_cannot_be_ended_fails_its_iteration_and_the_loop_starts_anew(
    tmp_path: Path,
) -> None:
    file = tmp_path / "scenario.py"
    file.write_text(
        "import time\n"
        "def mine(play):\n"
        "    play('create')\n"
        "    if play.number == 2:\n"
        "        play.guest.call(time.sleep, 600)\n"
        "    play('destroy')\n"
    )
    options = on_test_driver(tmp_path, scenario=f"{file}:mine", loops=4, call_seconds=1.0)
    done = loop(options, seconds=60)
    assert [case.outcome for case in done.cases] == [
        Outcome.PASSED, Outcome.FAILED, Outcome.PASSED, Outcome.PASSED,
    ]  # fmt: skip
    assert "sleep did not return within 1 s and could not be ended" in done.cases[1].message
    assert done.verdict.outcome == "FAIL"


def test_an_iteration_is_played_again_from_its_seed(tmp_path: Path) -> None:
    mine = scenario(
        tmp_path,
        "for _ in range(play.random.randrange(1, 9)):",
        "    play('create')",
        "    play('destroy')",
    )
    played = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        done = loop(on_test_driver(folder, scenario=mine, loops=8, seed=4711))
        played.append([len(case.steps) for case in done.cases])
    assert played[0] == played[1]
    assert len(set(played[0])) > 1
    alone = on_test_driver(tmp_path, scenario=mine, only=5, seed=4711, ledger=str(tmp_path / "c"))
    assert [len(case.steps) for case in loop(alone).cases] == [played[0][4]]


def test_what_the_driver_cannot_do_is_refused_at_once(tmp_path: Path) -> None:
    done = loop(on_test_driver(tmp_path, scenario="disk"))
    assert done.status == 2
    assert "disk cannot be looped there: this function is not supported" in done.said


def test_several_guests_have_ledgers_of_their_own_and_one_verdict(tmp_path: Path) -> None:
    options = on_test_driver(tmp_path, loops=301, guests=3)
    done = loop(options)
    assert done.status == 0
    assert done.verdict.iterations == 301
    assert {name.rpartition("/")[0] for name in (case.name for case in done.cases)} == {
        "guest-1", "guest-2", "guest-3",
    }  # fmt: skip
    assert loop(options).verdict.iterations == 301


def test_several_guests_killed_and_resumed_have_the_same_totals(tmp_path: Path) -> None:
    options = on_test_driver(tmp_path, loops=5000, guests=2)
    kill(started(options, 10))
    done = loop(options)
    names = [case.name for case in done.cases]
    assert len(names) == len(set(names)) == done.verdict.iterations == 5000


@pytest.mark.parametrize("uri", ["nonsense:///x", "qemu+unix:///system?socket=/nowhere/sock"])
def test_a_hypervisor_that_is_not_there_is_one_sentence(tmp_path: Path, uri: str) -> None:
    done = loop(on_test_driver(tmp_path, connect=uri))
    assert done.status == 3
    assert f"cannot connect to {uri}" in done.said
    assert "Traceback" not in done.said


def test_a_second_loop_on_the_same_ledger_is_refused(tmp_path: Path) -> None:
    options = on_test_driver(tmp_path, loops=10_000_000)
    process = started(options)
    second = loop(options)
    process.send_signal(signal.SIGTERM)
    ended(process, options)
    assert second.status == 2
    assert "in use by another virtci" in second.said


def test_what_the_host_lacks_is_the_labs_trouble(tmp_path: Path) -> None:
    mine = scenario(
        tmp_path,
        "raw = play.guest.connection.raw",
        "[net.destroy() for net in raw.listAllNetworks() if net.isActive()]",
        "play.guest.host.driver = 'Xen'",
        "play('create')",
        "play('attach_nic' if play.number > 1 else 'set_vcpus', vcpus=9999)",
    )
    done = loop(on_test_driver(tmp_path, scenario=mine, loops=2))
    assert [case.outcome for case in done.cases] == [Outcome.BROKEN, Outcome.BROKEN]
    assert "is to have 9999 processors and the host has" in done.cases[0].message
    assert "has no active network 'default'" in done.cases[1].message
