"""Names of one bug in builds between which functions were split or inlined are told to be alike."""

from __future__ import annotations

import pytest

from ci.crash.likename import tells_of

NAME = "libvirtd: SIGSEGV in look < expired"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (f"failed: [{NAME}]", True),
        ("[libvirtd: SIGSEGV in expired]", True),  # look was inlined
        ("[libvirtd: SIGSEGV in look < tell < expired]", True),  # a function was split
        ("[libvirtd: SIGSEGV in tell < look < expired < loop]", True),
        ("[libvirtd: SIGSEGV in other < expired]", False),  # both name where it died
        ("[libvirtd: SIGABRT in look < expired]", False),
        ("[qemu: SIGSEGV in look < expired]", False),
        ("[libvirtd: SIGSEGV in loop]", False),
        ("no crash at all", False),
    ],
)
def test_a_text_tells_of_the_same_crash(text: str, same: bool) -> None:  # noqa: FBT001
    assert tells_of(text, NAME) is same


def test_the_program_need_not_be_said_and_assertions_are_taken_as_they_are() -> None:
    assert tells_of("[libvirtd: SIGSEGV in tell < expired]", "SIGSEGV in expired")
    assert tells_of("x: assert a == b in f", "assert a == b")
    assert not tells_of("x: assert a == c in f", "assert a == b in f")
