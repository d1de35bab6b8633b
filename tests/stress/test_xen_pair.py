"""Two nested Xen hosts on one wire: guests that move between them, and walks on one of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from ci.deadline import Deadline
from ci.model import Access, Outcome
from ci.nested.boot import NestedHost
from ci.pipelines.guest import GuestFiles
from ci.pipelines.target import target_of
from ci.run import Step
from ci.shell import LocalShell
from suites.stress.operations.migration import STOPPED_INSTEAD
from suites.stress.options import Options
from tests.nested_host import BOOT_SECONDS, END_SECONDS
from tests.stress.loop import Looped, loop

pytestmark = [pytest.mark.xen, pytest.mark.timeout(2400)]
LOOP_SECONDS = 1200.0
GUEST = GuestFiles(kernel="/var/lib/virtci/guest/vmlinux", initrd="/var/lib/virtci/guest/initrd")
HOSTS = tuple(
    NestedHost(name=f"pair{n}", wire=n, memory_mib=1024, minutes_to_live=90) for n in (1, 2)
)
BESIDE_GUEST_MIB = 300  # what QEMU takes for itself
Pair = tuple[Access, Access]


def free_mib() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) // 1024


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both up, and ended in any case."""
    needed = sum(host.memory_mib + BESIDE_GUEST_MIB for host in HOSTS)
    if (free := free_mib()) < needed:
        pytest.skip(f"two nested Xen hosts need {needed} MiB of memory; {free} are free")
    run = tmp_path_factory.mktemp("pair")

    def up(host: NestedHost) -> Access:
        own = run / host.name
        own.mkdir()
        return host.acquire(Step(host.name, LocalShell(), Deadline.after(BOOT_SECONDS), own, run))

    with ThreadPoolExecutor() as pool:
        coming = [pool.submit(up, host) for host in HOSTS]
    there = [
        (h, boot.result()) for h, boot in zip(HOSTS, coming, strict=True) if not boot.exception()
    ]
    try:
        first, second = (boot.result() for boot in coming)
        yield first, second
    finally:
        for host, access in there:
            host.release(access, Deadline.after(END_SECONDS))


def options(access: Access, folder: Path, **changed: object) -> Options:
    """As ``virtci stress URI`` and plans make them."""
    target = target_of(access, GUEST)
    made = Options(
        connect=target.uri,
        ledger=str(folder / "ledger"),
        loops=1,
        guest_kernel=target.kernel,
        guest_initrd=target.initrd,
        hypervisor_list=target.hypervisor_list,
        daemon_probe=target.daemon_probe,
        host_shell=target.host_shell,
    )
    return msgspec.structs.replace(made, **changed)


def migrated(pair: Pair, folder: Path, **changed: object) -> Looped:
    made = options(pair[0], folder, scenario="migration", destination=pair[1].uri)
    return loop(msgspec.structs.replace(made, **changed), seconds=LOOP_SECONDS)


def test_a_pv_guest_moves_to_the_second_host_and_back_and_goes_on(
    pair: Pair, tmp_path: Path
) -> None:
    done = migrated(pair, tmp_path)
    assert done.verdict.outcome == "PASS", done.said
    assert [op.op for op in done.operations][2:4] == ["migrate", "beat"]
    assert len({op.boot_id for op in done.operations if op.boot_id}) == 1
    assert len({op.domain_id for op in done.operations if op.domain_id >= 0}) == 2  # it came back
    assert done.verdict.remarks == (STOPPED_INSTEAD,)  # Debian's Xen has no shadow paging


def test_a_pvh_guest_moves_live(pair: Pair, tmp_path: Path) -> None:
    done = migrated(pair, tmp_path, guest_kind="xenpvh")
    assert done.verdict.outcome == "PASS", done.said
    assert len({op.boot_id for op in done.operations if op.boot_id}) == 1
    assert not done.verdict.remarks


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"migrate_uri": "tcp://10.0.3.2:49152,tcp://wire-9:49152"}, "second host does not reach"),
        ({"destination": "xen+ssh://root@127.0.0.1:1/system?no_tty=1"}, "cannot connect to the"),
    ],
)
def test_hosts_that_do_not_reach_each_other_are_the_labs_fault(
    pair: Pair, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    done = migrated(pair, tmp_path, **changed)
    (case,) = done.cases
    assert case.outcome is Outcome.BROKEN, case.message
    assert said in case.message
    assert done.verdict.outcome == "INCONCLUSIVE"


def test_random_walks_agree_with_the_model(pair: Pair, tmp_path: Path) -> None:
    done = loop(options(pair[0], tmp_path, scenario="walk", loops=8, seed=11), seconds=LOOP_SECONDS)
    assert done.verdict.outcome == "PASS", done.said
