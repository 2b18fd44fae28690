"""Granian's main process on sockets that another process opened, so that two generations of web processes can share them.

During a reload, the old and the new processes accept from the same queues: no connection is refused or lost. The old ones then ask their
clients to close the connections (`Connection: close`) and end when idle ones have timed out. Parts of Granian used here have no
documentation.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.server.mp import MPServer, WorkerProcess

from config.supervisor.reload import READY_VARIABLE

BACKLOG = 1024
PREPARE_SECONDS = 60.0  # a worker that is not prepared by then answers anyway, as well as it can
DESCRIPTORS = "/proc/self/fd"


def open_sockets(host: str, port: int, *, number: int) -> list[socket.socket]:
    """Open listening sockets on one port, among which Linux distributes connections. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    has_distribution = hasattr(socket, "SO_REUSEPORT") and os.uname().sysname == "Linux"
    sockets = []
    for _number in range(number if has_distribution else 1):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if has_distribution:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        sockets.append(listener)
    return sockets


class SharedSocketServer(MPServer):
    """Serves on given sockets, one per worker; SIGHUP drains the workers and then ends."""

    def __init__(self, *arguments: Any, descriptors: Sequence[int], drain_seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._descriptors = descriptors
        self._drain_seconds = drain_seconds

    def _init_shared_socket(self) -> None:
        if not self._descriptors:
            super()._init_shared_socket()
            return
        self._ssp = self._sso = None
        self._holders = [SocketHolder(descriptor, False, BACKLOG) for descriptor in self._descriptors]  # type: ignore[call-arg]

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Callable[..., Any]) -> WorkerProcess:  # type: ignore[override]
        if self._descriptors:
            self._shd: Any = self._holders[idx % len(self._holders)]
        worker: WorkerProcess = super()._spawn_worker(idx, target, callback_loader)
        return worker

    def signal_handler_reload(self, *_arguments: Any, **_options: Any) -> None:
        """Let the workers ask their clients to close connections, and stop them when idle connections have timed out."""
        for worker in self.wrks:
            os.kill(worker.inner.pid, signal.SIGHUP)
        timer = threading.Timer(self._drain_seconds, self.signal_handler_interrupt)
        timer.daemon = True
        timer.start()


def stop_accepting() -> None:
    """Leave new connections to the other processes that share the sockets.

    A connection that is accepted in the moment in which a process ends would be closed without a response. Granian cannot stop accepting
    alone, so each listening descriptor is replaced by one to which nobody connects, and the next `accept` finds nothing. Linux only.
    """
    if READY_VARIABLE not in os.environ or not Path(DESCRIPTORS).is_dir():
        return  # no other process accepts the connections
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as idle:
        idle.bind(("127.0.0.1", 0))
        idle.listen(1)
        idle.setblocking(False)
        for name in os.listdir(DESCRIPTORS):
            if int(name) != idle.fileno() and is_listening(int(name)):
                os.dup2(idle.fileno(), int(name), inheritable=False)


def is_listening(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as opened:
            return bool(opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:  # it is no socket, or was closed meanwhile
        return False


def announce_when_prepared(prepared: threading.Event | None) -> None:
    """Announce that this worker is ready once the event is set, or after ``PREPARE_SECONDS``; wait for it in a thread."""
    if prepared is None:
        announce_ready()
        return

    def wait() -> None:
        prepared.wait(PREPARE_SECONDS)
        announce_ready()

    threading.Thread(target=wait, name="announce-ready", daemon=True).start()


def announce_ready() -> None:
    """Tell the process that opened the sockets that this worker is ready."""
    descriptor = os.environ.get(READY_VARIABLE, "")
    if descriptor:
        try:
            os.write(int(descriptor), b".")
        except OSError:
            return  # nobody listens any more
