"""What a serial console tells of kernels and hypervisors in trouble, with the lines around. Pure.

One trouble is one report of a kernel or of Xen: what follows inside it (an oops before its panic,
the call trace of a warning) is part of it. The same warning seen often is one trouble, counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from ci.model import Record

Blame = Literal["product", "lab"]
LINES_BEFORE = 8
LINES_AFTER = 6
REGISTERS_BEFORE = 60  # Xen prints registers and stack before it says what happened
MOST_LINES = 80
MOST_TROUBLES = 50
# <4>[   12.34][  T1] text, (XEN) [2026-01-01 10:00:00] text
_PREFIX = re.compile(r"^\s*(?:<\d+>)?(?:\[[^\]]{1,40}\]\s*){0,3}(?:\(XEN\)\s*(?:\[[^\]]*\]\s*)?)?")


class Sign(NamedTuple):
    """How the first line of a report looks, and who is to blame for it."""

    kind: str
    pattern: re.Pattern[str]
    blame: Blame = "product"


def _sign(kind: str, pattern: str, blame: Blame = "product") -> Sign:
    return Sign(kind, re.compile(pattern), blame)


SIGNS = (
    _sign("xen-panic", r"Panic on CPU \d+:|Xen BUG at |Assertion '.*' failed at "),
    _sign("xen-watchdog", r"Watchdog timer detects that CPU\s?\d+ is stuck"),
    _sign("xen-warning", r"Xen WARN at "),
    _sign("panic", r"Kernel panic - not syncing"),
    _sign("dom0-crash", r"(?:Hardware Dom0|Domain 0) crashed"),
    _sign("soft-lockup", r"(?:NMI )?(?:watchdog: )?BUG: soft lockup|watchdog: soft lockup"),
    _sign("hard-lockup", r".*[Ww]atchdog detected hard LOCKUP|BUG: hard lockup"),
    _sign("hung-task", r"INFO: task \S.* blocked for more than \d+ seconds"),
    _sign("rcu-stall", r"(?:rcu: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stall"),
    _sign("oops", r"BUG: |kernel BUG at |(?:general protection fault|Oops|Internal error)\b.*:"),
    _sign("oops", r"Unable to handle kernel |(?:divide|double|invalid) (?:error|fault|opcode): "),
    _sign("out-of-memory", r"Out of memory: Kill|Memory cgroup out of memory: Kill"),
    _sign("warning", r"WARNING: (?:CPU: \d+ PID: \d+ at |\S+:\d+ at |.*(?:detected|usage))"),
    _sign("hardware", r"(?:mce: )?\[Hardware Error\]|.*Machine Check Exception", "lab"),
    _sign("disk", r"(?:.*: )?(?:Buffer )?I/O error[, ]|.*(?:EXT4|BTRFS|XFS).*: error", "lab"),
)
LULLS = frozenset({"soft-lockup", "rcu-stall", "hung-task"})  # a starved emulation has them, too
_OF_DISK = re.compile(r"dev \w+|logical block|\(device [\w-]+\)")
_ENDS = re.compile(r"---\[ end |end Kernel panic|^\*{30,}$|Reboot in |Rebooting in ")
_XEN_BANNER = re.compile(r"----\[ Xen-")
_INSIDE = re.compile(
    r"^(?: |\?|</?\w+>|RIP|RSP|RAX|R\d\d|CPU: |Call Trace|Code: |CR2|Modules|Hard)"
)


class Trouble(Record, frozen=True, kw_only=True):
    """``text`` are the lines around; ``line`` counts from 1; ``times`` how often it was seen."""

    kind: str
    blame: Blame
    headline: str
    line: int
    text: str
    times: int = 1

    @property
    def fatal(self) -> bool:
        """Whether the machine does not go on after it."""
        return self.kind in ("xen-panic", "panic", "dom0-crash", "xen-watchdog")


def plain(line: str) -> str:
    """A console line without time stamps and colours."""
    return _PREFIX.sub("", re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", line)).rstrip()


def troubles(text: str, *, emulated: bool = False) -> tuple[Trouble, ...]:
    """Every report of trouble, in order, at most ``MOST_TROUBLES`` different ones.

    Under emulation a lockup or a stall is the lab's: the machine below was busy.
    """
    found: dict[tuple[str, str], Trouble] = {}
    for trouble in _each(text.replace("\r", "").splitlines(), emulated=emulated):
        key = (trouble.kind, _without_numbers(trouble.headline))
        known = found.get(key)
        if known is None and len(found) >= MOST_TROUBLES:
            continue
        found[key] = trouble if known is None else _again(known)
    return tuple(found.values())


def _again(known: Trouble) -> Trouble:
    return Trouble(
        kind=known.kind,
        blame=known.blame,
        headline=known.headline,
        line=known.line,
        text=known.text,
        times=known.times + 1,
    )


def _each(lines: Sequence[str], *, emulated: bool) -> Iterator[Trouble]:
    at = 0
    while at < len(lines):
        sign = sign_of(lines[at])
        if sign is None:
            at += 1
            continue
        end = _end(lines, at)
        inside = [s for line in lines[at:end] if (s := sign_of(line))]
        worst = min(inside, key=SIGNS.index)
        lull = emulated and all(s.kind in LULLS for s in inside)
        yield Trouble(
            kind=worst.kind,
            blame="lab" if lull else worst.blame,
            headline=_headline(lines, at, end),
            line=at + 1,
            text=_around(lines, at, end),
        )
        at = end


def sign_of(line: str) -> Sign | None:
    """What the line begins, if it begins a report."""
    said = plain(line)
    sign = next((sign for sign in SIGNS if sign.pattern.match(said)), None)
    if sign is not None and sign.kind == "disk" and not _OF_DISK.search(said):
        return None
    return sign


def _end(lines: Sequence[str], at: int) -> int:
    """Behind the last line of the report: at its end mark, or where nothing of it follows."""
    limit = min(len(lines), at + MOST_LINES)
    end = at + 1
    for here in range(at + 1, limit):
        said = plain(lines[here])
        if _ENDS.search(said):
            return _end(lines, here) if _goes_on(lines, here) else here + 1
        of_xen = "(XEN)" in lines[at] and "(XEN)" in lines[here]
        if of_xen or _INSIDE.match(said) or (here - at < LINES_AFTER and sign_of(lines[here])):
            end = here + 1
        elif here - end >= LINES_AFTER:
            break
    return end


def _goes_on(lines: Sequence[str], at: int) -> bool:
    """A fatal oops goes on with its panic right behind the end mark; Xen's between two of stars."""
    behind = lines[at + 1 : at + 1 + LINES_AFTER]
    return any("not syncing" in line or "Panic on CPU" in line for line in behind)


def _headline(lines: Sequence[str], at: int, end: int) -> str:
    """The first line; Xen's own has what happened below it, and a panic behind an oops is said."""
    head = plain(lines[at])
    if head.startswith("Panic on CPU"):
        head = " ".join((head, *(plain(line) for line in lines[at + 1 : at + 2])))
    panic = next((plain(x) for x in lines[at + 1 : end] if "Kernel panic - not syncing" in x), "")
    fatal = panic and not head.startswith("Kernel panic")
    return (f"{head} ({panic})" if fatal else head)[:300]


def _around(lines: Sequence[str], at: int, end: int) -> str:
    before = range(max(0, at - REGISTERS_BEFORE), at)
    banner = [here for here in before if _XEN_BANNER.search(lines[here])]
    begin = banner[-1] if banner and "(XEN)" in lines[at] else max(0, at - LINES_BEFORE)
    return "\n".join(line.rstrip() for line in lines[begin : end + LINES_AFTER])


def _without_numbers(headline: str) -> str:
    """The same trouble at another time, on another CPU, in another process."""
    kept = re.sub(
        r"\b(CPU|PID)[:#]? ?\d+|\bfor \d+s|:\d+\]|0x[0-9a-f]+|[0-9a-f]{12,}", "", headline
    )
    return re.sub(r"(?<![:\w])\d+\b", "", kept)
