"""What the two embedded servers have in common: a folder, a port, a log, a process that starts, answers and ends."""

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

HOST = "127.0.0.1"
START_LIMIT = 300.0
SAY_AFTER = 5.0
POLL = 0.02
LOG_LIMIT = 10_000_000
FREE_SPACE_NEEDED = 300_000_000

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork
Say = Callable[[str], None]


class ServerError(Exception):
    """A server that cannot be started or reached; the message tells the operator what to do."""


class EmbeddedServer(ABC):
    """One server process under `var`, started by whoever needs it first and shared by all.

    A throw-away server (tests) trades durability for speed, takes any port, and dies with the process that started it.
    """

    name: str
    title: str
    preferred_port: int
    stop_signal = signal.SIGTERM

    def __init__(self, var: Path, *, password: str, throw_away: bool, say: Say) -> None:
        self.var = var
        self.password = password
        self.throw_away = throw_away
        self.say = say
        self.log = var / "log" / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None

    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def prepare(self) -> None:
        """Makes the data folder, once."""

    @abstractmethod
    def configure(self, port: int) -> None: ...

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def configured_port(self) -> int | None: ...

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server with our password answers queries on the configured port."""

    @abstractmethod
    def running_pid(self) -> int | None:
        """The process that serves our data folder, ready or not, whoever started it."""

    def owner(self) -> tuple[int, int] | None:
        """The (uid, gid) to run as; None means our own."""
        return None

    def ensure_running(self) -> None:
        if self.running_pid() is None:
            self.prepare()
            self._start()
        self._wait_until_ready()
        self.pid = self.running_pid()

    def stop(self) -> None:
        pid = self.running_pid()
        if pid is None:
            return
        os.kill(pid, self.stop_signal)
        if not self._ended_within(pid, 60):
            self.say(f"{self.title} has not stopped for a minute: ending it at once; the next start recovers.")
            os.kill(pid, signal.SIGQUIT if self.name == "postgres" else signal.SIGKILL)
            self._ended_within(pid, 10)
        self.pid = None

    def is_alive(self, pid: int) -> bool:
        if self.process is not None and self.process.pid == pid:
            return self.process.poll() is None
        return is_alive(pid)

    def _ended_within(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_alive(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def _ports(self) -> Iterator[int]:
        if self.throw_away:
            while True:
                yield free_port()
        wanted = self.configured_port() or self.preferred_port
        for port in [wanted, *range(self.preferred_port, self.preferred_port + 50)]:
            if is_port_free(HOST, port):
                if port != wanted:
                    self.say(f"Port {wanted} is taken: {self.title} uses {port}.")
                yield port
        yield free_port()

    def _start(self) -> None:
        for port in self._ports():
            self.configure(port)
            self._spawn()
            if self._survives_the_start() or is_port_free(HOST, port):
                return

    def _spawn(self) -> None:
        rotate(self.log)
        owner = self.owner()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "PATH": os.defpath},
                start_new_session=True,
                preexec_fn=lambda: become(owner, die_with_parent=self.throw_away),  # noqa: PLW1509 — no threads yet
            )

    def _survives_the_start(self) -> bool:
        """False when the process ended before it answered, for instance because somebody just took its port."""
        process = self.process
        assert process is not None
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return False
            if self.answers():
                return True
            time.sleep(POLL)
        return True

    def _wait_until_ready(self) -> None:
        started = time.monotonic()
        said = 0
        while not self.answers():
            waited = time.monotonic() - started
            if self.running_pid() is None and not self._process_runs():
                raise ServerError(self._why_it_ended())
            if waited > START_LIMIT:
                raise ServerError(
                    f"{self.title} in {self.var / self.name} is still not ready after {START_LIMIT:.0f} s; it was left "
                    f"running. Run the command again to go on waiting, or read {self.log}."
                )
            if waited > SAY_AFTER * 2**said:
                self.say(f"{self.title} is not ready after {waited:.0f} s, still waiting: {tail(self.log, 1).strip()}")
                said += 1
            time.sleep(POLL)

    def _process_runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _why_it_ended(self) -> str:
        last = tail(self.log, 5)
        why = f"{self.title} ended while starting. The last lines of {self.log}:\n{last}"
        if "No space left on device" in last or shutil.disk_usage(self.var).free < 20_000_000:
            why += f"\nThe disk of {self.var} is full: free some space, or name another folder in PERENNIAL_VAR."
        return why


def become(owner: tuple[int, int] | None, *, die_with_parent: bool) -> None:
    """Runs in the child before exec: gives up root for `owner`, and asks Linux to end the child with its parent."""
    if owner is not None:
        os.setgroups([])
        os.setgid(owner[1])
        os.setuid(owner[0])
    if die_with_parent:
        end_with_parent(signal.SIGINT)


def end_with_parent(number: signal.Signals) -> None:
    """On Linux, the calling process gets `number` when its parent dies, however that dies; elsewhere nothing."""
    if LIBC is not None:
        pr_set_pdeathsig = 1
        LIBC.prctl(pr_set_pdeathsig, int(number))


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def port_problem(host: str, port: int) -> OSError | None:
    """Why a server could not listen there. On macOS a listener on all addresses does not hinder one on a single one."""
    ipv6 = ":" in host
    for address in dict.fromkeys((host, "::" if ipv6 else "0.0.0.0")):  # noqa: S104 — a probe, closed at once
        with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                return error
    return None


def is_port_free(host: str, port: int) -> bool:
    return port_problem(host, port) is None


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < FREE_SPACE_NEEDED:
        raise ServerError(
            f"The disk that holds {folder} has {free // 1_000_000} MB free; a new database needs "
            f"{FREE_SPACE_NEEDED // 1_000_000} MB. Free some space, or name another folder in PERENNIAL_VAR."
        )


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step; only its owner may read it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))


def tail(log: Path, lines: int) -> str:
    if not log.exists():
        return "(no log yet)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def machine_memory() -> int:
    """Bytes this process may count on: the machine's memory, or the container's limit when that is less."""
    total = int(psutil.virtual_memory().total)
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        return min(total, int(text))
    return total
