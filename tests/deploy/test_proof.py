"""Build-ids of what runs against those of the packages, without any host."""

from __future__ import annotations

import base64

import pytest

from ci.deploy.proof import (
    Expected,
    Running,
    expected_files,
    parse_daemons,
    parse_heads,
    prove,
    settled,
)
from ci.errors import ProductError
from tests.deploy.packages import DRIVER, LIBRARY, LIBVIRTD, a_package

IDS = {LIBVIRTD: "aa", LIBRARY: "bb", DRIVER: "cc"}
WANTED = expected_files((a_package("libvirt", ids=IDS),))


def running(path: str, build_id: str, *, deleted: bool = False) -> Running:
    return Running(daemon="libvirtd", pid=7, path=path, build_id=build_id, deleted=deleted)


ALL = tuple(running(path, known) for path, known in IDS.items())


def proven(found: tuple[Running, ...], wanted: dict[str, Expected] = WANTED) -> list[str]:
    modules = prove(found, wanted, daemons=("libvirtd",), hypervisor="xen", where="h1")
    return [module.path for module in modules]


def test_everything_that_runs_is_shown_to_be_ours() -> None:
    assert proven(ALL) == sorted(IDS)


def test_another_build_id_is_named_with_both() -> None:
    with pytest.raises(ProductError, match=f"another {LIBRARY} .* expected .*bb, found b0"):
        proven((ALL[0], running(LIBRARY, "b0"), ALL[2]))


def test_a_file_without_build_id_is_no_proof() -> None:
    with pytest.raises(ProductError, match="found none"):
        proven((ALL[0], running(LIBRARY, ""), ALL[2]))


def test_a_deleted_file_still_in_memory_is_named_as_such() -> None:
    with pytest.raises(ProductError, match=f"still runs a deleted {LIBVIRTD}"):
        proven((running(LIBVIRTD, "aa", deleted=True), *ALL[1:]))


def test_a_driver_that_did_not_load_is_missed() -> None:
    with pytest.raises(ProductError, match=f"{DRIVER} was built but does not run"):
        proven(ALL[:2])


def test_a_daemon_that_does_not_run_is_missed() -> None:
    with pytest.raises(ProductError, match=f"{LIBVIRTD} was built but does not run"):
        proven(ALL[1:])


def test_packages_that_have_nothing_to_do_with_the_daemon_prove_nothing() -> None:
    wanted = expected_files((a_package("other", ids={"/usr/lib64/libother.so": "dd"}),))
    with pytest.raises(ProductError, match="nothing of what was built runs in libvirtd"):
        proven((), wanted)


def test_debug_packages_expect_nothing_to_run() -> None:
    assert expected_files((a_package("d", debug=True, ids={"/usr/lib/debug/x": "aa"}),)) == {}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/lib/x.so", "/usr/lib/x.so"),
        ("/sbin/d", "/usr/sbin/d"),
        ("/usr/lib64/x.so", "/usr/lib64/x.so"),
        ("/opt/lib/x.so", "/opt/lib/x.so"),
    ],
)
def test_paths_are_as_the_kernel_shows_them(path: str, shown: str) -> None:
    assert settled(path) == shown


def test_each_process_comes_with_its_own_maps() -> None:
    row = "1000-2000 r--p 00000000 fe:00 12 "
    text = (
        f"daemon libvirtd 7 /usr/sbin/libvirtd\n{row}/usr/sbin/libvirtd\n"
        f"daemon virtlogd 8 /usr/sbin/virtlogd (deleted)\n{row}/usr/sbin/virtlogd (deleted)\n"
    )
    first, second = parse_daemons(text)
    assert (first.pid, first.mapped[0].path, first.mapped[0].deleted) == (7, LIBVIRTD, False)
    assert (second.name, second.exe) == ("virtlogd", "/usr/sbin/virtlogd (deleted)")
    assert second.mapped[0].deleted


def test_heads_are_told_apart_whatever_they_hold() -> None:
    tricky = b"\x7fELF\n==> /c <==\nx"
    data = b"==> /a <==\n" + tricky + b"\n==> /b <==\n" + b"\n==> /d <==\n" + b"end\n"
    dump = base64.encodebytes(data).decode()
    assert parse_heads(dump, ("/a", "/b", "/d")) == {"/a": tricky, "/b": b"", "/d": b"end\n"}


def test_a_file_that_could_not_be_read_has_no_head() -> None:
    dump = base64.encodebytes(b"==> /b <==\nbytes").decode()
    assert parse_heads(dump, ("/a", "/b")) == {"/b": b"bytes"}
    assert parse_heads("", ("/a", "/b")) == {}
