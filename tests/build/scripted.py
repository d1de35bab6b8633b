"""A shell with prepared answers; a command that nobody prepared fails by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ci.deadline import Deadline
from ci.run import Step
from ci.shell import Argv, Completed


class ScriptedShell:
    """``answers``: status and stdout by the start of the command line; the longest start wins."""

    where = "this machine"

    def __init__(self, answers: dict[str, tuple[int, str]]) -> None:
        self.answers = answers
        self.calls: list[Argv] = []

    def run(
        self,
        argv: Argv,
        deadline: Deadline,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        log: Path | None = None,
    ) -> Completed:
        self.calls.append(argv)
        line = " ".join(argv)
        starts = sorted((start for start in self.answers if line.startswith(start)), key=len)
        if not starts:
            raise AssertionError(f"nobody prepared an answer for: {line}")
        status, stdout = self.answers[starts[-1]]
        return Completed(argv, status, stdout, "", 0.0)


def step_in(folder: Path, shell: ScriptedShell) -> Step:
    (folder / "build").mkdir(parents=True, exist_ok=True)
    return Step("build", shell, Deadline.after(60), folder / "build", folder)
