"""Crashes as other tools write them, brought into the words of gdb: ABRT, apport, lldb, eu-stack,
systemd's journal as JSON, OCaml's xenstored; the kernel's words are read in ``kernel.py``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ci.crash.kernel import of_kernel
from ci.crash.said import SIGNALS

DUMPED = "This is a core, whatever it died of."
MOST_JSON = 64 * 2**20
MOST_BAD = 200  # lines that are no JSON
_LLDB_THREAD = re.compile(
    r"\*?\s*thread #(?P<id>\d+)(?:,? (?:tid|name|queue) = ['\"]?(?P<name>[^'\",]*)['\"]?)*"
    r".*?(?:stop reason = (?P<why>.*))?$"
)
_LLDB_FRAME = re.compile(
    r"\*?\s*frame #(?P<number>\d+): (?P<address>0x[0-9a-f]+)"
    r"(?: (?P<module>[^`]*)`(?P<function>.*?))?(?: at (?P<file>[^:\s]+):(?P<line>\d+)(?::\d+)?)?"
    r"(?: \[.*\])?$"
)
_LLDB_TARGET = re.compile(r'\(lldb\) target create (?:--core \S+ )?"(?P<program>[^"]+)"')
_ABRT_THREAD = re.compile(r"\s*Thread no\. (?P<id>\d+) \(\d+ frames?\)")
_ABRT_FRAME = re.compile(
    r"\s*#(?P<number>\d+) (?P<function>[\w.@:<>~*?]+)(?: at (?P<file>\S+):(?P<line>\d+))?"
    r"(?: (?:in|from) (?P<module>/\S+))?\s*$"
)
_EU_HEAD = re.compile(r"PID \d+ - core\b")
_EU_FRAME = re.compile(
    r"#(?P<number>\d+)\s+(?P<address>0x[0-9a-f]+)(?: - 1)?\s+(?P<function>\S+)"
    r"(?: - (?P<module>\S+))?\s*$"
)
_EU_PLACE = re.compile(r"\s{2,}(?P<file>\S+\.[\w+]+):(?P<line>\d+)(?::\d+)?\s*$")
_CATCHSEGV = re.compile(r"\*\*\* (?P<what>Segmentation fault|Aborted)\s*$")
_OCAML = re.compile(r"(?P<program>oxenstored|xenstored)\S*: Fatal error: exception (?P<what>.+)$")
_OCAML_FRAME = re.compile(
    r"(?:Raised (?:at|by primitive operation at)|(?:Re-raised|Called) (?:at|from)) "
    r"(?P<function>[\w.]+) in file \"(?P<file>[^\"]+)\"(?: \(inlined\))?, line (?P<line>\d+)"
)
_BASE64 = re.compile(r"(CoreDump|[A-Z]\w+): base64\s*$")


def in_gdbs_words(text: str) -> str:
    """The same text, with what other tools wrote turned into lines that gdb could have written."""
    if (told := _of_json(text)) is not None:
        return told
    for known, translate in _TOOLS:
        if known in text:
            text = "\n".join(translate(text.splitlines()))
    return of_kernel(text)


def _of_json(text: str) -> str | None:
    """ABRT's core_backtrace, or journal entries; None when the text is no JSON of theirs."""
    head = text[:4096].lstrip()
    if not head.startswith(("{", "[")) or len(text) > MOST_JSON:
        return None
    records = list(_records(text))
    told = [_core_backtrace(one) if "stacktrace" in one else _journal(one) for one in records]
    return "\n".join(filter(None, told)) or None


def _records(text: str) -> Iterator[dict[str, Any]]:
    """Objects, whether one after the other, in a list, or one a line.

    A log of the kernel begins with a bracket, too: a text with many lines of something else is not
    read to its end, since each costs the decoder a look at all before it.
    """
    decoder, at, bad = json.JSONDecoder(), 0, 0
    while at < len(text) and bad < MOST_BAD:
        if text[at] in " \t\r\n,\x1e[]":
            at += 1
            continue
        try:
            one, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            bad += 1
            at = text.find("\n", at)
            if at < 0:
                return
            continue
        if isinstance(one, dict):
            yield one


def _core_backtrace(record: dict[str, Any]) -> str:
    lines = [f"executable: {record['executable']}"] if record.get("executable") else []
    lines += [_died_of(record.get("signal"))]
    threads = record["stacktrace"] if isinstance(record["stacktrace"], list) else []
    crashed = [one for one in threads if isinstance(one, dict) and one.get("crash_thread")]
    others = [one for one in threads if isinstance(one, dict) and one not in crashed]
    for number, thread in enumerate((*crashed, *others), 1):
        lines.append(f"Thread {number} (LWP {number}):")
        frames = thread.get("frames")
        lines += map(_json_frame, *zip(*enumerate(frames), strict=True)) if frames else []
    return "\n".join(lines)


def _json_frame(number: int, frame: Any) -> str:
    known = frame if isinstance(frame, dict) else {}
    address = known.get("address")
    address = address if isinstance(address, int) else 1
    function = known.get("function_name") or "??"
    return _frame(str(number), f"0x{address:x}", function, module=known.get("file_name") or "")


def _journal(record: dict[str, Any]) -> str:
    """An entry of ``journalctl -o json`` or of ``coredumpctl``: its fields and its message."""
    message = record.get("MESSAGE", "")
    if isinstance(message, list):  # bytes, where it is no clean text
        message = bytes(b for b in message if isinstance(b, int) and 0 <= b < 256).decode(
            errors="replace"
        )
    if not record.get("COREDUMP_EXE") and not record.get("COREDUMP_SIGNAL"):
        return str(message)
    head = [f"executable: {record['COREDUMP_EXE']}"] if record.get("COREDUMP_EXE") else []
    return "\n".join((*head, _died_of(record.get("COREDUMP_SIGNAL")), str(message)))


def _died_of(signal: Any) -> str:
    word = str(signal or "")
    name = SIGNALS.get(int(word), "") if word.isdigit() and len(word) < 4 else word
    return f"Program terminated with signal {name}." if name else DUMPED


def _frame(  # noqa: PLR0917 - the parts of a frame in their order
    number: str, address: str, function: str, file: str = "", line: str = "", module: str = ""
) -> str:
    where = f" at {file}:{line}" if file else f" from {module}" if module else ""
    shown = f"{address} in " if address else ""
    return f"#{number}  {shown}{function} (){where}"


def _lldb(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if target := _LLDB_TARGET.match(line):
            yield f"executable: {target['program']}"
        elif frame := _LLDB_FRAME.match(line.strip()):
            yield _lldb_frame(frame)
        elif line.lstrip().startswith(("* thread #", "thread #")) and (
            thread := _LLDB_THREAD.match(line.strip())
        ):
            signal = re.search(r"signal (SIG\w+)", thread["why"] or "")
            if signal:
                yield f"Program terminated with signal {signal[1]}."
            name = f' "{thread["name"]}"' if thread["name"] else ""
            yield f"Thread {thread['id']} (LWP {thread['id']}{name}):"
        else:
            yield line


def _lldb_frame(found: re.Match[str]) -> str:
    function = (found["function"] or "??").rpartition(" [inlined] ")[2]
    function = re.split(r"\(| \+ \d+", function, maxsplit=1)[0].strip()
    if function.startswith("___lldb_unnamed_symbol"):
        function = "??"
    return _frame(
        found["number"],
        found["address"],
        function or "??",
        found["file"] or "",
        found["line"] or "",
        (found["module"] or "").strip(),
    )


def _abrt(lines: list[str]) -> Iterator[str]:
    """The short form of ABRT's reports: functions without address and arguments."""
    within = False
    for line in lines:
        if thread := _ABRT_THREAD.match(line):
            within = True
            yield f"Thread {thread['id']} (LWP {thread['id']}):"
        elif within and (frame := _ABRT_FRAME.match(line)):
            parts = (frame["file"] or "", frame["line"] or "", frame["module"] or "")
            yield _frame(frame["number"], "", frame["function"], *parts)
        elif line.startswith("Truncated backtrace"):
            yield DUMPED
        else:
            within = within and bool(line.strip())
            yield line


def _eu_stack(lines: list[str]) -> Iterator[str]:
    held: re.Match[str] | None = None
    for line in lines:
        place = _EU_PLACE.match(line) if held else None
        if held:
            file, row = (place["file"], place["line"]) if place else ("", "")
            module = held["module"] or ""
            yield _frame(held["number"], held["address"], held["function"], file, row, module)
        held = _EU_FRAME.match(line)
        if not held and not place:
            yield DUMPED if _EU_HEAD.match(line) else line
    if held:
        yield _frame(held["number"], held["address"], held["function"], module=held["module"] or "")


def _apport(lines: list[str]) -> Iterator[str]:
    """Without the packed core, which can be a hundred megabytes of letters.

    The top of the stack, which has no numbers, is all that some reports have of it.
    """
    packed, top = False, -1
    whole = any(line.startswith(" #0 ") for line in lines)
    for line in lines:
        packed = line.startswith(" ") if packed else bool(_BASE64.match(line))
        if top >= 0 and line.startswith(" ") and not whole:
            yield f"#{top} 0x1 in {line.strip()}"
            top += 1
        elif not packed:
            top = 0 if line.startswith("StacktraceTop:") else -1
            yield line


def _catchsegv(lines: list[str]) -> Iterator[str]:
    for line in lines:
        found = _CATCHSEGV.match(line)
        signal = "SIGSEGV" if found and found["what"].startswith("Seg") else "SIGABRT"
        yield f"Program terminated with signal {signal}." if found else line


def _ocaml(lines: list[str]) -> Iterator[str]:
    number = -1
    for line in lines:
        if found := _OCAML.search(line):
            number = 0
            yield f"executable: {found['program']}"
            yield f"==1==ERROR: exception {found['what'].strip()}"
        elif number >= 0 and (frame := _OCAML_FRAME.search(line)):
            yield _frame(str(number), "0x1", frame["function"], frame["file"], frame["line"])
            number += 1
        else:
            yield line


_TOOLS: tuple[tuple[str, Callable[[list[str]], Iterator[str]]], ...] = (
    ("ProblemType:", _apport),
    ("frame #0: 0x", _lldb),
    ("Thread no. ", _abrt),
    ("\nTID ", _eu_stack),
    ("*** Segmentation fault", _catchsegv),
    ("Fatal error: exception", _ocaml),
)
