"""Guests asked to shut down: by their agents first, each from a thread of its own, and then by the power button."""

import threading
import time
from collections.abc import Callable
from typing import Any

import libvirt
import libvirt_qemu
from origo_plugins.hypervisor_kvm import parse

from origo import log
from origo.errors import OrigoError

AT_ONCE = 4
"""Agents asked at once: one that keeps silent holds a worker of libvirt's daemon, of which there are twenty."""

TURN_SECONDS = 2.0
"""How long a guest waits for that; then its button is pushed, and its agent asked when its turn has come."""

ANSWER_SECONDS = 2
"""How long libvirt waits for a refusal, once the agent has shown that it is awake; one that obeys says nothing."""

GRACE_SECONDS = 5.0
"""How long after its agent was asked a guest that is still on has its button pushed."""

CLOSE_SECONDS = 10.0
THREAD = "guest-agent"

SHUT_DOWN = '{"execute":"guest-shutdown","arguments":{"mode":"powerdown"}}'

_log = log.get("hypervisor_kvm")


class Agents:
    """The guests whose agents are being asked now. `on` does work with the domain of an id, with errors as ours."""

    def __init__(self, on: Callable[[str, Callable[[Any], Any]], Any]) -> None:
        self._on = on
        self._turns = threading.Semaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Thread] = {}
        self._closed = threading.Event()

    def shut_down(self, domain: Any) -> None:
        """Have its agent asked; push its button where none listens, or while it is being asked. Waits for no guest."""
        if not (parse.agent_listens(domain.XMLDesc()) and self._begin(domain.UUIDString(), domain.ID())):
            _push(domain)

    def close(self) -> None:
        """Ask and push no more."""
        with self._lock:
            self._closed.set()
            threads = list(self._asking.values())
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _begin(self, id: str, run: int) -> bool:
        with self._lock:
            if self._closed.is_set() or id in self._asking:
                return False
            thread = threading.Thread(target=self._shut_down, args=(id, run), name=THREAD, daemon=True)
            thread.start()
            self._asking[id] = thread
        return True

    def _shut_down(self, id: str, run: int) -> None:
        try:
            if not self._turns.acquire(timeout=TURN_SECONDS):
                self._do(id, run, _push)
                self._turns.acquire()
            asked = time.monotonic()
            try:
                may_obey = self._do(id, run, _ask)
            finally:
                self._turns.release()
            if may_obey:
                self._closed.wait(max(0.0, asked + GRACE_SECONDS - time.monotonic()))
            self._do(id, run, _push)
        except OrigoError as error:
            _log.warning("cannot shut a guest down", server=id, error=error.message)
        finally:
            with self._lock:
                del self._asking[id]

    def _do(self, id: str, run: int, work: Callable[[Any], Any]) -> Any:
        """Do it with the domain as it was started then: one that has been started again since is left alone."""
        if self._closed.is_set():
            return None
        return self._on(id, lambda domain: work(domain) if domain.ID() == run else None)


def _push(domain: Any) -> None:
    domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)


def _ask(domain: Any) -> bool:
    """Whether the agent may obey. libvirt's own shutdown by agent would wait a minute for one that says nothing."""
    try:
        libvirt_qemu.qemuAgentCommand(domain, SHUT_DOWN, ANSWER_SECONDS, 0)
    except libvirt.libvirtError as error:
        return bool(error.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE)
    except (SystemError, ValueError):
        # An answer need not be text, and then libvirt's binding fails at it, or at the error that quotes it.
        return False
    return True
