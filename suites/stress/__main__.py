"""``python -m suites.stress``: one loop, its ledger, its verdict."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import msgspec

from ci.errors import EXIT_INTERRUPTED, VirtciError
from suites.stress.amplify import amplified
from suites.stress.crew import Crew
from suites.stress.options import Options, parser
from suites.stress.soak import Soak


def main() -> int:
    """Run to the verdict; give back the exit code."""
    options = msgspec.convert(vars(parser().parse_args()), Options)
    try:
        return _loop(amplified(options) if options.amplify else options)
    except VirtciError as error:
        print(f"{error.message}\n{error.hint}".strip(), file=sys.stderr)  # noqa: T201
        return error.exit_code


def _loop(options: Options) -> int:
    soak = Soak(options) if options.guests == 1 else Crew(options)

    def stop(_: int, __: FrameType | None) -> None:
        if soak.interrupted:
            raise KeyboardInterrupt
        soak.interrupt()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        soak.open()
        soak.run()
    except VirtciError as error:
        soak.stopping = error.message
        raise
    finally:
        verdict = soak.close()
    print(verdict.text)  # noqa: T201
    return EXIT_INTERRUPTED if soak.interrupted else verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
