"""The console is the proof of life: boot ids and heartbeats, however the bytes come."""

from __future__ import annotations

from suites.stress.guest_console import TAIL_LINES, Transcript

FIRST = "52363718-9358-4d9f-8d6e-acd2e2eb623c"
SECOND = "70f5963d-a8a8-4e11-999e-c079e31041d3"


def boot(boot_id: str) -> bytes:
    return (
        f"virtci-guest boot_id={boot_id} kernel=6.1.0 hypervisor=xen\r\n"
        f"virtci-guest beat=1 boot_id={boot_id} uptime=2.48\r\n"
    ).encode()


def test_a_boot_is_known_by_its_id_and_counted_by_its_beats() -> None:
    seen = Transcript()
    seen.feed(boot(FIRST))
    assert (seen.boot_id, seen.beats) == (FIRST, 1)
    seen.feed(f"virtci-guest beat=2 boot_id={FIRST} uptime=3.49\r\n".encode())
    assert seen.beats == 2


def test_a_reboot_starts_counting_anew() -> None:
    seen = Transcript()
    seen.feed(boot(FIRST) * 3)
    seen.feed(boot(SECOND))
    assert (seen.boot_id, seen.beats) == (SECOND, 1)


def test_lines_in_pieces_are_put_together() -> None:
    seen = Transcript()
    for byte in boot(FIRST):
        seen.feed(bytes([byte]))
    assert (seen.boot_id, seen.beats) == (FIRST, 1)


def test_a_kernel_alone_is_no_life() -> None:
    seen = Transcript()
    seen.feed(b"[    0.0] Linux version 6.1\r\nKernel panic - not syncing: No working init\r\n")
    assert (seen.boot_id, seen.beats) == ("", 0)
    assert "Kernel panic" in seen.tail()


def test_rubbish_and_endless_lines_are_survived_in_little_memory() -> None:
    seen = Transcript()
    seen.feed(b"\xff\xfe\x00" * 100_000)
    seen.feed(b"\n" + b"line\n" * 10_000)
    assert len(seen.tail(10_000).splitlines()) <= TAIL_LINES + 1
    seen.feed(boot(FIRST))
    assert seen.boot_id == FIRST
