"""Whether a host is fit, from what it answers."""

from __future__ import annotations

import pytest

from ci.deadline import Deadline
from ci.deploy.health import check, parse_health
from ci.errors import InfraError, TimedOut
from tests.clock import FakeClock
from tests.deploy.test_deploy import VERSION, XL_INFO
from tests.fakes import Answer, FakeShell, failed


def answer(*, free: str = "4000MiB", skew: float = 0.0, xl: str = XL_INFO) -> str:
    return (
        f"kernel 6.1.0\narch x86_64\ntime {int(FakeClock().wall() + skew)}\n"
        "machine_id abc\nboot_id b1\n"
        f"cpus 1\nfirmware bios\nkvm \nmemory 700MiB\nfree 90000MiB\nfree {free}\n"
        f"os\nID=debian\nVERSION_ID=12\nxl\n{xl}"
    )


def problems(facts: str | None = None, **more: Answer) -> tuple[str, ...]:
    script: dict[tuple[str, ...], Answer] = {
        ("sh", "-c"): facts or answer(),
        ("virsh", "-c", "xen:///system", "version"): more.get("version", VERSION),
        ("virsh", "-c", "xen:///system", "list"): more.get("guests", "Domain-0\n\n"),
    }
    return check(FakeShell(script, where="h1"), "xen", Deadline.after(9, FakeClock())).problems


def test_a_fit_host_has_no_problems() -> None:
    assert problems() == ()


def test_the_hypervisors_numbers_count_not_those_of_dom0() -> None:
    facts = parse_health(answer())
    assert (facts["memory"], facts["xen"], facts["hvm"]) == ("1535MiB", "4.17.7", "yes")
    assert facts["free"] == "4000MiB"
    assert "kvm" not in facts


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (answer(free="100MiB"), "only 100MiB of disk are free"),
        (answer(skew=4000), "its clock is 4000 s off ours"),
        (answer(skew=-4000), "its clock is 4000 s off ours"),
        (answer(xl=""), "it does not run Xen"),
        ("This account is not available.\n", "it does not say what it is"),
    ],
)
def test_what_is_wrong_is_one_sentence(facts: str, words: str) -> None:
    assert problems(facts)[0].startswith(words)


def test_a_libvirt_that_does_not_answer_is_told_with_its_error() -> None:
    (problem,) = problems(version=failed(1, "error: failed to connect\n"))
    assert problem == "libvirt does not answer on xen:///system: error: failed to connect"


def test_guests_of_others_are_named_and_ours_are_not() -> None:
    (problem,) = problems(guests="Domain-0\nvirtci-7\ntheirs\n\n")
    assert problem == "foreign guests run there: theirs"


def test_a_host_that_is_gone_is_a_problem_not_an_error() -> None:
    shell = FakeShell({("sh",): InfraError("h1: nothing listens")})
    assert check(shell, "xen", Deadline.after(9)).problems == ("h1: nothing listens",)


def test_a_libvirt_that_hangs_leaves_the_facts_of_a_host_that_answers() -> None:
    script: dict[tuple[str, ...], Answer] = {
        ("sh", "-c"): answer(),
        ("virsh",): TimedOut("virsh did not end in time"),
    }
    health = check(FakeShell(script), "xen", Deadline.after(9, FakeClock()))
    assert health.problems == ("virsh did not end in time",)
    assert health.facts["xen"] == "4.17.7"
