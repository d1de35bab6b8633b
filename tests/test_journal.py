"""The journal keeps every whole line and survives torn ones."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from ci.errors import InfraError, UsageError
from ci.journal import Event, Journal, read


def event(name: str) -> Event:
    return Event(at=1.0, what="note", name=name)


def names(path: Path) -> list[str]:
    return [entry.name for entry in read(path)]


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for name in "abc":
        journal.append(event(name))
    journal.close()
    assert names(tmp_path / "j") == ["a", "b", "c"]


def test_a_torn_last_line_is_cut_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.append(event("a"))
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"at":1.0,"what":"no')
    assert names(path) == ["a"]
    journal = Journal(path)
    journal.append(event("b"))
    journal.close()
    assert names(path) == ["a", "b"]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"at":1.0,"what":"a"}\nrubbish\n{"at":1.0,"what":"b"}\n')
    with pytest.raises(InfraError, match=r"j:2: this journal line is damaged"):
        names(path)


@pytest.mark.parametrize("at", ["-1.0", "1e18", "1e400", '"now"'])
def test_a_moment_that_no_calendar_has_is_damage(tmp_path: Path, at: str) -> None:
    path = tmp_path / "j"
    path.write_text(f'{{"at":{at},"what":"a"}}\n')
    with pytest.raises(InfraError, match=r"j:1: this journal line is damaged"):
        names(path)


def test_a_journal_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "gone", "No such file")):
        with pytest.raises(InfraError, match=f"{path} cannot be read: {why}"):
            names(path)


def test_two_writers_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(UsageError, match="in use by another virtci"):
        Journal(tmp_path / "j")
    journal.close()
    Journal(tmp_path / "j").close()


def test_a_full_disk_loses_no_earlier_line(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.append(event("kept"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(InfraError, match=r"cannot write .*j: File too large"):
            journal.append(event("lost"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    journal.append(event("after"))
    journal.close()
    assert names(path) == ["kept", "after"]


def test_events_of_one_sort_are_passed_over_and_none_else(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for what, name in (("op", "a"), ("case", "b"), ("op", "c"), ("opera", '","what":"op",')):
        journal.append(Event(at=1792361234.123456, what=what, name=name))
    journal.close()
    assert [event.what for event in read(tmp_path / "j", but="op")] == ["case", "opera"]
