"""A Jenkinsfile as the calls in it, by a real Groovy parser (2.4, as Jenkins has it)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import msgspec

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.shell import Argv, Shell

JAR = Path("/usr/share/java/groovy-all.jar")
HINT = "apt-get install groovy (or: zypper install groovy)"
QUICK = ("-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8")


class _Call(msgspec.Struct, frozen=True):
    line: int
    depth: int
    name: str
    texts: tuple[str, ...] = ()
    named: dict[str, str | None] = {}
    variables: tuple[str, ...] = ()
    statement: bool = False
    block: bool = False


class _Error(msgspec.Struct, frozen=True):
    line: int
    text: str


class _Parsed(msgspec.Struct, frozen=True):
    calls: tuple[_Call, ...] = ()
    errors: tuple[_Error, ...] = ()


@dataclass(eq=False)
class Call:
    """``name texts..., variables..., named...: ... { below }``; a statement, or an argument."""

    name: str
    line: int
    texts: tuple[str, ...] = ()
    named: dict[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    statement: bool = False
    block: bool = False
    below: list[Call] = field(default_factory=list)

    def child(self, name: str) -> Call | None:
        return next((call for call in self.below if call.name == name), None)

    def walk(self) -> Iterator[Call]:
        yield self
        for call in self.below:
            yield from call.walk()


@dataclass(frozen=True)
class Problem:
    """What is wrong, at which line (0: the whole file). ``fatal`` ones fail the build."""

    line: int
    text: str
    fatal: bool = True


Parsed: TypeAlias = tuple[list[Call], list[Problem]]


def parse(shell: Shell, texts: Sequence[str], deadline: Deadline) -> list[Parsed]:
    """The top calls of each Jenkinsfile, or why it is not Groovy. Nothing of them is executed.

    Raises InfraError when there is no Groovy on this machine.
    """
    script = str(files("ci.jenkins") / "parse.groovy")
    done = shell.run(_argv(script), deadline, stdin=msgspec.json.encode(texts).decode())
    try:
        parsed = msgspec.json.decode(done.stdout, type=tuple[_Parsed, ...])
    except msgspec.MsgspecError:
        raise InfraError(
            f"Groovy does not run on {shell.where}: status {done.status}",
            hint=HINT,
            detail=done.tail(),
        ) from None
    return [(_tree(one.calls), [Problem(e.line, e.text) for e in one.errors]) for one in parsed]


def _argv(script: str) -> Argv:
    """Debian's ``groovy`` needs the package default-jre for its JAVA_HOME; java itself does not."""
    if JAR.is_file():
        return ("java", *QUICK, "-cp", str(JAR), "groovy.ui.GroovyMain", script)
    return ("groovy", script)


def _tree(calls: tuple[_Call, ...]) -> list[Call]:
    tops: list[Call] = []
    path: list[Call] = []
    for flat in calls:
        named = {name: value or "" for name, value in flat.named.items()}
        call = Call(
            name=flat.name,
            line=flat.line,
            texts=flat.texts,
            named=named,
            variables=flat.variables,
            statement=flat.statement,
            block=flat.block,
        )
        del path[flat.depth :]
        (path[-1].below if path else tops).append(call)
        path.append(call)
    return tops
