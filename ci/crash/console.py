"""Panics of Xen and of dom0's kernel, from a serial console, ``xl dmesg`` or ``dmesg``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ci.crash.names import bare
from ci.crash.trace import Assertion, Frame, Thread, Trace

_STAMP = r"(?:\(XEN\) ?)?(?:\[ *[\d.: -]+\] ?)*(?:\([Xd]\w*\) ?)?"
_XEN = re.compile(r"\(XEN\)")
_XEN_PANIC = re.compile(r"\(XEN\).*(?:Panic on CPU \d+|Xen BUG at|Assertion '.*' failed at)")
_XEN_ASSERT = re.compile(r"Assertion '(?P<text>.+)' failed at (?P<file>[\w./-]+):(?P<line>\d+)")
_XEN_BUG = re.compile(r"Xen BUG at (?P<file>[\w./-]+):(?P<line>\d+)")
_XEN_FATAL = re.compile(
    r"\(XEN\)(?: \[[^\]]*\])? (?P<kind>FATAL TRAP: .*|FATAL PAGE FAULT|DOUBLE FAULT.*"
    r"|CPU\d+: Unexpected Trap: .*|Out of memory.*|Could not .*|.*[Ww]atchdog.*)$"
)
# "vec 13, #GP[0000]" of today, "vector = 6 (invalid opcode)" of before
_TRAP = re.compile(r"FATAL TRAP: vec(?:tor =)? \d+,? \(?#?(?P<name>[\w ]+)")
_XEN_FRAME = re.compile(r"\(XEN\).*\[<[0-9a-f]+>\] (?P<how>[RSF]?) ?(?P<function>[\w./#-]+)\+0x")
_XEN_RIP = re.compile(r"\(XEN\).*RIP: .*\[<[0-9a-f]+>\] (?P<function>[\w./#-]+)\+0x")
_KERNEL_START = re.compile(
    r"(?:BUG: (?P<bug>.*)|Kernel panic - not syncing: (?P<panic>.*)|Oops: (?P<oops>.*)"
    r"|general protection fault(?P<gpf>.*)|Unable to handle kernel (?P<unable>.*)"
    r"|kernel BUG at (?P<at>[\w./-]+):\d+|watchdog: BUG: (?P<lockup>soft lockup|hard LOCKUP).*"
    r"|INFO: (?P<stall>rcu\w*) .*(?:self-)?detected stalls? on.*"
    r"|INFO: task (?P<hung>\S+):\d+ blocked for more than.*"
    r"|WARNING: CPU: \d+ PID: \d+ at (?P<warn>\S+).*)"
)
_KERNEL_RIP = re.compile(r"(?:RIP: \S*?:?|\bpc : )(?P<function>[A-Za-z_][\w.]*)\+0x")
_KERNEL_FRAME = re.compile(
    _STAMP + r"\s*(?:\[<[0-9a-f]+>\] )?(?P<guess>\? )?(?P<function>[A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x"
)
_LOGGED = re.compile(  # by syslog or the journal
    r"^(?:\w{3} +\d+ [\d:.]+|\d{4}-\d\d-\d\d[T ][\d:.,+Z-]+) \S+ kernel(?:\[\d+\])?: "
)
_CALLS = re.compile(r"Call [Tt]race:")
_ENDS = re.compile(r"---\[ end|</TASK>|Reboot in|Rebooting in|Kernel Offset")
PLUMBING = re.compile(
    r"dump_stack(_lvl)?|panic|die|oops_end|__die(_body)?|exc_\w+|asm_exc_\w+|page_fault_oops|no_context"
    r"|(__)?bad_area\w*|do_(page_fault|user_addr_fault|trap|error_trap|invalid_op|exit|general_protection)"
    r"|(handle|report|fixup)_bug|__warn(_printk)?|warn_slowpath\w*|mm_fault_error|async_page_fault|page_fault"
    r"|invalid_op|general_protection|error_entry|watchdog_timer_fn|ret_from_fork(_asm)?|kthread"
    r"|__schedule|schedule|entry_SYSCALL_64\w*|do_syscall_64|x64_sys_call|native_\w+_fault|nmi\w*"
    r"|_raw_spin_\w+|show_(regs|stack|execution_state)|handle_ud_exception|machine_(restart|halt)"
    r"|fatal_trap|do_invalid_op|handle_exception_saved|do_page_fault"
)
MOST_LINES = 120


def parse_panics(text: str) -> tuple[Trace, ...]:
    """Every panic, oops, BUG and hung task that a console shows; Xen's are named ``xen``."""
    lines = [_LOGGED.sub("", line) for line in text.splitlines()]
    found: list[Trace] = []
    skip_until = 0
    for at, line in enumerate(lines):
        if at < skip_until:
            continue
        if _XEN_PANIC.search(line) or _XEN_FATAL.search(line):
            skip_until = at + MOST_LINES
            found.append(_xen(lines, at))
        elif start := _KERNEL_START.search(line):
            skip_until = _end(lines, at)
            found.append(_kernel(lines[at:skip_until], start))
    return tuple(found)


def _xen(lines: list[str], at: int) -> Trace:
    """Xen prints registers and stack before it says that it panics; look both ways."""
    around = lines[max(0, at - MOST_LINES) : at + MOST_LINES]
    text = "\n".join(line for line in around if _XEN.search(line))
    assertion = None
    if found := _XEN_ASSERT.search(text):
        assertion = Assertion(text=found["text"])
    names = [m["function"] for m in _XEN_RIP.finditer(text)][:1]
    names += [m["function"] for m in _XEN_FRAME.finditer(text) if m["how"] != "R" or not names]
    fatal = next((m["kind"] for line in around if (m := _XEN_FATAL.search(line))), "")
    bug = _XEN_BUG.search(text)
    kind = f"BUG at {bug['file']}" if bug else _kind(fatal)
    return _trace("xen", "" if assertion else kind or "panic", names, assertion)


def _kernel(lines: list[str], start: re.Match[str]) -> Trace:
    words = start.groupdict()
    rip = next((m["function"] for line in lines if (m := _KERNEL_RIP.search(line))), "")
    names = [rip] if rip else []
    names += [
        m["function"] for line in lines if (m := _KERNEL_FRAME.match(line)) and not m["guess"]
    ]
    if words["hung"]:
        return _trace("dom0 kernel", "hung task", names, None)
    if words["stall"]:
        return _trace("dom0 kernel", "rcu stall", names, None)
    kind = words["bug"] or words["panic"] or words["lockup"] or words["unable"]
    if words["at"]:
        kind = f"BUG at {words['at']}"
    elif words["warn"]:
        kind = "WARNING"
    elif words["oops"] or words["gpf"] is not None:
        kind = words["oops"] or "general protection fault"
    return _trace("dom0 kernel", _kind(kind or "panic"), names, None)


def _end(lines: list[str], at: int) -> int:
    """Where the report ends: at its own end mark, or after as many lines as reports have."""
    limit = min(len(lines), at + MOST_LINES)
    calls = next((i for i in range(at, limit) if _CALLS.search(lines[i])), at)
    return next((i + 1 for i in range(calls, limit) if _ENDS.search(lines[i])), limit)


def _kind(text: str) -> str:
    """What happened, without addresses, numbers and names of processes."""
    if trap := _TRAP.match(text):
        return f"FATAL TRAP: {trap['name']}"
    text = re.sub(r"that CPU\d+ is", "that a CPU is", text)
    text = re.sub(r"(?:0x)?[0-9a-f]{8,}|#\d+|CPU#?\d+|\d+s!|\[.*?\]|/\d+/0x[0-9a-f]+", "", text)
    text = re.sub(
        r"(?:\b(?:for|at|address|on)\b ?:? *)+$|, address:.*|:\s*$|vector = \d+", "", text.strip()
    )
    return " ".join(re.sub(r"\b(?:0x[0-9a-f]+|\d+)\b", "", text).split()).strip(" :,-!")


def _trace(program: str, fault: str, names: list[str], assertion: Assertion | None) -> Trace:
    telling = dict.fromkeys(n for name in names if not PLUMBING.fullmatch(n := _function(name)))
    frames = tuple(
        Frame(number=number, function=function) for number, function in enumerate(telling)
    )
    return Trace(
        program=program,
        fault=fault,
        assertion=assertion,
        threads=(Thread(frames=_unique(frames)),),
        crashed=0,
    )


def _function(name: str) -> str:
    """Xen says ``file.c#function`` for static ones."""
    return bare(name.rsplit("#", 1)[-1])


def _unique(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    def each() -> Iterator[Frame]:
        for at, frame in enumerate(frames):
            if at == 0 or frames[at - 1].function != frame.function:
                yield frame

    return tuple(each())
