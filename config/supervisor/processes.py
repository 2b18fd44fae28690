"""Runs several programs in one terminal: prefixes their output, restarts those that exit and leaves none behind."""

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

from config.embedded.server_process import ServerError, request_parent_death_signal
from config.foundation.files.write_errors import WRITE_ERRORS
from config.supervisor.priorities import lower_priority
from config.supervisor.reload import RETIRE_SECONDS, START_SECONDS, EnvironmentFileError, ReadinessPipe

TICK_SECONDS = 0.25
MAX_LINE_BYTES = 65536
COLORS = (36, 35, 33, 32, 34, 31)
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GUARD = Path(__file__).with_name("guard.py")
WAIT_SECONDS = 120.0  # after which programs no longer wait for another one
STABLE_SECONDS = 30.0  # a program that ran this long has started well: its next restart is immediate again
MAX_EARLY_EXITS = 5  # in a row, of a program that never started well: a wrong setting, which no restart corrects


@dataclass(frozen=True)
class Program:
    """A program to run. With a niceness above 0, it yields the processors to the others."""

    name: str
    command: Sequence[str]
    niceness: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)  # in addition to that of the supervisor
    prepare_restart: Callable[[], object] = lambda: None
    sockets: Sequence[int] = ()  # inherited; with them, a reload starts the new program before the old one ends
    ready_processes: int = 0  # how many of its processes announce that they are ready
    waits_for: str = ""  # the name of a program that must be ready before this one starts for the first time


@dataclass(frozen=True)
class RestartPolicy:
    """How long to wait before a restart: the delay doubles with every exit in a row, up to a maximum."""

    first_delay: float = 1.0
    max_delay: float = 60.0

    def compute_delay(self, exits: int) -> float:
        """Return the seconds to wait after a number of exits in a row."""
        return min(self.first_delay * 2.0 ** (exits - 1), self.max_delay)


@dataclass
class RestartState:
    """The exits of a program or server in a row, and when it starts again."""

    exits: int = 0
    started_at: float = 0.0
    restart_at: float | None = None
    has_been_stable: bool = False


@dataclass
class RunningProgram:
    """A started program, the leader of its own process group."""

    program: Program
    process: subprocess.Popen[bytes]
    unfinished_line: bytes = b""
    readiness: ReadinessPipe | None = None
    start_limit: float = 0.0  # until when it must be ready
    predecessor: "RunningProgram | None" = None  # which ends when this one is ready
    retire_limit: float | None = None  # until when it must end by itself, because it is replaced
    has_successor: bool = False

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
        except OSError as error:
            # The terminal is closed, so the supervisor stops everything. Lines for a file on a full disk are lost.
            self.closed = error.errno not in WRITE_ERRORS


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
    """Starts programs and runs until a signal arrives; a program or server that exits is restarted, and only that one.

    Restarts wait longer with every exit in a row. A program that never ran for ``STABLE_SECONDS`` and exits
    ``MAX_EARLY_EXITS`` times ends everything, because a restart does not correct a wrong setting.

    Every program leads its own process group, so its children end with it. If the supervisor is killed, its guard process
    ends the groups; on Linux, the kernel also signals each program directly. The guard keeps the file descriptors in
    ``guarded`` open until then, so that their locks are not free while a program runs.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        grace: float = 10.0,
        logs: Mapping[str, Path] | None = None,
        list_ended_servers: Callable[[], list[str]] = lambda: [],
        restart_servers: Callable[[], None] = lambda: None,
        policy: RestartPolicy | None = None,
        preparation: Program | None = None,
        read_environment: Callable[[], Mapping[str, str]] = dict,
        each_tick: Callable[["Supervisor"], None] = lambda supervisor: None,
        cwd: Path | None = None,
        guarded: Sequence[int] = (),
        stream: TextIO | None = None,
    ) -> None:
        self.programs = programs
        self.grace = grace
        self.list_ended_servers = list_ended_servers
        self.restart_servers = restart_servers
        self.policy = policy or RestartPolicy()
        self.preparation = preparation
        self.read_environment = read_environment
        self.environment = read_environment()
        self.states = {program.name: RestartState() for program in programs}
        self.server_state = RestartState()
        self.each_tick = each_tick
        self.cwd = cwd
        self.guarded = guarded
        self.followers = {name: LogFollower(path) for name, path in (logs or {}).items()}
        names = ["up", *(program.name for program in programs), *self.followers]
        names += [preparation.name] if preparation else []
        self.output = PrefixedOutput(stream or sys.stdout, names)
        self.running: list[RunningProgram] = []
        self.waiting = [program for program in programs if program.waits_for in self.states]
        self.signals: list[int] = []
        self.is_reload_requested = False
        self.guard: subprocess.Popen[bytes] | None = None
        self.selector = selectors.DefaultSelector()

    def report(self, message: str) -> None:
        self.output.write("up", message)

    def run(self) -> int:
        """Run until the end; return the exit status: 0 after a signal, 1 if a program cannot be started."""
        before = {number: signal.signal(number, self._record_signal) for number in ENDING_SIGNALS}
        try:
            self._start_guard()
            for program in self.programs:
                if program not in self.waiting:
                    self._start(program)
            return self._watch(wait_limit=time.monotonic() + WAIT_SECONDS)
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def is_ready(self, name: str) -> bool:
        """Return whether a program runs and, if its processes announce that they are ready, all have done so."""
        return any(
            running.readiness is None or running.readiness.count_ready() >= running.program.ready_processes
            for running in self.running
            if running.program.name == name
        )

    def _record_signal(self, number: int, frame: FrameType | None) -> None:
        # SIGHUP: an operator asks for a reload, or the terminal is gone
        if number == signal.SIGHUP and self.preparation is not None and not self.output.stream.isatty():
            self.is_reload_requested = True
        else:
            self.signals.append(number)

    def _start_guard(self) -> None:
        self.guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=self.guarded,
            start_new_session=True,
        )

    def _announce_to_guard(self, sign: str, group: int) -> None:
        assert self.guard is not None
        assert self.guard.stdin is not None
        with suppress(BrokenPipeError):
            self.guard.stdin.write(f"{sign}{group}\n".encode())
            self.guard.stdin.flush()

    def _start(self, program: Program) -> RunningProgram:
        parent = os.getpid()
        readiness = ReadinessPipe() if program.ready_processes else None
        descriptors = [*program.sockets, *([readiness.writer] if readiness else [])]
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.cwd,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                **program.environment,
                **self.environment,
                **(readiness.variables if readiness else {}),
            },
            pass_fds=descriptors,
            start_new_session=True,
            preexec_fn=lambda: prepare_child(parent, program.niceness),  # noqa: PLW1509 — the supervisor has no threads
        )
        self._announce_to_guard("+", process.pid)
        running = RunningProgram(program, process, readiness=readiness)
        running.start_limit = time.monotonic() + START_SECONDS
        state = self.states.setdefault(program.name, RestartState())
        state.started_at, state.restart_at = time.monotonic(), None
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self.selector.register(process.stdout, selectors.EVENT_READ, running)
        self.running.append(running)
        return running

    def _watch(self, *, wait_limit: float) -> int:
        next_server_check = 0.0
        while True:
            self._forward_output(TICK_SECONDS)
            if self.signals:
                self.report(f"{signal.Signals(self.signals[0]).name}: stopping everything.")
                return 0
            if self.output.closed:
                return 0
            for running in [running for running in self.running if running.process.poll() is not None]:
                if not self._handle_exit(running):
                    return 1
            self._reload_if_requested()
            self._follow_reload()
            self._start_due_programs()
            self._start_waiting_programs(is_overdue=time.monotonic() > wait_limit)
            if time.monotonic() > next_server_check:
                next_server_check = time.monotonic() + 1
                self._check_servers()
            self.each_tick(self)

    def _reload_if_requested(self) -> None:
        """Begin a requested reload with its preparation, which refuses code that does not start or whose migrations are pending."""
        if not self.is_reload_requested or self.preparation is None:
            return
        self.is_reload_requested = False
        if any(running.program is self.preparation or running.retire_limit for running in self.running):
            self.report("SIGHUP: a reload is running already.")
            return
        try:
            self.environment = self.read_environment()
        except EnvironmentFileError as error:
            self.report(f"SIGHUP: nothing is reloaded. {error}")
            return
        self.report("SIGHUP: reloading. Preparing.")
        self._start(self.preparation)

    def _replace_programs(self) -> None:
        """Start the successors of programs with sockets; ask the others to end, and start theirs then."""
        for running in list(self.running):
            if running.program.sockets:
                self._start(running.program).predecessor = running
            else:
                self._retire(running, signal.SIGTERM)

    def _retire(self, running: RunningProgram, number: signal.Signals) -> None:
        running.retire_limit = time.monotonic() + RETIRE_SECONDS
        with suppress(ProcessLookupError):
            running.process.send_signal(number)

    def _follow_reload(self) -> None:
        now = time.monotonic()
        for running in list(self.running):
            old, readiness = running.predecessor, running.readiness
            if old is not None and readiness is not None:
                if readiness.count_ready() >= running.program.ready_processes:
                    running.predecessor, old.has_successor = None, True
                    self._retire(old, signal.SIGHUP)
                    self.report(
                        f"{running.program.name}: new processes accept connections; the old ones finish theirs."
                    )
                elif now > running.start_limit:
                    self.report(f"{running.program.name}: the new processes do not start. The old ones continue.")
                    running.send_to_group(signal.SIGKILL)
            if running.retire_limit is not None and now > running.retire_limit:
                self.report(f"{running.program.name}: the old processes did not end; killing them.")
                running.send_to_group(signal.SIGKILL)

    def _handle_exit(self, ended: RunningProgram) -> bool:
        """Handle the exit of a program; return False if everything must end."""
        name = ended.program.name
        if ended.program is self.preparation:
            self._forget(ended)
            if ended.process.returncode:
                self.report("Nothing is reloaded: the preparation failed. See its messages above.")
            else:
                self._replace_programs()
            return True
        if ended.predecessor is not None:
            self._forget(ended)
            self.report(f"{name}: the new processes exited {describe_exit(ended.process)}. The old ones continue.")
            return True
        for successor in self.running:
            if successor.predecessor is ended:  # it ended by itself meanwhile
                successor.predecessor, ended.has_successor, ended.retire_limit = None, True, 0.0
        if ended.retire_limit is None:
            return self._plan_restart(ended)
        self._forget(ended)
        if not ended.has_successor:
            if ended.process.returncode:
                ended.program.prepare_restart()
            self._start(ended.program)
        self.report(f"{name}: reloaded.")
        return True

    def _plan_restart(self, ended: RunningProgram) -> bool:
        """Clean up after a program that exited and plan its restart; return False if it never started well."""
        name, now = ended.program.name, time.monotonic()
        state = self.states[name]
        if now - state.started_at >= STABLE_SECONDS:
            state.exits, state.has_been_stable = 0, True
        state.exits += 1
        exited = f"{name} exited {describe_exit(ended.process)}"
        self._forget(ended)
        if state.exits >= MAX_EARLY_EXITS and not state.has_been_stable:
            self.report(f"{exited} {state.exits} times in a row: stopping everything. See its messages above.")
            return False
        delay = self.policy.compute_delay(state.exits)
        state.restart_at = now + delay
        self.report(f"{exited}: restarting it in {delay:g} s.")
        return True

    def _forget(self, ended: RunningProgram) -> None:
        """Kill what is left of a program's process group, read its last lines and release its pipe."""
        ended.send_to_group(signal.SIGKILL)
        self._announce_to_guard("-", ended.process.pid)
        pipe = ended.process.stdout
        assert pipe is not None
        while pipe.fileno() in self.selector.get_map() and self._read(ended, pipe):
            pass
        with suppress(KeyError):
            self.selector.unregister(pipe)
        pipe.close()
        if ended.readiness is not None:
            ended.readiness.close()
        self.running.remove(ended)

    def _start_due_programs(self) -> None:
        now = time.monotonic()
        for program in self.programs:
            restart_at = self.states[program.name].restart_at
            if restart_at is not None and now >= restart_at:
                try:
                    program.prepare_restart()
                except Exception as error:  # noqa: BLE001 — whatever it is, the program starts again
                    self.report(f"{program.name} starts without its preparation: {error}.")
                self._start(program)

    def _start_waiting_programs(self, *, is_overdue: bool) -> None:
        for program in list(self.waiting):
            if is_overdue or self.is_ready(program.waits_for):
                self.waiting.remove(program)
                self._start(program)

    def _check_servers(self) -> None:
        """Restart servers whose process has ended, waiting longer after every failure in a row."""
        state, now = self.server_state, time.monotonic()
        ended = self.list_ended_servers()
        if not ended or (state.restart_at is not None and now < state.restart_at):
            return
        state.exits = 1 if now - state.started_at >= STABLE_SECONDS else state.exits + 1
        state.started_at, state.restart_at = now, now + self.policy.compute_delay(state.exits)
        self.report(f"{' and '.join(ended)} exited: restarting. See the log for the reason.")
        try:
            self.restart_servers()
        except ServerError as error:
            self.report(f"{' and '.join(ended)} could not be restarted ({error}). Trying again.")

    def _forward_output(self, timeout: float) -> None:
        for key, _events in self.selector.select(timeout):
            self._read(key.data, key.fileobj)  # type: ignore[arg-type]  # only files are registered
        for name, follower in self.followers.items():
            for line in follower.read_new_lines():
                self.output.write(name, line)

    def _read(self, running: RunningProgram, pipe: IO[bytes]) -> bool:
        """Write the new lines of a program; return whether there may be more."""
        data = pipe.read(MAX_LINE_BYTES)
        if data is None:
            return False
        is_open = bool(data)
        if not data:
            self.selector.unregister(pipe)
            data = b"\n" if running.unfinished_line else b""
        *lines, running.unfinished_line = (running.unfinished_line + data).split(b"\n")
        if len(running.unfinished_line) > MAX_LINE_BYTES:
            lines.append(running.unfinished_line)
            running.unfinished_line = b""
        for line in lines:
            self.output.write(running.program.name, line.decode(errors="replace").rstrip("\r"))
        return is_open

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
            if running.readiness is not None:
                running.readiness.close()

    def _end_guard(self) -> None:
        if self.guard is not None and self.guard.stdin is not None:
            with suppress(BrokenPipeError):
                self.guard.stdin.close()
            self.guard.wait()


def prepare_child(parent: int, niceness: int) -> None:
    """Set priority and the parent-death signal in the child before exec."""
    request_parent_death_signal(signal.SIGTERM)
    lower_priority(niceness)
    # the parent may have died before the request above; then the signal would never come
    if os.getppid() != parent:
        os._exit(1)


def describe_exit(process: subprocess.Popen[bytes]) -> str:
    status = process.returncode
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
