"""Trouble on a serial console is found once, named, blamed, and kept with the lines around it."""

from __future__ import annotations

import pytest

from ci.deploy.console_troubles import MOST_TROUBLES, troubles

QUIET = """\
(XEN) Xen version 4.17.5 (Debian 4.17.5-1) x86_64 debug=n
(XEN) *** Serial input to DOM0 (type 'CTRL-a' three times to switch input)
[    0.000000] Linux version 6.1.0-18-amd64
[    0.004000] Warning: unable to open an initial console.
[    1.200000] systemd[1]: Reached target Basic System.
virtci-host: dom0 is up
BUGS: report them at https://example.org
"""
SYSRQ = """\
[   66.000000] sysrq: Trigger a crash
[   66.000100] Kernel panic - not syncing: sysrq triggered crash
[   66.000200] CPU: 0 PID: 310 Comm: sh Not tainted 6.1.0-18-amd64 #1  Debian 6.1.76-1
[   66.000300] Call Trace:
[   66.000400]  <TASK>
[   66.000500]  dump_stack_lvl+0x44/0x5c
[   66.000600]  panic+0x118/0x2ed
[   66.000700]  sysrq_handle_crash+0x16/0x20
[   66.000800]  </TASK>
[   66.000900] Kernel Offset: disabled
(XEN) Hardware Dom0 crashed: 'noreboot' set - not rebooting.
"""
OOPS = """\
[  101.500000] BUG: kernel NULL pointer dereference, address: 0000000000000018
[  101.500001] #PF: supervisor read access in kernel mode
[  101.500002] #PF: error_code(0x0000) - not-present page
[  101.500003] PGD 0 P4D 0
[  101.500004] Oops: 0000 [#1] PREEMPT SMP NOPTI
[  101.500005] CPU: 0 PID: 812 Comm: xenbus Not tainted 6.1.0-18-amd64 #1
[  101.500006] RIP: 0010:xenvif_disconnect_ctrl+0x22/0x90 [xen_netback]
[  101.500007] Call Trace:
[  101.500008]  <TASK>
[  101.500009]  frontend_changed+0x2b2/0x6d0 [xen_netback]
[  101.500010]  </TASK>
[  101.500011] ---[ end trace 0000000000000000 ]---
"""
FATAL = "[  101.600000] Kernel panic - not syncing: Fatal exception\n"
WARNING = """\
[  {at}.000000] ------------[ cut here ]------------
[  {at}.000001] WARNING: CPU: {cpu} PID: {pid} at mm/page_alloc.c:5526 __alloc_pages+0x2b1/0x330
[  {at}.000002] Modules linked in: xen_netback xen_blkback
[  {at}.000003] CPU: {cpu} PID: {pid} Comm: qemu Not tainted 6.1.0-18-amd64 #1
[  {at}.000004] Call Trace:
[  {at}.000005]  <TASK>
[  {at}.000006]  kmalloc_large_node+0x75/0x80
[  {at}.000007]  </TASK>
[  {at}.000008] ---[ end trace 0000000000000000 ]---
"""
XEN_ASSERT = """\
(XEN) Assertion 'spin_is_locked(&d->event_lock)' failed at common/event_channel.c:812
(XEN) ----[ Xen-4.17.5  x86_64  debug=y  Not tainted ]----
(XEN) CPU:    1
(XEN) RIP:    e008:[<ffff82d04021a3c1>] common/event_channel.c#evtchn_close+0x2c1/0x600
(XEN) Xen call trace:
(XEN)    [<ffff82d04021a3c1>] R common/event_channel.c#evtchn_close+0x2c1/0x600
(XEN)
(XEN)
(XEN) ****************************************
(XEN) Panic on CPU 1:
(XEN) Assertion 'spin_is_locked(&d->event_lock)' failed at common/event_channel.c:812
(XEN) ****************************************
(XEN)
(XEN) Manual reset required ('noreboot' specified)
"""
XEN_FAULT = """\
(XEN) [2026-01-02 10:00:00] ----[ Xen-4.17.5  x86_64  debug=n  Not tainted ]----
(XEN) [2026-01-02 10:00:00] RIP:    e008:[<ffff82d0402a3c1f>] hvm_do_resume+0x1f/0x120
(XEN) [2026-01-02 10:00:00] Xen call trace:
(XEN) [2026-01-02 10:00:00]    [<ffff82d0402a3c1f>] R hvm_do_resume+0x1f/0x120
(XEN) [2026-01-02 10:00:00] ****************************************
(XEN) [2026-01-02 10:00:00] Panic on CPU 3:
(XEN) [2026-01-02 10:00:00] FATAL PAGE FAULT
(XEN) [2026-01-02 10:00:00] [error_code=0000]
(XEN) [2026-01-02 10:00:00] ****************************************
"""
HUNG = """\
[  363.000000] INFO: task libvirtd:744 blocked for more than 120 seconds.
[  363.000001]       Not tainted 6.1.0-18-amd64 #1 Debian 6.1.76-1
[  363.000002] task:libvirtd state:D stack:0 pid:744 ppid:1 flags:0x00000002
[  363.000003] Call Trace:
[  363.000004]  <TASK>
[  363.000005]  schedule+0x5a/0xd0
[  363.000006]  </TASK>
"""
LOCKUP = "[  90.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [xl:912]\n"
STALL = "[  90.1] rcu: INFO: rcu_preempt self-detected stall on CPU\n"


def test_a_quiet_console_tells_of_nothing() -> None:
    assert troubles(QUIET) == ()


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (SYSRQ, "panic", "Kernel panic - not syncing: sysrq triggered crash"),
        (OOPS, "oops", "BUG: kernel NULL pointer dereference, address: 0000000000000018"),
        (HUNG, "hung-task", "INFO: task libvirtd:744 blocked for more than 120 seconds."),
        (LOCKUP, "soft-lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [xl:912]"),
        (STALL, "rcu-stall", "rcu: INFO: rcu_preempt self-detected stall on CPU"),
        (XEN_FAULT, "xen-panic", "Panic on CPU 3: FATAL PAGE FAULT"),
        (
            XEN_ASSERT,
            "xen-panic",
            "Assertion 'spin_is_locked(&d->event_lock)' failed at common/event_channel.c:812",
        ),
        ("[ 1.0] kernel BUG at mm/slub.c:379!\n", "oops", "kernel BUG at mm/slub.c:379!"),
        ("<3>[ 1.0][T12] BUG: KASAN: use-after-free in x+0x1/0x2\n", "oops", "BUG: KASAN: use"),
        ("WARNING: possible circular locking dependency detected\n", "warning", "WARNING: poss"),
        ("[ 2.0] WARNING: mm/slub.c:12 at kfree+0x1/0x9, CPU#3: xl/12\n", "warning", "WARNING: mm"),
        ("(XEN) Xen WARN at arch/x86/mm.c:1\n", "xen-warning", "Xen WARN at arch/x86/mm.c:1"),
    ],
)
def test_each_sort_of_trouble_is_one_and_is_the_products(text: str, kind: str, said: str) -> None:
    (found,) = troubles(QUIET + text + QUIET)[:1]
    assert (found.kind, found.blame, found.times) == (kind, "product", 1)
    assert found.headline.startswith(said)
    others = {one.kind for one in troubles(QUIET + text + QUIET)[1:]}
    assert others <= {"dom0-crash"}


def test_the_lines_around_are_kept_and_those_far_away_are_not() -> None:
    far = "".join(f"[    2.{n:06}] line {n}\n" for n in range(200))
    (found,) = troubles(far + OOPS + far)
    assert "xenvif_disconnect_ctrl" in found.text
    assert "line 199" in found.text
    assert "line 100" not in found.text
    assert found.line == 201


def test_registers_that_xen_prints_before_it_panics_belong_to_the_panic() -> None:
    (found,) = troubles(QUIET + XEN_FAULT)
    assert "hvm_do_resume" in found.text


def test_a_fatal_oops_and_its_panic_are_one_trouble() -> None:
    (found,) = troubles(OOPS + FATAL)
    assert found.kind == "panic"
    assert found.headline.startswith("BUG: kernel NULL pointer")
    assert "Fatal exception" in found.headline
    assert found.fatal


def test_the_same_warning_seen_often_is_one_trouble() -> None:
    often = "".join(WARNING.format(at=n, cpu=n % 2, pid=100 + n) for n in range(10, 40))
    (found,) = troubles(often)
    assert (found.kind, found.times) == ("warning", 30)


def test_warnings_at_other_places_are_others_but_a_flood_is_bounded() -> None:
    other = WARNING.format(at=1, cpu=0, pid=1).replace("page_alloc.c:5526", "slub.c:12")
    assert len(troubles(WARNING.format(at=2, cpu=0, pid=1) + other)) == 2
    flood = "".join(
        other.replace("slub.c", f"f{chr(97 + n % 26)}{chr(97 + n // 26)}.c") for n in range(80)
    )
    assert len(troubles(flood)) == MOST_TROUBLES


def test_a_starved_emulation_locks_up_and_that_is_the_labs() -> None:
    assert [one.blame for one in troubles(LOCKUP + STALL, emulated=True)] == ["lab"] * len(
        troubles(LOCKUP + STALL)
    )
    assert next(one.blame for one in troubles(OOPS + SYSRQ, emulated=True)) == "product"


@pytest.mark.parametrize(
    "line",
    [
        "[ 1.0] blk_update_request: I/O error, dev sda, sector 12345 op 0x0:(READ)",
        "[ 1.0] mce: [Hardware Error]: CPU 2: Machine Check Exception: 5 Bank 3",
        "[ 1.0] EXT4-fs (sda1): error: cannot read, (device sda1)",
    ],
)
def test_broken_hardware_is_the_labs(line: str) -> None:
    (found,) = troubles(line + "\n")
    assert found.blame == "lab"


def test_carriage_returns_colours_and_torn_bytes_change_nothing() -> None:
    odd = OOPS.replace("\n", "\r\n").replace("BUG: kernel", "\x1b[31mBUG: kernel")
    assert [one.kind for one in troubles("\ufffd\ufffd\x00\n" + odd)] == ["oops"]
