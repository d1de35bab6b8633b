"""libvirt's event loop, one for the whole process."""

from __future__ import annotations

import threading

import libvirt

_lock = threading.Lock()
_loops: list[threading.Thread] = []


def run_event_loop() -> None:
    """Start libvirt's event loop in a thread, once; to be called before the first connection."""
    with _lock:
        if _loops:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors are raised
        libvirt.virEventRegisterDefaultImpl()
        loop = threading.Thread(target=_turn, name="libvirt-events", daemon=True)
        _loops.append(loop)
        loop.start()


def _turn() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
