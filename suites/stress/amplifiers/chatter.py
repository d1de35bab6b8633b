"""Asks what monitoring asks, from connections of its own, without a pause.

python -m suites.stress.amplifiers.chatter URI [CONNECTIONS]
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import Any

import libvirt

from suites.stress.amplifiers.on import say_on

AGAIN_SECONDS = 0.2  # until the daemon is back


def main() -> None:
    uri, count = sys.argv[1], int((*sys.argv[2:], "1")[0])
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    talkers = [threading.Thread(target=_talk, args=(uri,), daemon=True) for _ in range(count)]
    for talker in talkers:
        talker.start()
    say_on()
    for talker in talkers:
        talker.join()


def _talk(uri: str) -> None:
    while True:
        try:
            connection = libvirt.open(uri)
            while True:
                _ask(connection)
        except libvirt.libvirtError:
            time.sleep(AGAIN_SECONDS)


def _ask(connection: Any) -> None:
    """Raises libvirt.libvirtError when the connection is gone."""
    for domain in connection.listAllDomains(0):
        with contextlib.suppress(libvirt.libvirtError):  # it ended meanwhile
            domain.info()
            domain.state()
            domain.XMLDesc(0)
    with contextlib.suppress(libvirt.libvirtError):  # not every driver has statistics
        connection.getAllDomainStats(0, 0)
    connection.getLibVersion()


if __name__ == "__main__":
    main()
