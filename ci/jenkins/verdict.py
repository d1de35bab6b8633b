"""What a finished build means, as an exit code and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from ci.jenkins.seen import BuildState

PASSED, PRODUCT, LAB, STOPPED = 0, 1, 3, 130


@dataclass(frozen=True)
class Verdict:
    code: int
    text: str


def verdict(state: BuildState, *, stopped_by_us: bool = False) -> Verdict:
    """SUCCESS 0; failed tests 1; what failed without a failed test is the lab's (3).

    ABORTED is not only somebody's click: an agent that is lost over a restart ends so too.
    """
    tests = state.tests
    counted = "no JUnit was published"
    failed = 0
    if tests is not None:
        failed = tests.fail_count or 0
        counted = f"{tests.total_count} tests, {failed} failed, {tests.skip_count or 0} skipped"
    text = f"{state.result} in {state.duration / 1000:.0f} s; {counted}"
    match state.result:
        case "SUCCESS":
            return Verdict(PASSED, text)
        case "UNSTABLE":
            return Verdict(PRODUCT, text)
        case "ABORTED" if stopped_by_us:
            return Verdict(STOPPED, text)
        case "FAILURE" if failed:
            return Verdict(PRODUCT, text)
        case _:
            return Verdict(LAB, f"{text}; the console's end says why")
