"""The gate passes only what is shown, and says what is not."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.gate.evidence import of_plan, of_run
from ci.gate.known import with_history
from ci.gate.policy import Decision, decide, load_policy
from ci.gate.ruling import Verdict
from ci.history.database import opened
from ci.history.importer import Importer
from ci.model import CaseResult, Outcome
from ci.run import Failure
from tests.made_runs import DAY, START, case, iterations, make_run

TODAY = datetime.date(2026, 9, 25)
FAILED, BROKEN, UNSUPPORTED = Outcome.FAILED, Outcome.BROKEN, Outcome.UNSUPPORTED
SIGNATURE = '[[require]]\nkind = "no-new-signature"\n'
FAILURE = '[[require]]\nkind = "no-new-failure"\nsuite = "tck"\n'
PARITY = '[[require]]\nkind = "parity"\n'
PROVEN = '[[require]]\nkind = "proven"\n'
RATE = '[[require]]\nkind = "rate"\nsuite = "stress"\nbelow = "5% @95%"\nhosts = {}\n'


def gate(folder: Path, text: str, today: datetime.date = TODAY) -> Decision:
    path = folder / "policy.toml"
    path.write_text(text)
    return decide(load_policy(path), of_run(folder / "2"), today)


def two_runs(folder: Path, before: list[CaseResult], now: list[CaseResult]) -> Path:
    make_run(folder, "1", {"xen1/tck": before}, revision="a")
    return make_run(folder, "2", {"xen1/tck": now}, at=START + DAY, revision="b")


def test_all_that_is_shown_passes(tmp_path: Path) -> None:
    two_runs(tmp_path, [case("a/x"), case("a/y")], [case("a/x"), case("a/y")])
    decision = gate(tmp_path, SIGNATURE + FAILURE + PARITY + PROVEN)
    assert (decision.verdict, decision.exit_code) == (Verdict.PASS, 0)


@pytest.mark.parametrize("policy", [SIGNATURE, FAILURE, PARITY])
def test_a_new_failure_fails_each_of_them(tmp_path: Path, policy: str) -> None:
    two_runs(tmp_path, [case("a/x"), case("a/y")], [case("a/x", FAILED, "bad"), case("a/y")])
    decision = gate(tmp_path, policy)
    assert (decision.verdict, decision.exit_code) == (Verdict.FAIL, 1)
    assert "a/x" in decision.rulings[-1].reasons[0]


def test_a_known_failure_passes_but_the_same_revision_is_no_excuse(tmp_path: Path) -> None:
    two_runs(tmp_path, [case("a/x", FAILED, "bad 1")], [case("a/x", FAILED, "bad 2")])
    assert gate(tmp_path, SIGNATURE + FAILURE).verdict is Verdict.PASS
    again = tmp_path / "again"
    make_run(again, "1", {"xen1/tck": [case("a/x", FAILED, "bad")]}, revision="b")
    make_run(again, "2", {"xen1/tck": [case("a/x", FAILED, "bad")]}, at=START + DAY, revision="b")
    assert gate(again, SIGNATURE).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("policy", "now"),
    [
        (FAILURE, [case("a/x", BROKEN, "host gone")]),
        (PARITY, [case("a/x", BROKEN, "host gone")]),
        (PARITY, [case("a/other")]),
        (SIGNATURE, [case("a/x", BROKEN, "host gone")]),
        (FAILURE, []),
    ],
)
def test_what_the_lab_broke_or_nobody_ran_is_inconclusive(
    tmp_path: Path, policy: str, now: list[CaseResult]
) -> None:
    two_runs(tmp_path, [case("a/x")], now)
    decision = gate(tmp_path, policy)
    assert (decision.verdict, decision.exit_code) == (Verdict.INCONCLUSIVE, 3)


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (case("a/x", BROKEN, "gone"), case("a/x", BROKEN, "gone"), Verdict.INCONCLUSIVE),
        (case("a/x", BROKEN, "gone"), case("a/x", FAILED, "bad"), Verdict.FAIL),
        (case("a/x"), case("a/x", Outcome.SKIPPED, "no time"), Verdict.INCONCLUSIVE),
        (case("a/x"), case("a/other"), Verdict.INCONCLUSIVE),
        (case("a/x", UNSUPPORTED), case("a/x"), Verdict.PASS),
    ],
)
def test_no_news_is_good_news_only_where_there_is_any(
    tmp_path: Path, before: CaseResult, now: CaseResult, verdict: Verdict
) -> None:
    two_runs(tmp_path, [before, case("a/y")], [now, case("a/y")])
    assert gate(tmp_path, FAILURE).verdict is verdict


@pytest.mark.parametrize("policy", [FAILURE, PARITY])
def test_a_run_that_the_lab_broke_is_no_measure(tmp_path: Path, policy: str) -> None:
    make_run(tmp_path, "0", {"xen1/tck": [case("a/x"), case("a/y")]}, revision="a")
    broken = [case("a/y"), case("a/x", BROKEN, "host gone")]
    make_run(tmp_path, "1", {"xen1/tck": broken}, at=START + 9, revision="b")
    now = [case("a/y"), case("a/x", UNSUPPORTED, "no")]
    make_run(tmp_path, "2", {"xen1/tck": now}, at=START + DAY, revision="c")
    expected = Verdict.FAIL if policy == PARITY else Verdict.PASS
    assert gate(tmp_path, policy).verdict is expected
    make_run(tmp_path / "x", "1", {"xen1/tck": broken[:1]}, revision="b")
    make_run(tmp_path / "x", "2", {"xen1/tck": now[:1]}, at=START + DAY, revision="c")
    assert gate(tmp_path / "x", policy).verdict is Verdict.PASS


def test_parity_with_a_suite_that_never_passed_is_inconclusive(tmp_path: Path) -> None:
    two_runs(tmp_path, [case("a/x", FAILED, "bad")], [case("a/x")])
    assert gate(tmp_path, PARITY).verdict is Verdict.INCONCLUSIVE


def test_a_known_deviation_where_it_passed_before_reduces_parity(tmp_path: Path) -> None:
    two_runs(tmp_path, [case("a/x"), case("a/y")], [case("a/x", Outcome.WAIVED), case("a/y")])
    assert gate(tmp_path, PARITY).verdict is Verdict.FAIL


def test_a_loop_that_did_not_show_its_aim_never_passes(tmp_path: Path) -> None:
    short = [*iterations(30), case("aim", BROKEN, "INCONCLUSIVE: 0/30", suite="stress")]
    make_run(tmp_path, "2", {"xen1/stress": short})
    assert gate(tmp_path, SIGNATURE).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("policy", [SIGNATURE, FAILURE, RATE.format(1).replace("5%", "20%", 1)])
def test_what_crashed_beside_a_suite_of_passes_fails_the_gate(tmp_path: Path, policy: str) -> None:
    name = "libvirtd: SIGSEGV in virFree < virDomainFree"
    crash = case(name, FAILED, name, suite="tck-crashes")
    whole = {"xen1/tck": [case("a/x")], "xen1/stress": list(iterations(30))}
    make_run(tmp_path, "1", whole, revision="a")
    make_run(tmp_path, "2", whole, at=START + DAY, revision="b")
    assert gate(tmp_path, policy).verdict is Verdict.PASS
    shutil.rmtree(tmp_path / "2")
    beside = {"xen1/tck-crashes": [crash], "xen1/stress-crashes": [crash]}
    make_run(tmp_path, "2", {**whole, **beside}, at=START + DAY, revision="b")
    assert gate(tmp_path, policy).verdict is Verdict.FAIL


def test_a_crash_that_is_gone_is_no_test_that_was_left_out(tmp_path: Path) -> None:
    crash = case("libvirtd: SIGSEGV", FAILED, "libvirtd: SIGSEGV", suite="tck-crashes")
    before = {"xen1/tck": [case("a/x")], "xen1/tck-crashes": [crash]}
    make_run(tmp_path, "1", before, revision="a")
    make_run(tmp_path, "2", {"xen1/tck": [case("a/x")]}, at=START + DAY, revision="b")
    everywhere = FAILURE.replace('suite = "tck"\n', "")
    assert gate(tmp_path, FAILURE + everywhere).verdict is Verdict.PASS


def test_many_tests_on_one_host_are_no_loop_on_many_hosts(tmp_path: Path) -> None:
    make_run(tmp_path, "2", {"xen1/stress": [case(f"a/{n}") for n in range(3)]})
    assert gate(tmp_path, RATE.format(2).replace("5%", "99%", 1)).verdict is Verdict.INCONCLUSIVE


def test_a_wrong_plan_is_not_the_products_failure(tmp_path: Path) -> None:
    wrong = Failure(blame="user", message="there is no ref v0")
    make_run(tmp_path, "2", {"xen1/tck": [case("a/x")]}, failed_steps=[("source", wrong)])
    assert gate(tmp_path, SIGNATURE).verdict is Verdict.INCONCLUSIVE


def test_parity_without_anything_to_compare_is_inconclusive(tmp_path: Path) -> None:
    make_run(tmp_path, "2", {"xen1/tck": [case("a/x")]})
    assert gate(tmp_path, PARITY).verdict is Verdict.INCONCLUSIVE


def test_a_behaviour_that_is_no_longer_supported_reduces_parity(tmp_path: Path) -> None:
    two_runs(tmp_path, [case("a/x"), case("a/y")], [case("a/x", UNSUPPORTED), case("a/y")])
    assert gate(tmp_path, PARITY).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("loops", "hosts", "verdict"),
    [
        ({"xen1": (59, 0)}, 1, Verdict.PASS),  # 0.95^59 < 5 %: the rule of three's exact form
        ({"xen1": (58, 0)}, 1, Verdict.INCONCLUSIVE),
        ({"xen1": (59, 0)}, 2, Verdict.INCONCLUSIVE),
        ({"xen1": (59, 0), "xen2": (59, 0)}, 2, Verdict.PASS),
        ({"xen1": (59, 0), "xen2": (40, 20)}, 1, Verdict.FAIL),
        ({"xen1": (58, 1)}, 1, Verdict.INCONCLUSIVE),
    ],
)
def test_a_rate_has_to_be_shown_on_as_many_hosts_as_were_asked_for(
    tmp_path: Path, loops: dict[str, tuple[int, int]], hosts: int, verdict: Verdict
) -> None:
    suites = {f"{host}/stress": iterations(*counts) for host, counts in loops.items()}
    make_run(tmp_path, "2", suites)
    assert gate(tmp_path, RATE.format(hosts)).verdict is verdict


def test_the_runs_of_one_revision_are_judged_together(tmp_path: Path) -> None:
    make_run(tmp_path, "0", {"xen1/stress": iterations(50, 40)}, revision="a")
    for n in (1, 2):
        loops = {"xen1/stress": iterations(30)}
        make_run(tmp_path, str(n), loops, at=START + n * DAY, revision="b")
    (tmp_path / "policy.toml").write_text(RATE.format(1))
    policy = load_policy(tmp_path / "policy.toml")
    evidence = of_plan(Path("plans/demo.toml"), tmp_path)
    assert [run.id for run in evidence.runs] == ["2", "1"]
    assert decide(policy, evidence, TODAY).verdict is Verdict.PASS
    assert decide(policy, of_run(tmp_path / "2"), TODAY).verdict is Verdict.INCONCLUSIVE
    with pytest.raises(UsageError, match=r"no run of other\.toml"):
        of_plan(Path("other.toml"), tmp_path)


def test_a_run_that_was_cut_or_whose_build_failed_never_passes(tmp_path: Path) -> None:
    make_run(tmp_path, "2", {"xen1/tck": [case("a/x")]}, end="")
    assert gate(tmp_path, SIGNATURE).verdict is Verdict.INCONCLUSIVE
    other = tmp_path / "other"
    failure = Failure(blame="product", message="does not build")
    steps = [("build", failure)]
    make_run(other, "2", {"xen1/tck": [case("a/x")]}, failed_steps=steps)
    assert gate(other, PROVEN).verdict is Verdict.FAIL


def test_a_waiver_covers_until_its_day_and_says_so(tmp_path: Path) -> None:
    two_runs(tmp_path, [case("a/x"), case("b/y")], [case("a/x", FAILED, "bad"), case("b/y")])
    waiver = '[[waivers]]\ntest = "tck/a/*"\nowner = "qa"\nuntil = 2026-09-25\nreason = "bug 1"\n'
    decision = gate(tmp_path, FAILURE + waiver)
    assert decision.verdict is Verdict.PASS
    assert decision.notes == ("waived: tck/a/* by qa until 2026-09-25: bug 1",)
    late = gate(tmp_path, FAILURE + waiver, TODAY + datetime.timedelta(days=1))
    assert late.verdict is Verdict.FAIL
    assert late.notes[0].startswith("the waiver has expired")


def test_a_waiver_of_one_signature_hides_no_other(tmp_path: Path) -> None:
    bad = [case("a/x", FAILED, "p"), case("a/y", FAILED, "q")]
    two_runs(tmp_path, [case("a/x"), case("a/y")], bad)
    name = gate(tmp_path, SIGNATURE).rulings[-1].reasons[0].split()[2].rstrip(":")
    waiver = f'[[waivers]]\nsignature = "{name}"\nowner = "o"\nuntil = 2027-01-01\nreason = "r"\n'
    reasons = gate(tmp_path, SIGNATURE + waiver).rulings[-1].reasons
    assert len(reasons) == 1
    assert name not in reasons[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("require = []", "lets everything pass"),
        ('[[require]]\nkind = "no-new-signatur"\n', "no-new-signature"),
        ('[[require]]\nkind = "rate"\nsuite = "s"\nbelow = "lots"\n', "no goal"),
        (SIGNATURE + '[[waivers]]\nowner = ""\nuntil = 2026-01-01\nreason = "x"\n', "owner"),
        (SIGNATURE + '[[waivers]]\nowner = "o"\nuntil = 2026-01-01\nreason = "x"\n', "either"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        load_policy(tmp_path / "p.toml")


def test_the_history_knows_signatures_of_older_runs_but_not_those_under_judgement(
    tmp_path: Path,
) -> None:
    old = make_run(tmp_path / "old", "1", {"xen1/tck": [case("a/x", FAILED, "old bug")]})
    now = [case("a/x", FAILED, "old bug"), case("a/y", FAILED, "new bug")]
    run = make_run(tmp_path / "now", "2", {"xen1/tck": now}, at=START + DAY)
    url = f"sqlite:///{tmp_path}/h.sqlite"
    with opened(url) as history:
        for folder in (old, run):
            Importer(history).run(folder)
    assert len(with_history(of_run(run), url).known) == 1
