"""BuildRequires judged on a machine that has no RPM database."""

from __future__ import annotations

import pytest

from ci.build.requires import (
    Requirement,
    debian_names,
    judge,
    parse_policy,
    parse_requires,
    refuse_missing,
)
from ci.deadline import Deadline
from ci.errors import InfraError
from tests.build.scripted import ScriptedShell

POLICY = """\
libfoo-dev:
  Installed: (none)
  Candidate: 1.2-1
  Version table:
     1.2-1 500
libbar-dev:
  Installed: 1:2.0-3
  Candidate: 1:2.0-3
"""


def judged(requires: str, **answers: tuple[int, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    said = {"apt-cache policy": (0, POLICY), **answers}
    shell = ScriptedShell({start.replace("_", "-"): answer for start, answer in said.items()})
    judgement = judge(shell, requires, Deadline.after(60))
    return tuple(str(one) for one in judgement.missing), judgement.unknown


def test_versions_and_logic_are_told_apart() -> None:
    plain, rich = parse_requires("gcc\nfoo >= 1.2\n(a if b)\nrpmlib(X) <= 3\n\ngcc\n")
    assert plain == (Requirement(name="gcc"), Requirement(name="foo", op=">=", version="1.2"))
    assert rich == ("(a if b)",)


def test_what_apt_knows_but_has_not_installed_is_missing() -> None:
    assert judged("foo-devel\nbar-devel") == (("foo-devel",), ())


def test_what_nobody_knows_is_not_judged() -> None:
    assert judged("zz-no-such-thing\ncmake(Qt6)\n(a or b)") == (
        (),
        ("zz-no-such-thing", "cmake(Qt6)", "(a or b)"),
    )


def test_an_old_version_is_missing() -> None:
    assert judged("bar-devel >= 3", dpkg=(1, ""))[0] == ("bar-devel >= 3",)


def test_pkg_config_is_asked_with_the_version() -> None:
    assert judged("pkgconfig(x) >= 3", pkg_config=(1, ""))[0] == ("pkgconfig(x) >= 3",)
    assert judged("pkgconfig(x) >= 3", pkg_config=(0, "")) == ((), ())
    assert judged("pkgconfig(x)", pkg_config=(127, "")) == ((), ("pkgconfig(x)",))


def test_the_error_says_what_to_install() -> None:
    shell = ScriptedShell({"apt-cache policy": (0, POLICY)})
    with pytest.raises(InfraError) as caught:
        refuse_missing(judge(shell, "foo-devel", Deadline.after(60)), "x.spec")
    assert caught.value.message == "x.spec needs what this machine lacks: foo-devel"
    assert caught.value.hint == "apt-get install libfoo-dev"


def test_policy_output_is_read() -> None:
    assert parse_policy(POLICY) == {"libfoo-dev": "", "libbar-dev": "1:2.0-3"}


@pytest.mark.parametrize(
    ("name", "debian"),
    [
        ("zlib-devel", "zlib1g-dev"),
        ("pkgconfig(glib-2.0)", "libglib2.0-dev"),
        ("perl(XML::Parser)", "libxml-parser-perl"),
        ("meson", "meson"),
        ("pkgconfig(libtirpc)", "libtirpc-dev"),
    ],
)
def test_names_are_translated(name: str, debian: str) -> None:
    assert debian in debian_names(name)
