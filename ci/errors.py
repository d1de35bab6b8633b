"""Every error virtci raises on purpose, with the exit code it ends the program with.

VirtciError
 ├─ UsageError      2  wrong plan or arguments; nothing was touched
 ├─ ProductError    1  does not build, install, boot or work because of the code under test
 ├─ InfraError      3  network, disk, host or service of the lab
 │   └─ TimedOut    3  a deadline passed
 └─ Interrupted   130  somebody stopped it (Ctrl-C, SIGTERM)

Anything else is a bug of virtci's own (70).
Who is to blame is decided by the caller that knows: ``rpm`` failing on a conflict is the product,
on a full disk it is the lab.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class VirtciError(Exception):
    """An error with a sentence for people, advice (``hint``) and evidence (``detail``)."""

    exit_code: ClassVar[int] = EXIT_BUG
    blame: ClassVar[str] = "virtci"

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail


class UsageError(VirtciError):
    """The plan or the arguments are wrong; nothing was touched."""

    exit_code = 2
    blame = "user"


class ProductError(VirtciError):
    """The code under test does not build, install, boot or work."""

    exit_code = 1
    blame = "product"


class InfraError(VirtciError):
    """The lab failed: network, disk, host or a service we depend on."""

    exit_code = 3
    blame = "lab"


class TimedOut(InfraError):  # noqa: N818 - reads as what happened
    """A deadline passed while waiting for something that is named in the message."""


class Interrupted(VirtciError):  # noqa: N818 - reads as what happened
    """Somebody stopped the run; what was gathered is kept and it can be resumed."""

    exit_code = EXIT_INTERRUPTED
    blame = "user"
