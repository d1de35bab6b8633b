"""libvirt's logs of 2012 and of today become records; what is new in them is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.crash.logline import LogLine, parse_log, read_log
from ci.crash.noise import kind_of, new_errors, read_noise

OLD = Path(__file__).parent.parent / "data" / "logs" / "libvirtd-842-loops.log"
NEW = """\
2023-11-16 10:11:12.123+0000: 812: info : libvirt version: 9.9.0
2023-11-16 10:11:12.123+0000: 812: info : hostname: dom0
2023-11-16 10:11:13.000+0000: 815: debug : virThreadJobSet:93 : Thread 815 is now running job x
2023-11-16 10:11:13.001+0000: 815: error : virNetSocketReadWire:1791 : End of file
2023-11-16 10:11:14.500+0000: 816: error : libxlDomainStart:12 : failed to create 'a': line one
line two, without a stamp
2023-11-16 10:11:15.500+0000: 816: warning : virDomainObjBeginJob:99 : Cannot start job
"""
DUMP = """\
2012-11-15 04:02:47.517+0000: 4304: error : libxlVmStart:747 : internal error before
Caught abort signal dumping internal log buffer:


    ====== start of log =====

2012-11-15 04:03:04.903+0000: 4304: debug : virEventPollRunOnce:640 : polling
2012-11-15 04:03:04.904+0000: 4304: error : libxlVmStart:747 : internal error inside


     ====== end of log =====
2012-11-15 04:03:05.000+0000: 4400: error : libxlVmStart:747 : internal error after
"""


def test_an_old_log_is_read_with_its_continued_lines() -> None:
    lines = list(read_log(OLD))
    assert lines[0].text == "libvirt version: 1.0.0"
    assert (lines[1].level, lines[1].function, lines[1].line) == ("error", "virCommandWait", 2287)
    assert lines[1].text.endswith("'iptables --help' for more information.")
    assert lines[-1] == LogLine(
        at="2012-11-15 04:03:04.903+0000",
        thread=4304,
        level="error",
        function="libxlVmStart",
        line=747,
        text="internal error libxenlight failed to create new domain 'sles11_sp2_pv'",
    )


def test_a_new_log_is_read() -> None:
    lines = list(parse_log(NEW.splitlines(keepends=True)))
    assert [line.level for line in lines] == [
        "info", "info", "debug", "error", "error", "warning",
    ]  # fmt: skip
    assert lines[4].text.endswith("line one\nline two, without a stamp")


@pytest.mark.parametrize("text", [NEW, DUMP, OLD.read_text(), "", "no log at all\n", NEW[:-30]])
@pytest.mark.parametrize("least", ["warning", "error"])
def test_searching_finds_what_reading_finds(text: str, least: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    read = list(parse_log(text.splitlines(keepends=True), least=least))
    assert list(read_log(path, least=least)) == read


def test_searching_finds_errors_across_the_borders_of_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_text(NEW * 50)
    monkeypatch.setattr("ci.crash.logline.BLOCK_BYTES", 333)
    found = list(read_log(path, least="error"))
    assert len(found) == 100
    assert all(line.text.endswith("without a stamp") for line in found[1::2])


def test_what_a_dying_daemon_dumps_is_marked() -> None:
    lines = list(parse_log(DUMP.splitlines(keepends=True), least="error"))
    assert [(line.text.split()[-1], line.dumped) for line in lines] == [
        ("before", False), ("inside", True), ("after", False),
    ]  # fmt: skip


def test_known_noise_is_silent_and_the_rest_is_told_once() -> None:
    found = new_errors(read_log(OLD), noise=read_noise())
    assert [(one.first.function, one.count) for one in found] == [("libxlVmStart", 1)]


def test_an_error_of_the_last_good_run_is_not_new() -> None:
    assert new_errors(read_log(OLD), read_log(OLD), noise=()) == ()


def test_names_and_numbers_do_not_make_an_error_new() -> None:
    def error(text: str, line: int) -> LogLine:
        return LogLine(at="", thread=line, level="error", function="f", line=line, text=text)

    one = error("domain 'a' of /var/lib/x.img has 3 disks at 0x7f1234", 10)
    other = error("domain 'guest-7' of /tmp/y has 12 disks at 0x7fab", 11)
    assert kind_of(one) == kind_of(other)


def test_all_noise_has_a_reason() -> None:
    assert all(len(one.reason) > 20 for one in read_noise())
