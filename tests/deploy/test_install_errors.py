"""Whose fault a failed installation is, on recorded outputs."""

from __future__ import annotations

import pytest

from ci.deploy.install_errors import explain_failed_install
from ci.errors import InfraError, ProductError, UsageError, VirtciError
from ci.shell import Completed

RECORDED: dict[str, tuple[int, type[VirtciError], str, str]] = {
    "rpm-dependency": (
        1,
        ProductError,
        "error: Failed dependencies: something-missing >= 3 is needed by needy-1-1.noarch",
        "error: Failed dependencies:\n\tsomething-missing >= 3 is needed by needy-1-1.noarch\n",
    ),
    "rpm-file": (
        1,
        ProductError,
        "file /good from install of thief-1-1.noarch conflicts with file from package good",
        (
            "Preparing...                          ########################################\n"
            "\tfile /good from install of thief-1-1.noarch conflicts with file from package "
            "good-1-1.noarch\n"
        ),
    ),
    "rpm-conflict": (
        1,
        ProductError,
        "good conflicts with foe-1-1.noarch",
        "error: Failed dependencies:\n\tgood conflicts with foe-1-1.noarch\n",
    ),
    "rpm-pre-lua": (
        1,
        ProductError,
        "no way",
        (
            'error: lua script failed: [string "%prein(badpre-1-1.noarch)"]:1: no way\n'
            "error: badpre-1-1.noarch: install failed\n"
        ),
    ),
    "rpm-post-shell": (
        0,
        ProductError,
        "%post(badpost-1-1.noarch) scriptlet failed, exit status 3",
        "warning: %post(badpost-1-1.noarch) scriptlet failed, exit status 3\n",
    ),
    "rpm-damaged": (
        1,
        ProductError,
        "BAD",
        (
            "error: /tmp/bad.rpm: signature hdr blob(4388): BAD, read returned 0\n"
            "error: /tmp/bad.rpm cannot be installed\n"
        ),
    ),
    "rpm-arch": (
        1,
        ProductError,
        "different architecture",
        "\tpackage libvirt-1-1.aarch64 is intended for a different architecture\n",
    ),
    "rpm-space": (
        1,
        InfraError,
        "disk of the host is full",
        "\tinstalling package big-1-1.noarch needs 2MB more space on the / filesystem\n",
    ),
    "rpm-write": (
        1,
        InfraError,
        "disk of the host is full",
        (
            "error: unpacking of archive failed on file /big;6b038fb2: cpio: write failed - "
            "Inappropriate ioctl for device\nerror: big-1-1.noarch: install failed\n"
        ),
    ),
    "rpm-lock": (
        1,
        InfraError,
        "holds the lock",
        (
            "error: can't create transaction lock on /var/lib/rpm/.rpm.lock "
            "(Resource temporarily unavailable)\n"
        ),
    ),
    "rpm-read-only": (
        1,
        InfraError,
        "read-only",
        "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Read-only file system)\n",
    ),
    "rpm-not-root": (
        1,
        UsageError,
        "may not install",
        "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Permission denied)\n",
    ),
    "zypper-problem": (
        4,
        ProductError,
        "nothing provides",
        "Problem: nothing provides 'libfoo.so.1' needed by the to be installed libvirt-1.x86_64\n",
    ),
    "zypper-lock": (
        7,
        InfraError,
        "holds the lock",
        "System management is locked by the application with pid 4711 (zypper).\n",
    ),
    "zypper-mirror": (
        106,
        InfraError,
        "repository of the host cannot be reached",
        (
            "Download (curl) error for 'http://example.org/repodata/repomd.xml':\nError code: "
            "Connection failed\n"
        ),
    ),
    "dnf-mirror": (
        1,
        InfraError,
        "repository of the host cannot be reached",
        (
            "Errors during downloading metadata for repository 'base':\n  - Curl error (6): "
            "Couldn't resolve host name\n"
        ),
    ),
    "dnf-conflict": (
        1,
        ProductError,
        "do not fit together",
        "Error: \n Problem: conflicting requests\n  - nothing provides libfoo.so.1 needed by a-1\n",
    ),
    "unknown": (2, ProductError, "rpm ended with status 2", "something new\n"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_cause_is_told_with_the_line_that_says_so(name: str) -> None:
    status, kind, words, text = RECORDED[name]
    error = explain_failed_install(Completed(("rpm",), status, "", text, 1.0), "h1")
    assert type(error) is kind
    assert "h1" in error.message
    assert words in error.message
    assert error.detail.strip().splitlines()[0].strip() in text


def test_an_installation_that_went_well_is_no_error() -> None:
    text = (
        "warning: /x: Header V3 RSA/SHA256 Signature, key ID 1: NOKEY\nUpdating / installing...\n"
    )
    assert explain_failed_install(Completed(("rpm",), 0, text, "", 1.0), "h1") is None
