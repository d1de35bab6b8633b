"""What is known of a driver: failures that are accepted for a reason, until a day.

One file per driver, ``baselines/<driver>.toml``. A case is waived only when it fails as its entry
says; another failure of the same case is a failure, and so is the same one after the day.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec

from ci.codec import decode, parse_toml, read_text
from ci.model import CaseResult, Outcome, Record

FOLDER = Path(__file__).parent / "baselines"


class Known(Record, frozen=True, kw_only=True):
    """``case`` fails with ``says`` in its message because of ``reason``; not after ``expires``."""

    case: str
    says: str
    reason: str
    expires: datetime.date


class Lost(Record, frozen=True, kw_only=True):
    """``function`` need not work any more because of ``reason``; not after ``expires``."""

    function: str
    reason: str
    expires: datetime.date


class Baseline(Record, frozen=True, kw_only=True):
    known: tuple[Known, ...] = ()
    lost: tuple[Lost, ...] = ()


def known_for(driver: str, folder: Path = FOLDER) -> tuple[Known, ...]:
    """The driver's entries; none when it has no file. Raises UsageError when the file is wrong."""
    return _load(driver, folder).known


def lost_for(driver: str, folder: Path = FOLDER) -> tuple[Lost, ...]:
    """Calls that a driver may have lost. Raises UsageError when the file is wrong."""
    return _load(driver, folder).lost


def _load(driver: str, folder: Path) -> Baseline:
    path = folder / f"{driver.lower()}.toml"
    if not path.exists():
        return Baseline()
    text = read_text(path)
    return decode(parse_toml(text, path), Baseline, source=str(path), text=text)


def waive(result: CaseResult, known: tuple[Known, ...], day: datetime.date) -> CaseResult:
    """The same verdict, or WAIVED when it is what is known; a pass says that no entry is needed."""
    entries = [entry for entry in known if entry.case == result.name]
    if result.outcome is Outcome.PASSED and entries:
        return msgspec.structs.replace(result, properties={"baseline": "not needed any more"})
    if result.outcome is not Outcome.FAILED or result.properties.get("verdict"):
        return result
    for entry in entries:
        if entry.says in result.message:
            return _waived(result, entry) if day <= entry.expires else _expired(result, entry)
    return result


def _waived(result: CaseResult, entry: Known) -> CaseResult:
    message = f"known until {entry.expires}: {entry.reason}; it said: {result.message}"
    return msgspec.structs.replace(result, outcome=Outcome.WAIVED, message=message)


def _expired(result: CaseResult, entry: Known) -> CaseResult:
    message = f"{result.message} (its waiver ended on {entry.expires}: {entry.reason})"
    return msgspec.structs.replace(result, message=message)


def today() -> datetime.date:
    """The day here; a waiver holds through the whole of its last one."""
    return datetime.datetime.now().astimezone().date()
