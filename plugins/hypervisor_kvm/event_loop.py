"""libvirt's one event loop of this process, turned by a thread of its own before the first connection is opened."""

import os
import threading

import libvirt

_lock = threading.Lock()
_turning = 0
"""The process in which the loop turns: a forked child must turn its own."""


def start() -> None:
    """Start it, unless it turns already."""
    global _turning
    with _lock:
        if _turning == os.getpid():
            return
        if not _turning:
            libvirt.virEventRegisterDefaultImpl()
            # libvirt would print every error, expected ones too, to the daemon's error output.
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
        threading.Thread(target=_turn, name="libvirt-events", daemon=True).start()
        _turning = os.getpid()


def _turn() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
