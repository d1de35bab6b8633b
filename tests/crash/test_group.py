"""One bug is one group, whatever build it came from; two bugs are two."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.crash.group import group
from ci.crash.text import parse_traces
from ci.crash.trace import Trace
from tests.crash.samples import BUILDS, DATA, OLD, POOL, TREATMENTS, bug_of

UNTREATABLE = {  # a line of nothing but the assertion, cut within the file's name
    ("cut by a terminal", "asan"),
}


def traces(path: Path, treatment: str = "") -> tuple[Trace, ...]:
    text = path.read_text()
    return parse_traces(TREATMENTS[treatment](text) if treatment else text)


def grouped(found: list[tuple[str, Trace]]) -> list[set[str]]:
    """For each group, the bugs in it."""
    groups = group([trace for _, trace in found])
    return [{found[member][0] for member in one.members} for one in groups]


def test_the_same_bug_from_eleven_builds_is_one_group() -> None:
    found = [(bug_of(path), trace) for path in BUILDS for trace in traces(path)]
    assert len(found) == len(BUILDS)
    groups = grouped(found)
    assert sorted(groups, key=sorted) == [{bug} for bug in sorted({bug for bug, _ in found})]


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_what_people_do_to_a_backtrace_does_not_change_its_group(treatment: str) -> None:
    found = []
    for path in BUILDS:
        if (treatment, path.stem.partition("-")[2]) not in UNTREATABLE:
            treated = traces(path, treatment)
            assert len(treated) == 1, path
            found += [(bug_of(path), treated[0]), (bug_of(path), traces(path)[0])]
    assert sorted(map(sorted, grouped(found))) == sorted([bug] for bug in {b for b, _ in found})


def test_many_kinds_of_bugs_are_told_apart_whatever_gdb_was_asked_to_show() -> None:
    named = [path for path in POOL if "-O2s-" not in path.name]
    found = [
        (f"{path.parent.name} {bug_of(path)}", trace)
        for path in (*named, *BUILDS, *OLD)
        for trace in traces(path)
    ]
    groups = grouped(found)
    assert sorted(map(sorted, groups)) == sorted([bug] for bug in {bug for bug, _ in found})
    assert len(groups) == 17 + 8 + 2


def test_crashes_without_any_name_are_never_taken_for_another_bug() -> None:
    found = [(bug_of(path), trace) for path in POOL for trace in traces(path)]
    assert [bugs for bugs in grouped(found) if len(bugs) > 1] == []


def test_two_runs_of_one_build_without_any_name_are_one_bug() -> None:
    found = [
        (bug_of(path), trace)
        for path in POOL
        if "-O2s-" in path.name and not path.name.startswith(("gassert", "gcmp", "assert"))
        for trace in traces(path)
    ]
    assert sorted(map(sorted, grouped(found))) == sorted([bug] for bug in {b for b, _ in found})


def test_the_order_of_the_files_does_not_matter() -> None:
    found = [(bug_of(path), traces(path)[0]) for path in BUILDS]
    assert sorted(map(sorted, grouped(found))) == sorted(map(sorted, grouped(found[::-1])))


def test_old_and_new_bugs_stay_apart() -> None:
    found = [(path.stem, trace) for path in (*OLD, *BUILDS) for trace in traces(path)]
    names = grouped(found)
    assert {OLD[0].stem} in names
    assert {OLD[1].stem} in names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("shapes/nosym", "old/fd-assert"),
        ("shapes/stderr-only", "old/fd-assert"),
        ("shapes/coredumpctl", "old/timeout-lock-assert"),
        ("shapes/unref-nodebug", "shapes/unref"),
        ("shapes/valgrind", "shapes/asan-use-after-free"),
    ],
)
def test_the_same_crash_told_by_others_is_the_same_bug(one: str, other: str) -> None:
    found = [traces(DATA / f"{name}.txt")[0] for name in (one, other)]
    assert len(group(found)) == 1


SEGV = "Program received signal SIGSEGV, Segmentation fault.\n"
DESTROY = """\
#0  0x0001 in virDomainObjListRemoveLocked (doms=0x1, dom=0x2) at ../src/conf/virdomainobjlist.c:400
#1  0x0002 in virDomainObjListRemove (doms=0x1, dom=0x2) at ../src/conf/virdomainobjlist.c:450
#2  0x0003 in libxlDomainDestroyFlags (dom=0x5, flags=0) at ../src/libxl/libxl_driver.c:1500
#3  0x0004 in virDomainDestroy (domain=0x5) at ../src/libvirt-domain.c:479
#4  0x0005 in virNetServerProgramDispatch (prog=0x1) at ../src/rpc/virnetserverprogram.c:428
#5  0x0006 in virNetServerHandleJob (jobOpaque=0x1) at ../src/rpc/virnetserver.c:110
"""


def lines_of(text: str, *numbers: int) -> str:
    lines = text.splitlines()
    return SEGV + "\n".join(lines[number] for number in numbers) + "\n"


@pytest.mark.parametrize(
    "other",
    [
        lines_of(DESTROY, 0, 2, 3, 4, 5),  # a tail call hid one function
        lines_of(DESTROY, 0, 1, 2),  # cut off
        lines_of(DESTROY, 0, 1, 2, 3, 4, 5).replace("0x0001 in virDomainObjListRemoveLocked",
                                                    "0x0001 in virDomainObjListRemoveLocked.cold"),
        lines_of(DESTROY, 0, 1, 2, 3, 4, 5).replace("../src/", "./src/"),
        lines_of(DESTROY, 0, 1, 2, 3, 4, 5).replace("libxlDomainDestroyFlags (", "?? ("),
        lines_of(DESTROY, 0, 1, 2, 3) + "Backtrace stopped: previous frame inner to this frame\n",
    ],
)  # fmt: skip
def test_a_poorer_stack_of_the_same_crash_is_the_same_bug(other: str) -> None:
    whole = parse_traces(SEGV + DESTROY)[0]
    assert len(group([whole, parse_traces(other)[0]])) == 1


@pytest.mark.parametrize(
    "other",
    [
        DESTROY.replace("libxlDomainDestroyFlags", "libxlDomainShutdownThread"),
        DESTROY.replace("virDomainObjListRemoveLocked", "virDomainObjListFindByUUIDLocked"),
        DESTROY.split("\n", 3)[3].replace("#3", "#0"),  # another place, further out
    ],
)
def test_another_place_or_another_caller_is_another_bug(other: str) -> None:
    assert len(group([parse_traces(SEGV + text)[0] for text in (DESTROY, other)])) == 2


def test_another_signal_at_the_same_place_is_another_bug() -> None:
    other = SEGV.replace("SIGSEGV", "SIGFPE") + DESTROY
    assert len(group([parse_traces(SEGV + DESTROY)[0], parse_traces(other)[0]])) == 2


def test_an_unnamed_signal_or_program_fits_a_named_one() -> None:
    bare = parse_traces(DESTROY)[0]
    named = parse_traces("Core was generated by `/usr/sbin/libvirtd'.\n" + SEGV + DESTROY)[0]
    groups = group([bare, named])
    assert [one.signature for one in groups] == [
        (
            "libvirtd: SIGSEGV in virDomainObjListRemoveLocked < virDomainObjListRemove"
            " < libxlDomainDestroyFlags"
        )
    ]


def test_two_assertions_in_one_function_are_two_bugs() -> None:
    text = OLD[0].read_text()
    other = text.replace("fd == ev->fd", "!ev->infinite")
    assert len(group([parse_traces(text)[0], parse_traces(other)[0]])) == 2


def test_a_deadlock_with_more_threads_piled_up_is_the_same_hang() -> None:
    text = next(path for path in BUILDS if path.name == "deadlock-O0.txt").read_text()
    first, *threads = text.split("\nThread ")
    waiting = next(thread for thread in threads if "list_foreach" in thread)
    more = "\nThread ".join((first, *threads, "9" + waiting.replace("list_foreach", "list_lookup")))
    assert len(group([parse_traces(text)[0], parse_traces(more)[0]])) == 1
