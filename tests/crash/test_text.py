"""Debugger text in all its shapes becomes frames, threads and what was said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ci.crash.frame import parse_frame
from ci.crash.group import group
from ci.crash.pasted import is_whole, whole_lines
from ci.crash.signature import signature
from ci.crash.text import parse_traces
from ci.crash.trace import NULL_CALL
from tests.crash.samples import OLD


def test_a_frame_wrapped_within_its_arguments_is_one_line() -> None:
    lines = [line for line in whole_lines(OLD[1].read_text()) if line.startswith("#2")]
    assert lines == [
        (
            '#2  0x00007f44b8f6ea10 in *__GI___assert_fail (assertion=0x7f44bddfeb63 "!r",'
            ' file=0x7f44bddfeb52 "libxl_internal.h", line=2652,'
            ' function=0x7f44bde07380 "libxl__ctx_lock") at assert.c:81'
        )
    ]


def test_parentheses_inside_strings_and_characters_close_nothing() -> None:
    assert not is_whole("#1  0x1 in foo (s=0x2 \"a )\", c=41 ')', n=1")
    assert is_whole("#1  0x1 in foo (s=0x2 \"a (\", c=40 '(', n=1)")


def test_frames_of_all_makers_are_read() -> None:
    shapes = {
        "#3  0x00007f in *__GI_raise (sig=<optimized out>) at raise.c:64": "raise",
        "#3  virEventPollRunOnce () at util/event_poll.c:631": "virEventPollRunOnce",
        "#3  0x00007f [PAC] in virFree (p=0x1) at a.c:3": "virFree",
        "#3  0x00007f44b8f77131 abort (libc.so.6 + 0x38131)": "abort",
        "#3  0x00007f44b8f77131 n/a (libvirt.so.0 + 0x38131)": "",
        "#3 0x7f0c4a8a7c3c in virObjectUnref ../src/util/virobject.c:254:9": "virObjectUnref",
        "#3 0x7f0c2a1a7c3c in egc_run (/usr/lib/libxl.so.4.17+0x5b) (BuildId: 0a)": "egc_run",
        "#3  0x00007f0c2a1a7c3c poll": "poll",
        "#3  0x0000000000000000 in ?? ()": NULL_CALL,
        "#3  0x00005555 in ?? ()": "",
        "#3  0x00005555 in  () at /lib/libglib-2.0.so.0": "",
        "#3  0x00005555 in virFree () at /lib/libvirt.so.0": "virFree",
        "#3  0x1 in memcpy@plt () from /lib/libvirt.so.0": "memcpy",
        "#3  0x1 in libxlDomainStart.isra.0.cold () from /lib/x.so": "libxlDomainStart",
    }
    for line, function in shapes.items():
        frame = parse_frame(line)
        assert frame is not None, line
        assert (frame.number, frame.function) == (3, function), line


def test_libraries_lose_their_versions() -> None:
    for where in ("from", "at"):
        frame = parse_frame(f"#3  0x7f in libxl_ctx_free () {where} /lib64/libxenlight.so.2.0")
        assert frame is not None
        assert (frame.library, frame.file) == ("libxenlight.so", "")


def test_a_function_is_known_to_be_inlined_by_the_address_missing_after_it() -> None:
    frames = parse_traces(OLD[0].read_text())[0].frames
    assert [frame.function for frame in frames if frame.inlined] == ["virEventPollDispatchHandles"]


@given(st.text(alphabet=st.sampled_from("#0123 ()\"'\n\\abinx<>=:.,?*@>|-T[]"), max_size=400))
def test_no_text_is_too_strange(text: str) -> None:
    group(parse_traces(text))


def test_a_daemon_that_was_stopped_is_no_hang_of_its_own() -> None:
    idle = "\n".join(
        f"#{number}  0x00007f000000{number}abc in {name} ()"
        for number, name in enumerate(("poll", "g_main_context_iteration", "main"))
    )
    text = f"process 7 (libvirtd) is stopped: it was sent SIGSTOP\n[New LWP 8]\n{idle}\n"
    (trace,) = parse_traces(text + f"Thread 1 (Thread 0x7f (LWP 7)):\n{idle}\n")
    assert (trace.program, trace.signal, trace.sent) == ("libvirtd", "SIGSTOP", True)
    assert signature(trace) == "libvirtd: SIGSTOP from outside"
