"""Panics of Xen and dom0's kernel are found on a serial console and named."""

from __future__ import annotations

from ci.crash.console import parse_panics
from ci.crash.signature import signature

XEN_ASSERT = """\
(XEN) Assertion 'spin_is_locked(&d->event_lock)' failed at common/event_channel.c:812
(XEN) ----[ Xen-4.17.5  x86_64  debug=y  Not tainted ]----
(XEN) CPU:    1
(XEN) RIP:    e008:[<ffff82d04021a3c1>] common/event_channel.c#evtchn_close+0x2c1/0x600
(XEN) Xen call trace:
(XEN)    [<ffff82d04021a3c1>] R common/event_channel.c#evtchn_close+0x2c1/0x600
(XEN)    [<ffff82d04021b1aa>] F do_event_channel_op+0x5aa/0x1000
(XEN)    [<ffff82d0402b1234>] F pv_hypercall+0x334/0x600
(XEN) Panic on CPU 1:
(XEN) Assertion 'spin_is_locked(&d->event_lock)' failed at common/event_channel.c:812
(XEN) ****************************************
"""
XEN_FAULT = """\
(XEN) [  12.345678] ----[ Xen-4.17.5  x86_64  debug=n  Not tainted ]----
(XEN) [  12.345678] RIP:    e008:[<ffff82d0402a3c1f>] hvm_do_resume+0x1f/0x120
(XEN) [  12.345678] Xen call trace:
(XEN) [  12.345678]    [<ffff82d0402a3c1f>] R hvm_do_resume+0x1f/0x120
(XEN) [  12.345678]    [<ffff82d0402b0011>] F vmx_do_resume+0x11/0x90
(XEN) [  12.345678] Pagetable walk from 0000000000000008:
(XEN) [  12.345678] ****************************************
(XEN) [  12.345678] Panic on CPU 3:
(XEN) [  12.345678] FATAL PAGE FAULT
(XEN) [  12.345678] [error_code=0000]
"""
OOPS = """\
[  101.5] BUG: kernel NULL pointer dereference, address: 0000000000000018
[  101.5] #PF: supervisor read access in kernel mode
[  101.5] Oops: 0000 [#1] PREEMPT SMP NOPTI
[  101.5] CPU: 0 PID: 812 Comm: xenbus Not tainted 6.1.0-18-amd64 #1
[  101.5] RIP: 0010:xenvif_disconnect_ctrl+0x22/0x90 [xen_netback]
[  101.5] Call Trace:
[  101.5]  <TASK>
[  101.5]  ? page_fault_oops+0xd2/0x2b0
[  101.5]  frontend_changed+0x2b2/0x6d0 [xen_netback]
[  101.5]  xenbus_otherend_changed+0x4e/0xa0
[  101.5]  kthread+0xe9/0x110
[  101.5]  </TASK>
[  101.5] ---[ end trace 0000000000000000 ]---
"""


def names(text: str) -> list[str]:
    return [signature(trace) for trace in parse_panics(text)]


def test_an_assertion_of_xen_is_named_by_its_text() -> None:
    assert names(XEN_ASSERT) == ["xen: assert spin_is_locked(&d->event_lock) in evtchn_close"]


def test_a_fault_of_xen_is_named_by_its_place() -> None:
    assert names(XEN_FAULT) == ["xen: FATAL PAGE FAULT in hvm_do_resume < vmx_do_resume"]


def test_an_oops_is_named_by_its_place_and_not_by_guesses() -> None:
    assert names(OOPS) == [
        (
            "dom0 kernel: kernel NULL pointer dereference in xenvif_disconnect_ctrl"
            " < frontend_changed < xenbus_otherend_changed"
        )
    ]


def test_a_boot_without_trouble_has_no_panic() -> None:
    text = "(XEN) Xen version 4.17.5\n[    0.0] Linux version 6.1.0\n[    1.0] Run /init\n"
    assert names(text) == []


def test_two_panics_of_different_kinds_are_two() -> None:
    assert len(names(OOPS + XEN_FAULT)) == 2
