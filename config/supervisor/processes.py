"""Runs several programs in one terminal: prefixes their output, and stops all of them when one ends."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, TextIO

from config.embedded.server_process import request_parent_death_signal

TICK_SECONDS = 0.25
MAX_LINE_BYTES = 65536
COLORS = (36, 35, 33, 32, 34, 31)
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GUARD = Path(__file__).with_name("guard.py")


@dataclass(frozen=True)
class Program:
    """A program to run. With a niceness above 0, it yields the processors to the others."""

    name: str
    command: Sequence[str]
    niceness: int = 0


@dataclass
class RunningProgram:
    """A started program, the leader of its own process group."""

    program: Program
    process: subprocess.Popen[bytes]
    unfinished_line: bytes = b""

    def send_to_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class PrefixedOutput:
    """Writes whole lines, each prefixed with the name of its program."""

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        self.stream = stream
        self.width = max(len(name) for name in names)
        is_colored = stream.isatty() and "NO_COLOR" not in os.environ
        self.colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(names)} if is_colored else {}
        self.closed = False

    def write(self, name: str, line: str) -> None:
        label = name.ljust(self.width) + " │"
        if name in self.colors:
            label = f"\x1b[{self.colors[name]}m{label}\x1b[0m"
        try:
            self.stream.write(f"{label} {line}\n")
            self.stream.flush()
        except (BrokenPipeError, OSError):
            self.closed = True  # the terminal is closed, so the supervisor stops everything


@dataclass
class LogFollower:
    """Reads the lines that are added to a log file after this object is created."""

    path: Path
    position: int = field(init=False)

    def __post_init__(self) -> None:
        self.position = self._read_size()

    def read_new_lines(self) -> list[str]:
        size = self._read_size()
        if size < self.position:
            self.position = 0
        if size == self.position:
            return []
        with self.path.open("rb") as file:
            file.seek(self.position)
            data = file.read()
        complete_lines = data[: data.rfind(b"\n") + 1]
        self.position += len(complete_lines)
        return complete_lines.decode(errors="replace").splitlines()

    def _read_size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


class Supervisor:
    """Starts programs and runs until a signal arrives, or until one of them or of the servers they need ends.

    Every program leads its own process group, so its children end with it. If the supervisor is killed, its guard process
    ends the groups; on Linux, the kernel also signals each program directly.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        grace: float = 10.0,
        logs: Mapping[str, Path] | None = None,
        list_ended_servers: Callable[[], list[str]] = lambda: [],
        each_tick: Callable[["Supervisor"], None] = lambda supervisor: None,
        cwd: Path | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self.programs = programs
        self.grace = grace
        self.list_ended_servers = list_ended_servers
        self.each_tick = each_tick
        self.cwd = cwd
        self.followers = {name: LogFollower(path) for name, path in (logs or {}).items()}
        names = ["up", *(program.name for program in programs), *self.followers]
        self.output = PrefixedOutput(stream or sys.stdout, names)
        self.running: list[RunningProgram] = []
        self.signals: list[int] = []
        self.guard: subprocess.Popen[bytes] | None = None
        self.selector = selectors.DefaultSelector()

    def report(self, message: str) -> None:
        self.output.write("up", message)

    def run(self) -> int:
        """Run until the end; return the exit status: 0 after a signal, 1 if a program ended by itself."""
        before = {
            number: signal.signal(number, self._record_signal)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            self._start_guard()
            for program in self.programs:
                self._start(program)
            return self._watch()
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _record_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(number)

    def _start_guard(self) -> None:
        self.guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _announce_to_guard(self, sign: str, group: int) -> None:
        assert self.guard is not None
        assert self.guard.stdin is not None
        with suppress(BrokenPipeError):
            self.guard.stdin.write(f"{sign}{group}\n".encode())
            self.guard.stdin.flush()

    def _start(self, program: Program) -> None:
        parent = os.getpid()
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            preexec_fn=lambda: prepare_child(parent, program.niceness),  # noqa: PLW1509 — the supervisor has no threads
        )
        self._announce_to_guard("+", process.pid)
        running = RunningProgram(program, process)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self.selector.register(process.stdout, selectors.EVENT_READ, running)
        self.running.append(running)

    def _watch(self) -> int:
        next_look = 0.0
        while True:
            self._forward_output(TICK_SECONDS)
            if self.signals:
                self.report(f"{signal.Signals(self.signals[0]).name}: stopping everything.")
                return 0
            if self.output.closed:
                return 0
            for running in self.running:
                if running.process.poll() is not None:
                    self.report(f"{running.program.name} exited {describe_exit(running.process)}: stopping the others.")
                    return 1
            if time.monotonic() > next_look:
                next_look = time.monotonic() + 1
                for name in self.list_ended_servers():
                    self.report(f"{name} exited: stopping the others. See its log for the reason.")
                    return 1
            self.each_tick(self)

    def _forward_output(self, timeout: float) -> None:
        for key, _events in self.selector.select(timeout):
            self._read(key.data, key.fileobj)  # type: ignore[arg-type]  # only files are registered
        for name, follower in self.followers.items():
            for line in follower.read_new_lines():
                self.output.write(name, line)

    def _read(self, running: RunningProgram, pipe: IO[bytes]) -> None:
        data = pipe.read(MAX_LINE_BYTES)
        if data is None:
            return
        if not data:
            self.selector.unregister(pipe)
            data = b"\n" if running.unfinished_line else b""
        *lines, running.unfinished_line = (running.unfinished_line + data).split(b"\n")
        if len(running.unfinished_line) > MAX_LINE_BYTES:
            lines.append(running.unfinished_line)
            running.unfinished_line = b""
        for line in lines:
            self.output.write(running.program.name, line.decode(errors="replace").rstrip("\r"))

    def _end_all(self) -> None:
        for running in self.running:
            if running.process.poll() is None:
                running.process.terminate()
        deadline = time.monotonic() + self.grace
        n_signals = len(self.signals)
        while unstopped := [running for running in self.running if running.process.poll() is None]:
            if time.monotonic() > deadline or len(self.signals) > n_signals:
                names = ", ".join(running.program.name for running in unstopped)
                self.report(f"killing programs that did not stop: {names}.")
                break
            self._forward_output(TICK_SECONDS / 5)
        for running in self.running:
            running.send_to_group(signal.SIGKILL)
            running.process.wait()
            self._announce_to_guard("-", running.process.pid)
        self._drain()
        self._end_guard()

    def _drain(self) -> None:
        deadline = time.monotonic() + 1
        while self.selector.get_map() and time.monotonic() < deadline:
            self._forward_output(TICK_SECONDS / 5)
        self.selector.close()
        for running in self.running:
            assert running.process.stdout is not None
            running.process.stdout.close()

    def _end_guard(self) -> None:
        if self.guard is not None and self.guard.stdin is not None:
            with suppress(BrokenPipeError):
                self.guard.stdin.close()
            self.guard.wait()


def prepare_child(parent: int, niceness: int) -> None:
    """Set niceness and the parent-death signal in the child before exec."""
    request_parent_death_signal(signal.SIGTERM)
    os.nice(niceness)
    # the parent may have died before the request above; then the signal would never come
    if os.getppid() != parent:
        os._exit(1)


def describe_exit(process: subprocess.Popen[bytes]) -> str:
    status = process.returncode
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
