"""The base of both embedded servers: data folder, port, log, and the process from start to stop."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from config.foundation.files.private_files import PRIVATE_UMASK

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 300.0
REPORT_AFTER = 5.0
POLL_SECONDS = 0.02
MAX_LOG_BYTES = 10_000_000
MIN_FREE_BYTES = 300_000_000
PORT_IN_USE = "Address already in use"  # in the log of a server that cannot listen on its port

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # must be loaded before any fork
Report = Callable[[str], None]


class ServerError(Exception):
    """A server cannot be started or reached; the message explains to the operator how to fix it."""


class EmbeddedServer(ABC):
    """One server process under `var`, started by the first process that needs it and shared by all.

    A throw-away server (tests) trades durability for speed, uses any port, and ends with the process that started it.
    """

    name: str
    title: str
    preferred_port: int
    stop_signal = signal.SIGTERM

    def __init__(self, var: Path, *, password: str, throw_away: bool, report: Report) -> None:
        self.var = var
        self.password = password
        self.throw_away = throw_away
        self.report = report
        self.log = var / "log" / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None
        self._log_start = 0

    @abstractmethod
    def build_url(self) -> str: ...

    @abstractmethod
    def prepare(self) -> None:
        """Create the data folder if it does not exist."""

    @abstractmethod
    def configure(self, port: int) -> None: ...

    @abstractmethod
    def build_command(self) -> list[str]: ...

    @abstractmethod
    def read_configured_port(self) -> int | None: ...

    @abstractmethod
    def is_answering(self) -> bool:
        """Return whether a server with our password answers queries on the configured port."""

    @abstractmethod
    def find_running_pid(self) -> int | None:
        """Return the process that serves our data folder, even if it is not ready or another process started it."""

    def find_owner(self) -> tuple[int, int] | None:
        """Return the (uid, gid) to run as; None for our own."""
        return None

    def ensure_running(self) -> None:
        if self.find_running_pid() is None:
            self.prepare()
            self._start()
        elif not self._becomes_ready():
            raise ServerError(self._describe_failure())
        self.pid = self.find_running_pid()

    def stop(self) -> None:
        pid = self.find_running_pid()
        if pid is None:
            return
        os.kill(pid, self.stop_signal)
        if not self._has_ended_within(pid, 60):
            self.report(f"{self.title} has not stopped for a minute. Killing it; the next start recovers the data.")
            os.kill(pid, signal.SIGQUIT if self.name == "postgres" else signal.SIGKILL)
            self._has_ended_within(pid, 10)
        self.pid = None

    def reap(self) -> None:
        """Collect the exit status of a process that this object has started and that has ended, so that no zombie stays."""
        if self.process is not None:
            self.process.poll()

    def is_alive(self, pid: int) -> bool:
        if self.process is not None and self.process.pid == pid:
            return self.process.poll() is None
        return is_alive(pid)

    def _has_ended_within(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_alive(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _list_ports(self) -> Iterator[int]:
        if self.throw_away:
            while True:
                yield find_free_port()
        preferred = self.read_configured_port() or self.preferred_port
        for port in [preferred, *range(self.preferred_port, self.preferred_port + 50)]:
            if is_port_free(HOST, port):
                if port != preferred:
                    self.report(f"Port {preferred} is in use: {self.title} uses {port}.")
                yield port
        yield find_free_port()

    def _start(self) -> None:
        """Start the process and wait until it responds, on the next port if another program has taken this one meanwhile."""
        for port in self._list_ports():
            self.configure(port)
            self._spawn()
            if self._becomes_ready():
                return
            if is_port_free(HOST, port) and PORT_IN_USE not in self._read_own_log():
                break
        raise ServerError(self._describe_failure())

    def _spawn(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C in the terminal does not reach it."""
        rotate_log(self.log)
        owner = self.find_owner()
        with open(self.log, "ab", opener=open_private) as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                self.build_command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "PATH": os.defpath},
                start_new_session=True,
                umask=PRIVATE_UMASK,
                preexec_fn=lambda: drop_privileges(owner, die_with_parent=self.throw_away),  # noqa: PLW1509 — there are no threads yet
            )

    def _becomes_ready(self) -> bool:
        """Wait until the server responds, and return False if it ends before. Errors: ServerError after START_TIMEOUT_SECONDS."""
        started = time.monotonic()
        n_reports = 0
        while not self.is_answering():
            waited = time.monotonic() - started
            if self.find_running_pid() is None and not self._is_process_running():
                return False
            if waited > START_TIMEOUT_SECONDS:
                raise ServerError(
                    f"{self.title} in {self.var / self.name} is not ready after {START_TIMEOUT_SECONDS:.0f} s. It is still "
                    f"running. Run the command again to continue waiting, or read {self.log}."
                )
            if waited > REPORT_AFTER * 2**n_reports:
                self.report(
                    f"{self.title} is not ready after {waited:.0f} s; still waiting: {read_log_tail(self.log, 1).strip()}"
                )
                n_reports += 1
            time.sleep(POLL_SECONDS)
        return True

    def _read_own_log(self) -> str:
        """Return what the process that this object has started wrote to the log."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def _is_process_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _describe_failure(self) -> str:
        last = read_log_tail(self.log, 5)
        why = f"{self.title} exited while starting. The last lines of {self.log}:\n{last}"
        if "No space left on device" in last or shutil.disk_usage(self.var).free < 20_000_000:
            why += f"\nThe disk of {self.var} is full. Free some space, or set PERENNIAL_VAR to another folder."
        return why


def drop_privileges(owner: tuple[int, int] | None, *, die_with_parent: bool) -> None:
    """Drop root privileges for `owner` in the child before exec, and make Linux end the child with its parent."""
    if owner is not None:
        os.setgroups([])
        os.setgid(owner[1])
        os.setuid(owner[0])
    if die_with_parent:
        request_parent_death_signal(signal.SIGINT)


def request_parent_death_signal(number: signal.Signals) -> None:
    """On Linux, send the calling process `number` when its parent dies; elsewhere, do nothing."""
    if LIBC is not None:
        pr_set_pdeathsig = 1
        LIBC.prctl(pr_set_pdeathsig, int(number))


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def find_port_error(host: str, port: int) -> OSError | None:
    """Return why a server cannot listen on a port; None if it can. On macOS, a listener on all addresses does not block one address."""
    ipv6 = ":" in host
    for address in dict.fromkeys((host, "::" if ipv6 else "0.0.0.0")):  # noqa: S104 — closed immediately
        with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                return error
    return None


def is_port_free(host: str, port: int) -> bool:
    return find_port_error(host, port) is None


def find_free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise ServerError(
            f"The disk that holds {folder} has {free // 1_000_000} MB free; a new database needs "
            f"{MIN_FREE_BYTES // 1_000_000} MB. Free some space, or set PERENNIAL_VAR to another folder."
        )


def write_private_file(path: Path, text: str) -> None:
    """Replace a file atomically with one that only its owner can read."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def open_private(path: str, flags: int) -> int:
    """Open a file as ``open`` does; a new one can only be read by its owner."""
    return os.open(path, flags, 0o600)


def rotate_log(log: Path) -> None:
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def read_log_tail(log: Path, lines: int) -> str:
    if not log.exists():
        return "(no log yet)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def read_memory_limit() -> int:
    """Return the memory available to this process in bytes: the machine's, or the container's limit if it is lower."""
    total = int(psutil.virtual_memory().total)
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        return min(total, int(text))
    return total
