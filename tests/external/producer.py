"""Stands in for a Perl script of libvirt-tck: prints TAP, and hangs or dies when asked to."""

from __future__ import annotations

import os
import signal
import sys
import time

match sys.argv[1:]:
    case ["good"]:
        sys.stdout.write("1..2\nok 1 - connects\nok 2 - creates\n")
    case ["bad"]:
        sys.stdout.write("1..1\nnot ok 1 - undefines\n#   Failed test 'undefines'\n")
        sys.exit(1)
    case ["hang"]:
        sys.stdout.write("1..1\n")
        sys.stdout.flush()
        time.sleep(600)
    case ["die"]:
        os.kill(os.getpid(), signal.SIGSEGV)
    case ["silent"]:
        pass
