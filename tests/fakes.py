"""Stand-ins for the doors to the outside. Each has a test against the real thing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.transfer import Fetched, Limits
from ci.errors import VirtciError
from ci.rpmfile import sha256_of
from ci.shell import Argv, Completed

Answer = str | Completed | VirtciError


def failed(status: int, stderr: str = "", stdout: str = "") -> Completed:
    """An answer with an exit status; its argv is filled in by the shell."""
    return Completed((), status, stdout, stderr, 0.0)


class FakeShell:
    """A host that answers by script: beginnings of commands, and what each gives.

    The longest beginning that fits wins. Several answers are used one by one, the last for ever.
    A command without an answer fails the test by name. Uploads are kept in ``files``.
    """

    def __init__(
        self,
        answers: Mapping[Argv, Answer | Sequence[Answer]] | None = None,
        *,
        where: str = "fake",
    ) -> None:
        self.where = where
        self.commands: list[Argv] = []
        self.files: dict[str, str] = {}
        self.inputs: list[str | None] = []
        self._answers = {
            argv: [given] if isinstance(given, str | Completed | VirtciError) else list(given)
            for argv, given in (answers or {}).items()
        }

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
        deadline.check(argv[0])
        self.commands.append(argv)
        self.inputs.append(stdin)
        answer = self._answer(argv)
        if isinstance(answer, VirtciError):
            raise answer
        if isinstance(answer, str):
            answer = Completed(argv, 0, answer, "", 0.0)
        if log is not None:
            log.write_text(answer.stdout + answer.stderr)
        return Completed(argv, answer.status, answer.stdout, answer.stderr, answer.seconds)

    def ran(self, *beginning: str) -> bool:
        """Whether a command that begins so was run."""
        return any(argv[: len(beginning)] == beginning for argv in self.commands)

    def put_many(self, files: Sequence[tuple[Path, str]], deadline: Deadline) -> tuple[str, ...]:
        deadline.check("uploading")
        fresh = {remote: sha256_of(local) for local, remote in files}
        sent = tuple(path for path in fresh if self.files.get(path) != fresh[path])
        self.files |= fresh
        return sent

    def get_tree(self, remote: str, local: Path, deadline: Deadline, *, limits: Limits) -> Fetched:
        deadline.check("downloading")
        return Fetched(files=(), left_out=())

    def _answer(self, argv: Argv) -> Answer:
        fitting = [known for known in self._answers if argv[: len(known)] == known]
        assert fitting, f"nobody scripted an answer to: {argv}"
        answers = self._answers[max(fitting, key=len)]
        return answers.pop(0) if len(answers) > 1 else answers[0]
