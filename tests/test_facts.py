"""Records out of what tools print, on recorded text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci import facts
from ci.facts import Domain, Mapped

DATA = Path(__file__).parent / "data/facts"

VIRSH_VERSION = """\
Compiled against library: libvirt 9.0.0
Using library: libvirt 9.0.1
Using API: Xen 9.0.0
Running hypervisor: Xen 4.17.0
Running against daemon: 9.0.2

"""
XL_LIST = """\
Name                                        ID   Mem VCPUs	State	Time(s)
Domain-0                                     0   768     1     r-----     291.3
a guest with a very long name that fills    12    96     2     -b----       0.4
"""
VIRSH_LIST = """\
 Id   Name       State
---------------------------
 0    Domain-0   running
 -    a guest    shut off

"""
MAPS = """\
564245f0d000-564245f2f000 r--p 00000000 fe:00 12817                      /usr/sbin/libvirtd
564245f2f000-564245f5e000 r-xp 00022000 fe:00 12817                      /usr/sbin/libvirtd
56427a6a7000-56427a71f000 rw-p 00000000 00:00 0                          [heap]
7fa3c97fb000-7fa3c97fc000 ---p 00000000 00:00 0
7fa3f2c00000-7fa3f2c99000 r--p 00000000 fe:00 5679  /usr/lib/x86_64-linux-gnu/libxl so.4 (deleted)
7fa3f2d00000-7fa3f2d99000 rw-s 00000000 00:05 0                          /dev/zero (deleted)
"""


def test_the_three_versions_of_libvirt_are_told_apart() -> None:
    version = facts.parse_virsh_version(VIRSH_VERSION)
    assert version is not None
    assert (version.library, version.daemon, version.hypervisor) == ("9.0.1", "9.0.2", "Xen 4.17.0")


def test_an_error_is_no_version() -> None:
    assert facts.parse_virsh_version("error: failed to connect to the hypervisor\n") is None


def test_xl_info_tells_version_and_memory() -> None:
    info = facts.parse_xl_info((DATA / "xl-info.txt").read_text())
    assert info is not None
    assert (info.version, info.cpus, info.memory_mib, info.free_mib) == ("4.17.7", 1, 1535, 748)
    assert "hvm-3.0-x86_64" in info.capabilities


def test_xl_without_xen_tells_nothing() -> None:
    assert facts.parse_xl_info("xencall: error: Could not obtain handle on privcmd\n") is None


def test_domains_of_xl_and_virsh() -> None:
    long_name = "a guest with a very long name that fills"
    assert facts.parse_xl_list(XL_LIST) == (
        Domain(name="Domain-0", id=0, state="r-----", memory_mib=768, vcpus=1),
        Domain(name=long_name, id=12, state="-b----", memory_mib=96, vcpus=2),
    )
    assert facts.parse_virsh_list(VIRSH_LIST) == (
        Domain(name="Domain-0", id=0, state="running"),
        Domain(name="a guest", id=-1, state="shut off"),
    )


def test_mapped_files_come_once_and_deleted_ones_are_marked() -> None:
    assert facts.parse_maps(MAPS) == (
        Mapped(path="/usr/sbin/libvirtd", span="564245f0d000-564245f2f000", deleted=False),
        Mapped(
            path="/usr/lib/x86_64-linux-gnu/libxl so.4",
            span="7fa3f2c00000-7fa3f2c99000",
            deleted=True,
        ),
    )


def test_packages_are_sorted_and_keys_left_out() -> None:
    text = "b-1-1.x86_64\ngpg-pubkey-3dbdc284-53674dd4.(none)\n\na-1:2-3.noarch\n"
    assert facts.parse_packages(text) == ("a-1:2-3.noarch", "b-1-1.x86_64")


def test_a_package_diff_tells_added_removed_and_changed() -> None:
    before = ("a-1-1.x86_64", "gone-1-1.noarch", "kernel-1-1.x86_64", "same-1-1.noarch")
    after = ("a-1:2-1.x86_64", "kernel-1-1.x86_64", "kernel-2-1.x86_64", "same-1-1.noarch")
    diff = facts.package_diff(before, after)
    assert diff.lines() == (
        "+ kernel-2-1.x86_64",
        "- gone-1-1.noarch",
        "~ a-1-1.x86_64 -> a-1:2-1.x86_64",
    )


def test_the_same_name_of_two_architectures_is_two_packages() -> None:
    diff = facts.package_diff(("a-1-1.i686",), ("a-1-1.x86_64",))
    assert (diff.added, diff.removed, diff.changed) == (("a-1-1.x86_64",), ("a-1-1.i686",), ())


def test_digests_of_names_that_were_escaped() -> None:
    text = f"{'a' * 64}  /plain file\n\\{'b' * 64}  /new\\nline\\\\\nsha256sum: /x: missing\n"
    assert facts.parse_sha256sums(text) == {"/plain file": "a" * 64, "/new\nline\\": "b" * 64}


@pytest.mark.parametrize(
    "line",
    [
        "[  12.3] BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "(XEN) Panic on CPU 0:",
        "[  99.0] INFO: task libvirtd:812 blocked for more than 120 seconds.",
        "[  99.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [xl:77]",
        "[   5.0] WARNING: CPU: 0 PID: 1 at kernel/foo.c:1 foo+0x1/0x2",
    ],
)
def test_a_kernel_in_trouble_is_noticed(line: str) -> None:
    assert facts.kernel_troubles(f"[ 1.0] all is well\n{line}\n") == (line,)


def test_os_release_is_unquoted() -> None:
    text = 'NAME="openSUSE Tumbleweed"\nID=opensuse-tumbleweed\n\nnonsense\n'
    expected = {"NAME": "openSUSE Tumbleweed", "ID": "opensuse-tumbleweed"}
    assert facts.parse_os_release(text) == expected


@given(st.text(max_size=300))
def test_noise_never_breaks_a_parser(text: str) -> None:
    for parse in (
        facts.parse_maps,
        facts.parse_os_release,
        facts.parse_packages,
        facts.parse_sha256sums,
        facts.parse_virsh_list,
        facts.parse_virsh_version,
        facts.parse_xl_info,
        facts.parse_xl_list,
    ):
        parse(text)
