"""Requirements against hosts."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.deploy.require import Traits, matches
from ci.errors import UsageError

HOST = Traits(
    labels=frozenset({"xen", "rack-7"}),
    facts={"memory": "16384MiB", "cpus": "8", "xen": "4.17.7", "machine": "q35"},
)


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        ("", True),
        ("  ", True),
        ("xen", True),
        ("flaky", False),
        ("!flaky", True),
        ("xen & memory>=8GiB & !flaky", True),
        ("memory>=16GiB", True),
        ("memory>16GiB", False),
        ("memory < 1TiB", True),
        ("cpus>=8 & cpus<=8", True),
        ("cpus=8", True),
        ("cpus!=8", False),
        ("cpus>=10", False),
        ("xen>=4.9", True),
        ("xen>=4.17 & xen<4.18", True),
        ("xen>=4.17.0", True),
        ("machine=q35", True),
        ("machine!=pc", True),
        ("flaky | rack-7", True),
        ("flaky | xen & !rack-7", False),
        ("(flaky | xen) & rack-7", True),
        ("!(flaky | xen)", False),
        ("!!xen", True),
        ("disk>=1GiB", False),
        ("!disk>=1GiB", True),
        ("disk!=1GiB", False),
    ],
)
def test_a_host_fits_or_does_not(requirement: str, fits: bool) -> None:  # noqa: FBT001
    assert matches(requirement, HOST) is fits


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("xen &", "a name is missing before: its end"),
        ("xen flaky", "this is one too many: flaky"),
        ("(xen", r'a "\)" is missing before: its end'),
        ("memory >=", "a value is missing before: its end"),
        ("memory >= & xen", "a value is missing before: & xen"),
        ("xen $ y", r"this cannot be read: \$ y"),
        ("!" * 60 + "xen", "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_shown(requirement: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        matches(requirement, HOST)


@given(st.text(alphabet="xen&|!()<>=48.GiB ", max_size=40))
def test_every_text_is_either_answered_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert matches(text, HOST) in (True, False)
