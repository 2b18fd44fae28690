"""Runs several programs in one terminal: prefixes their output, ends all of them together, leaves none behind."""

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

from config.embedded.server_process import end_with_parent

TICK = 0.25
LINE_LIMIT = 65536
COLOURS = (36, 35, 33, 32, 34, 31)
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GUARD = Path(__file__).with_name("guard.py")


@dataclass(frozen=True)
class Program:
    """What to run. With a niceness above 0 it yields the processors to the others."""

    name: str
    command: Sequence[str]
    niceness: int = 0


@dataclass
class Running:
    """A started program, the leader of its own process group."""

    program: Program
    process: subprocess.Popen[bytes]
    rest: bytes = b""

    def send_to_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class Output:
    """Writes whole lines behind the name of the program they come from."""

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        self.stream = stream
        self.width = max(len(name) for name in names)
        colourful = stream.isatty() and "NO_COLOR" not in os.environ
        self.colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)} if colourful else {}
        self.closed = False

    def write(self, name: str, line: str) -> None:
        label = name.ljust(self.width) + " │"
        if name in self.colours:
            label = f"\x1b[{self.colours[name]}m{label}\x1b[0m"
        try:
            self.stream.write(f"{label} {line}\n")
            self.stream.flush()
        except (BrokenPipeError, OSError):
            self.closed = True  # the terminal is gone: the supervisor ends everything


@dataclass
class Follower:
    """New lines of a log file, from the moment it is first looked at."""

    path: Path
    position: int = field(init=False)

    def __post_init__(self) -> None:
        self.position = self._size()

    def lines(self) -> list[str]:
        size = self._size()
        if size < self.position:
            self.position = 0
        if size == self.position:
            return []
        with self.path.open("rb") as file:
            file.seek(self.position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.position += len(whole)
        return whole.decode(errors="replace").splitlines()

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


class Supervisor:
    """Starts programs and runs until a signal comes or one of them, or of the servers they need, ends.

    Every program leads its own process group, so its own children end with it. Should the supervisor be killed, its guard
    process ends the groups; on Linux the kernel also tells each program directly.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        grace: float = 10.0,
        logs: Mapping[str, Path] | None = None,
        ended_elsewhere: Callable[[], list[str]] = lambda: [],
        each_tick: Callable[["Supervisor"], None] = lambda supervisor: None,
        cwd: Path | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self.programs = programs
        self.grace = grace
        self.ended_elsewhere = ended_elsewhere
        self.each_tick = each_tick
        self.cwd = cwd
        self.followers = {name: Follower(path) for name, path in (logs or {}).items()}
        names = ["up", *(program.name for program in programs), *self.followers]
        self.output = Output(stream or sys.stdout, names)
        self.running: list[Running] = []
        self.signals: list[int] = []
        self.guard: subprocess.Popen[bytes] | None = None
        self.selector = selectors.DefaultSelector()

    def say(self, message: str) -> None:
        self.output.write("up", message)

    def run(self) -> int:
        """Returns the exit status: 0 after a signal, 1 when something ended by itself."""
        before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(number)

    def _start_guard(self) -> None:
        self.guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _tell_guard(self, sign: str, group: int) -> None:
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
            preexec_fn=lambda: follow_parent(parent, program.niceness),  # noqa: PLW1509 — the supervisor has no threads
        )
        self._tell_guard("+", process.pid)
        running = Running(program, process)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self.selector.register(process.stdout, selectors.EVENT_READ, running)
        self.running.append(running)

    def _watch(self) -> int:
        next_look = 0.0
        while True:
            self._pass_output(TICK)
            if self.signals:
                self.say(f"{signal.Signals(self.signals[0]).name}: ending everything.")
                return 0
            if self.output.closed:
                return 0
            for running in self.running:
                if running.process.poll() is not None:
                    self.say(f"{running.program.name} ended {how_it_ended(running.process)}: ending the others.")
                    return 1
            if time.monotonic() > next_look:
                next_look = time.monotonic() + 1
                for name in self.ended_elsewhere():
                    self.say(f"{name} ended: ending the others. Its log says why.")
                    return 1
            self.each_tick(self)

    def _pass_output(self, timeout: float) -> None:
        for key, _events in self.selector.select(timeout):
            self._read(key.data, key.fileobj)  # type: ignore[arg-type]  # we only register files
        for name, follower in self.followers.items():
            for line in follower.lines():
                self.output.write(name, line)

    def _read(self, running: Running, pipe: IO[bytes]) -> None:
        data = pipe.read(LINE_LIMIT)
        if data is None:
            return
        if not data:
            self.selector.unregister(pipe)
            data = b"\n" if running.rest else b""
        *lines, running.rest = (running.rest + data).split(b"\n")
        if len(running.rest) > LINE_LIMIT:
            lines.append(running.rest)
            running.rest = b""
        for line in lines:
            self.output.write(running.program.name, line.decode(errors="replace").rstrip("\r"))

    def _end_all(self) -> None:
        for running in self.running:
            if running.process.poll() is None:
                running.process.terminate()
        deadline = time.monotonic() + self.grace
        asked = len(self.signals)
        while late := [running for running in self.running if running.process.poll() is None]:
            if time.monotonic() > deadline or len(self.signals) > asked:
                names = ", ".join(running.program.name for running in late)
                self.say(f"killing what has not ended: {names}.")
                break
            self._pass_output(TICK / 5)
        for running in self.running:
            running.send_to_group(signal.SIGKILL)
            running.process.wait()
            self._tell_guard("-", running.process.pid)
        self._drain()
        self._end_guard()

    def _drain(self) -> None:
        deadline = time.monotonic() + 1
        while self.selector.get_map() and time.monotonic() < deadline:
            self._pass_output(TICK / 5)
        self.selector.close()
        for running in self.running:
            assert running.process.stdout is not None
            running.process.stdout.close()

    def _end_guard(self) -> None:
        if self.guard is not None and self.guard.stdin is not None:
            with suppress(BrokenPipeError):
                self.guard.stdin.close()
            self.guard.wait()


def follow_parent(parent: int, niceness: int) -> None:
    """Runs in the child before exec."""
    end_with_parent(signal.SIGTERM)
    os.nice(niceness)
    if os.getppid() != parent:
        os._exit(1)


def how_it_ended(process: subprocess.Popen[bytes]) -> str:
    status = process.returncode
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
