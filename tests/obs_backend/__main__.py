"""A build service of one's own, until Ctrl-C: ``python -m tests.obs_backend [PORT [DEBIAN...]]``.

The Debian packages named are in its build root besides a compiler.
"""

from __future__ import annotations

import signal
import sys
import threading

from tests.obs_backend.backend import ARCH, REPOSITORY, backend

PORT = 5380


def main() -> int:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    with backend(port=port, extra=tuple(sys.argv[2:])) as service:
        service.project("home:tester:demo")
        sys.stdout.write(
            f"{service.apiurl} is up: project home:tester:demo, {REPOSITORY}/{ARCH}\n"
            f"export OSC_CONFIG={service.oscrc}\nlogs: {service.folder}\nCtrl-C ends it.\n"
        )
        sys.stdout.flush()
        while not stop.wait(1):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
