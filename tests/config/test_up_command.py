"""``manage.py up``: the supervisor starts all programs, restarts those that exit and stops all of them together."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from django.core.management.base import CommandError

import config
from config.embedded.server_process import is_alive
from config.management.commands.up import choose_port
from config.supervisor import processes, worker_lock
from config.supervisor.worker_lock import WorkersRunningError, lock_workers
from tests.collected_files import collect_uncompressed
from tests.ports import reserve_port
from tests.waiting import DEADLINE_SECONDS, measure_running_seconds, wait_until

pytestmark = pytest.mark.acceptance

PROJECT = Path(processes.__file__).parents[2]
# a program that starts a child, prints both process ids, and runs until a signal
PARENT = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("pids", os.getpid(), child.pid)
signal.pause()
"""
STUBBORN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pids", os.getpid())
while True:
    signal.pause()
"""
PENDING = "FROM django_migrations WHERE app = 'policy' AND name = '0002_longer_retention'"  # it can be applied twice
DRIVER = """
import sys
from config.supervisor import processes
from config.supervisor.processes import Program, RestartPolicy, Supervisor
processes.STABLE_SECONDS = 400.0  # a program that a busy machine ends late has not started well
programs = [Program(f"p{number}", [sys.executable, "-c", code]) for number, code in enumerate(sys.argv[2:])]
policy = RestartPolicy(first_delay=0.1, max_delay=0.4)
sys.exit(Supervisor(programs, grace=float(sys.argv[1]), policy=policy).run())
"""
LOCKING_DRIVER = """
import sys
from pathlib import Path
from config.supervisor.processes import Program, Supervisor
from config.supervisor.worker_lock import lock_workers
lock = lock_workers(Path(sys.argv[1]))
sys.exit(Supervisor([Program("p0", [sys.executable, "-c", sys.argv[2]])], guarded=[lock]).run())
"""


class Terminal:
    """A supervisor in a child process, with its output so far."""

    def __init__(self, folder: Path, command: list[str], env: dict[str, str] | None = None) -> None:
        self.path = folder / "output"
        with self.path.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=PROJECT, stdout=file, stderr=file, env={**os.environ, **(env or {})}
            )

    def text(self) -> str:
        return self.path.read_text()

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        def is_printed() -> bool:
            assert self.process.poll() is None or self._matches(pattern, count), self.text()
            return self._matches(pattern, count)

        try:
            wait_until(is_printed, what=f"{pattern!r} in the output")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.text()}") from None
        return re.findall(pattern, self.text())

    def pids(self, programs: int) -> list[int]:
        return [int(number) for line in self.wait_for(r"pids ([\d ]+)\n", programs) for number in line.split()]

    def _matches(self, pattern: str, count: int) -> bool:
        return len(re.findall(pattern, self.text())) >= count


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    started: list[Terminal] = []
    yield started
    for terminal in started:
        if terminal.process.poll() is None:
            terminal.process.send_signal(signal.SIGINT)
        terminal.process.wait(timeout=300)


@contextmanager
def create_database(template: str) -> Iterator[str]:
    """Yield the URL of a separate database, so that `up` does not affect other tests."""
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    name = f"perennial_up_{os.getpid()}"
    with closing(psycopg.connect(f"{server}/postgres", autocommit=True)) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name}".encode())
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        yield f"{server}/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def empty_database() -> Iterator[str]:
    with create_database("template1") as url:
        yield url


@pytest.fixture
def outdated_database(django_db_setup: None) -> Iterator[str]:
    """Yield the URL of a database in which one migration is pending: all of them would take most of the test's time."""
    with create_database(os.environ["TEST_TEMPLATE_DATABASE"]) as url:
        with psycopg.connect(url) as connection:
            assert connection.execute(f"DELETE {PENDING}".encode()).rowcount == 1
        yield url


@pytest.fixture
def migrated_database(django_db_setup: None) -> Iterator[str]:
    with create_database(os.environ["TEST_TEMPLATE_DATABASE"]) as url:
        yield url


def is_live(port: int) -> bool:
    """Return whether the web server answers."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)) as client:
        try:
            client.request("GET", "/health/live")
            return client.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def supervise(terminals: list[Terminal], folder: Path, *codes: str, grace: float = 10) -> Terminal:
    terminals.append(Terminal(folder, ["-c", DRIVER, str(grace), *codes]))
    return terminals[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_programs_and_their_children(
    terminals: list[Terminal], tmp_path: Path, number: signal.Signals
) -> None:
    terminal = supervise(terminals, tmp_path, PARENT, PARENT)
    pids = terminal.pids(2)
    terminal.process.send_signal(number)
    assert terminal.process.wait(timeout=300) == 0
    assert f"{number.name}: stopping everything." in terminal.text()
    wait_until(lambda: not any(map(is_alive, pids)), what="the end of all processes")


def test_every_line_is_prefixed_with_its_program(terminals: list[Terminal], tmp_path: Path) -> None:
    terminal = supervise(terminals, tmp_path, "print('one\\ntwo'); print('three', end='')", PARENT)
    terminal.process.wait(timeout=300)
    lines = terminal.text().splitlines()
    assert [line for line in lines if line.startswith("p0")][:3] == ["p0 │ one", "p0 │ two", "p0 │ three"]


def test_a_killed_program_is_restarted_without_its_children_while_the_others_keep_running(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = supervise(terminals, tmp_path, PARENT, PARENT)
    before = terminal.pids(2)
    killed, *_child = [int(number) for number in re.findall(r"p0 +│ pids (\d+) (\d+)", terminal.text())[0]]
    os.kill(killed, signal.SIGKILL)
    after = terminal.pids(3)
    assert "p0 exited by SIGKILL: restarting it in 0.1 s." in terminal.text()
    assert len(set(after)) == 6  # the same two of the other program, the two that ended, and two new ones
    others = [int(number) for pair in re.findall(r"p1 +│ pids (\d+) (\d+)", terminal.text()) for number in pair]
    assert all(map(is_alive, others))
    wait_until(lambda: not any(is_alive(pid) for pid in before if pid not in others), what="the end of p0's processes")
    assert terminal.process.poll() is None


def test_a_program_that_never_starts_well_ends_everything_and_is_named(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    failing = f"import sys, time; from pathlib import Path\nwhile not Path({str(go)!r}).exists(): time.sleep(0.02)\nsys.exit(3)"
    terminal = supervise(terminals, tmp_path, PARENT, failing)
    pids = terminal.pids(1)
    go.touch()  # not before: everything might end before the other program has printed its processes
    assert terminal.process.wait(timeout=300) == 1
    assert re.findall(r"p1 exited with status 3: restarting it in ([\d.]+) s", terminal.text()) == [
        "0.1",
        "0.2",
        "0.4",
        "0.4",
    ]
    assert "p1 exited with status 3 5 times in a row: stopping everything." in terminal.text()
    wait_until(lambda: not any(map(is_alive, pids)), what="the end of all processes")


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace_period(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = supervise(terminals, tmp_path, STUBBORN, grace=0.2)
    [pid] = terminal.pids(1)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(timeout=300) == 0
    assert "killing programs that did not stop: p0." in terminal.text()
    assert not is_alive(pid)


def test_killing_the_supervisor_leaves_no_process_behind(terminals: list[Terminal], tmp_path: Path) -> None:
    terminal = supervise(terminals, tmp_path, PARENT, PARENT)
    pids = terminal.pids(2)
    guard = [child.pid for child in psutil.Process(terminal.process.pid).children() if child.pid not in pids]
    terminal.process.kill()
    wait_until(lambda: not any(map(is_alive, pids + guard)), what="the end of all processes")


def test_the_default_port_falls_back_to_the_next_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        used_port = listener.getsockname()[1]
        monkeypatch.setattr("config.management.commands.up.DEFAULT_PORT", used_port)
        assert choose_port("127.0.0.1", None, report=messages.append) > used_port
        assert messages[0].startswith(f"Port {used_port} is in use: the web server uses ")
        with pytest.raises(CommandError, match=f"port {used_port}: .* Choose another with --port"):
            choose_port("127.0.0.1", used_port, report=messages.append)


def test_an_unmigrated_database_is_rejected_with_the_command_to_run(
    terminals: list[Terminal], tmp_path: Path, empty_database: str
) -> None:
    terminals.append(Terminal(tmp_path, ["manage.py", "up"], {"DATABASE_URL": empty_database}))
    assert terminals[0].process.wait(timeout=300) == 1
    assert "migrations are pending: run `python manage.py migrate`" in terminals[0].text()
    assert "Traceback" not in terminals[0].text()


def assert_is_private(var: Path) -> None:
    """Check that nobody but the owner can read anything in a folder, whose static files are public anyway."""
    paths = [var, *(path for path in var.rglob("*") if var / "static" not in path.parents)]
    assert var / "exports" / "old.csv" in paths
    assert len(paths) > 5
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


def find_web_server(family: list[psutil.Process]) -> psutil.Process:
    """Return the parent of the web processes; other processes of the family may be ending."""
    found = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            if "config.web_server" in process.cmdline() and process.children():
                found.append(process)
    [web] = found
    return web


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)  # so that there is a migrated database to copy
def test_up_migrates_serves_until_ctrl_c_and_leaves_no_process_behind(
    terminals: list[Terminal], tmp_path: Path, outdated_database: str
) -> None:
    port = reserve_port()
    command = ["manage.py", "up", "--migrate", "--port", str(port), "--web-workers", "1", "--worker-concurrency", "1"]
    # workers finish their tasks first, which takes more than 10 seconds on a slow machine
    command += ["--grace", "200"]
    var = tmp_path / "var"
    (var / "exports").mkdir(mode=0o755, parents=True)  # from before, when others could read everything
    (var / "exports" / "old.csv").touch(mode=0o644)
    before = os.umask(0o022)
    collect_uncompressed(var / "static")
    terminals.append(Terminal(tmp_path, command, {"DATABASE_URL": outdated_database, "PERENNIAL_VAR": str(var)}))
    os.umask(before)
    [terminal] = terminals
    terminal.wait_for(f"Perennial is running at http://127.0.0.1:{port}/")
    terminal.wait_for("beat: Starting|worker@.* ready|frequent@.* ready", 3)
    assert is_live(port)
    with psycopg.connect(outdated_database) as connection:
        assert connection.execute(f"SELECT {PENDING}".encode()).rowcount == 1
    family = psutil.Process(terminal.process.pid).children(recursive=True)
    assert len(family) >= 5
    web = find_web_server(family)
    assert_is_private(var)
    # a request that crashes the interpreter ends a web worker: the next one takes over, nothing else stops
    worker = max(web.children(), key=lambda process: process.memory_info().rss)
    worker.kill()
    wait_until(lambda: is_live(port), what="the respawned web worker")
    assert web.is_running()
    assert worker.pid not in [process.pid for process in web.children()]
    family = [process.pid for process in psutil.Process(terminal.process.pid).children(recursive=True)]
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(timeout=300) == 0
    assert "killing" not in terminal.text()
    wait_until(lambda: not any(map(is_alive, family)), what="the end of all processes")


@pytest.mark.django_db(transaction=True)  # as above
def test_an_older_version_warns_that_a_newer_one_has_migrated_the_database(
    terminals: list[Terminal], tmp_path: Path, migrated_database: str
) -> None:
    with psycopg.connect(migrated_database) as connection:
        connection.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('policy', '9001_of_a_newer_version', now())"
        )
    environment = {"DATABASE_URL": migrated_database, "PERENNIAL_VAR": str(tmp_path / "var")}
    terminals.append(Terminal(tmp_path, ["manage.py", "up", "--prepare-only", "--no-web"], environment))
    assert terminals[-1].process.wait(timeout=300) == 0, "during an upgrade, the old version keeps running"
    assert "Warning: a newer version of Perennial has migrated this database" in terminals[-1].text()
    assert "policy.9001_of_a_newer_version" in terminals[-1].text()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)  # as above
def test_a_second_up_does_not_start_the_tasks_that_the_first_is_running(
    terminals: list[Terminal], tmp_path: Path, migrated_database: str
) -> None:
    var = tmp_path / "var"
    environment = {"DATABASE_URL": migrated_database, "VALKEY_URL": "", "PERENNIAL_VAR": str(var)}

    def start(name: str) -> Terminal:
        (tmp_path / name).mkdir()
        command = ["manage.py", "up", "--no-web", "--no-beat", "--worker-concurrency", "1", "--grace", "1"]
        terminals.append(Terminal(tmp_path / name, command, environment))
        return terminals[-1]

    first = start("first")
    first.wait_for("worker@.* ready")
    second = start("second")
    assert second.process.wait(timeout=300) == 1
    assert f"Perennial already runs its workers in {var} (process {first.process.pid}). Stop it first," in second.text()
    assert "Traceback" not in second.text()
    assert first.process.poll() is None
    first.process.kill()
    start("third").wait_for("worker@.* ready")


def test_the_lock_of_the_workers_is_free_when_the_programs_of_a_killed_up_have_ended(
    terminals: list[Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    terminals.append(Terminal(tmp_path, ["-c", LOCKING_DRIVER, str(tmp_path), STUBBORN]))
    [terminal] = terminals
    [pid] = terminal.pids(1)
    with pytest.raises(WorkersRunningError, match=f"process {terminal.process.pid}"):
        lock_workers(tmp_path)
    terminal.process.kill()
    terminal.process.wait(timeout=300)
    monkeypatch.setattr(worker_lock, "WAIT_SECONDS", DEADLINE_SECONDS)
    lock = lock_workers(tmp_path)
    with measure_running_seconds() as get_seconds:
        wait_until(lambda: not is_alive(pid), what="the end of the program")
        assert get_seconds() < 2, "less than the program would go on"
    os.close(lock)


def test_the_programs_are_known_before_the_apps_are_loaded() -> None:
    program = "from config.management.commands.up import WEB_ENVIRONMENT, build_programs"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    root = Path(config.__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], cwd=root, env=environment, check=True, timeout=300)
