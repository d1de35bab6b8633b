"""The cases are compiled once, not in every worker and again after every death."""

from __future__ import annotations

import contextlib
import os
import sys

from ci.places import cache_folder
from suites.tck import FOLDER


def keep_bytecode() -> None:
    """Keep the byte code of what is imported from now on, in our cache where it may not lie beside
    the cases: with their assertions rewritten, to compile them takes longer than to run most."""
    if sys.dont_write_bytecode or not os.access(FOLDER, os.W_OK):
        with contextlib.suppress(OSError):  # a home that cannot be written
            sys.pycache_prefix = str(cache_folder("tck", "bytecode"))
            sys.dont_write_bytecode = False
