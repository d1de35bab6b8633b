"""What the parent says is what the child understands."""

from __future__ import annotations

import msgspec

from suites.stress import argv
from suites.stress.options import Options, parser


def understood(options: Options) -> Options:
    return msgspec.convert(vars(parser().parse_args(argv(options)[3:])), Options)


def test_every_option_survives_the_command_line() -> None:
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(Options):
        match field.default:
            case str() if field.name == "on_daemon_death":
                values[field.name] = "stop"
            case int() if field.name != "worker":
                values[field.name] = 7
            case float():
                values[field.name] = 7.5
            case tuple():
                values[field.name] = ("ssh", "a host", "xl list -l", "it's")
            case _ if field.name != "worker":
                values[field.name] = f"some {field.name} 'quoted'"
            case _:
                values[field.name] = 3
    options = msgspec.convert(values, Options)
    assert understood(options) == options


def test_defaults_need_no_words() -> None:
    options = Options(connect="test:///default", ledger="l")
    assert argv(options)[3:] == ("--connect", "test:///default", "--ledger", "l")
    assert understood(options) == options


def test_auto_is_as_many_guests_as_the_host_bears() -> None:
    words = ["--connect", "x", "--ledger", "l", "--guests", "auto"]
    assert parser().parse_args(words).guests == 0
