"""A bisection of a failure of now and then finds the build, knows how sure it is, and resumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ci.crash.bisect.builds import in_folder, in_git, in_list
from ci.crash.bisect.posterior import Counts, Prior, believe, choose, prior_for_rate, suspects
from ci.crash.bisect.search import Aims, Answer, Search, Verdict, search
from ci.crash.bisect.session import Session, Subject
from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.shell import LocalShell

KEPT = Aims(most_runs=4000)


def found(
    builds: int, fails: Callable[[int], bool], aims: Aims = KEPT, broken: tuple[int, ...] = ()
) -> Answer:
    def run(build: int) -> Verdict:
        if build in broken:
            return Verdict.UNTESTABLE
        return Verdict.BAD if fails(build) else Verdict.GOOD

    return search(Search(builds, aims), run, lambda _build, _verdict: None)


def test_a_failure_of_every_run_is_found_about_as_quickly_as_by_halving() -> None:
    for first_bad in range(1, 32):
        answer = found(32, lambda build, first=first_bad: build >= first)  # type: ignore[misc]
        assert answer.first_bad == (first_bad,)
        assert answer.sure
        assert answer.runs <= 90


def test_a_failure_of_one_run_in_ten_is_found_nearly_always() -> None:
    right = 0
    for number in range(20):
        random = Random(number)
        first_bad = random.randrange(1, 20)
        answer = found(20, lambda b, f=first_bad, r=random: b >= f and r.random() < 0.1)  # type: ignore[misc]
        right += answer.first_bad == (first_bad,)
    assert right >= 18


def test_when_no_build_fails_none_is_blamed() -> None:
    answer = found(10, lambda _build: False)
    assert answer.none_is_bad(10)
    assert answer.sure


def test_when_all_builds_fail_the_oldest_is_named() -> None:
    assert found(10, lambda _build: True).first_bad == (0,)


def test_too_few_runs_end_in_doubt_and_not_in_a_wrong_answer() -> None:
    random = Random(1)
    answer = found(50, lambda b: b >= 30 and random.random() < 0.05, Aims(most_runs=30))
    assert not answer.sure
    assert answer.runs <= 40


def test_builds_that_cannot_run_are_passed_over_and_named_when_they_hide_the_answer() -> None:
    answer = found(12, lambda build: build >= 6, broken=(5, 6))
    assert answer.first_bad == (5, 6, 7)
    assert answer.sure


def test_a_measured_rate_is_what_is_expected_of_bad_builds() -> None:
    prior = prior_for_rate(0.02)
    assert believe(Counts.none(4), prior).bad[0] == pytest.approx(0.02)


def test_passes_lower_suspicion_only_as_much_as_they_prove() -> None:
    counts = Counts.none(2)
    counts.failed[1] = 2
    counts.passed[0] = 3
    few = believe(counts, Prior()).weights[1]
    counts.passed[0] = 60
    many = believe(counts, Prior()).weights[1]
    assert few < 0.9 < many


def test_there_is_nothing_to_run_when_no_build_can_be() -> None:
    counts = Counts.none(3)
    counts.untestable.update({0, 1, 2})
    belief = believe(counts, Prior())
    assert choose(belief, counts, 5) is None
    assert suspects(belief, counts)[0] == (0, 1, 2, 3)


def script(folder: Path, code: str) -> tuple[str, ...]:
    """A shell script: its first argument is the build's number."""
    path = folder / "run.sh"
    path.write_text(f"build=$1\n{code}\n")
    return ("sh", str(path), "{}")


def session(folder: Path, code: str, signature: str = "") -> Session:
    builds = tuple(str(number) for number in range(8))
    subject = Subject(builds=builds, command=script(folder, code), signature=signature)
    return Session(folder / "journal", subject, LocalShell())


def go(one: Session) -> Answer:
    try:
        return one.go(Deadline.after(60), lambda _text: None)
    finally:
        one.close()


BAD_FROM_5 = "[ $build -lt 5 ]"


def test_a_stopped_bisection_goes_on_where_it_was(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    code = f"echo >> {counter}; [ $(wc -l < {counter}) -lt 5 ] || exit 3; {BAD_FROM_5}"
    broken = session(tmp_path, code)
    with pytest.raises(InfraError, match="could not be judged"):
        go(broken)
    before = broken.state.counts.runs
    resumed = session(tmp_path, BAD_FROM_5)
    assert resumed.state.counts.runs == before == 4
    assert go(resumed).first_bad == (5,)


def test_the_journal_of_another_bisection_is_refused(tmp_path: Path) -> None:
    go(session(tmp_path, BAD_FROM_5))
    subject = Subject(builds=("a", "b"), command=("true",))
    with pytest.raises(UsageError, match="another bisection"):
        Session(tmp_path / "journal", subject, LocalShell())


def test_a_build_that_fails_of_something_else_is_passed_over(tmp_path: Path) -> None:
    code = "[ $build = 3 ] && echo SIGSEGV in other || echo assert a in b; [ $build -lt 3 ]"
    one = session(tmp_path, code, signature="assert a in b")
    answer = go(one)
    assert (answer.sure, answer.first_bad) == (True, (3, 4))  # what 3 hides is one of them


def test_folders_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("r10", "r9", "r100"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.rpm").touch()
    (tmp_path / "notes").mkdir()
    assert [Path(path).name for path in in_folder(tmp_path)] == ["r9", "r10", "r100"]


def test_a_list_is_read_and_one_build_is_too_few(tmp_path: Path) -> None:
    file = tmp_path / "builds"
    file.write_text("# oldest first\na\n\nb\n")
    assert in_list(file) == ("a", "b")
    file.write_text("a\n")
    with pytest.raises(UsageError, match="needs two builds"):
        in_list(file)


@pytest.mark.real
def test_commits_of_a_repository_are_taken_oldest_first(tmp_path: Path) -> None:
    shell, deadline = LocalShell(), Deadline.after(60)
    user = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    assert shell.run(("git", "init", "-q", str(tmp_path)), deadline).ok, "apt-get install git"
    for number in range(4):
        argv = (
            "git",
            "-C",
            str(tmp_path),
            *user,
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            f"{number}",
        )
        assert shell.run(argv, deadline).ok
    commits = in_git(tmp_path, "HEAD~3..HEAD", shell, deadline)
    shown = shell.run(("git", "-C", str(tmp_path), "log", "--format=%H", "--reverse"), deadline)
    assert list(commits) == shown.stdout.split()
    with pytest.raises(UsageError, match="git knows no range"):
        in_git(tmp_path, "nope..HEAD", shell, deadline)
