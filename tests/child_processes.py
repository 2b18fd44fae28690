"""Python programs in child processes on this test's database: to be killed, or to run out of disk space."""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TextIO
from urllib.parse import quote, urlsplit, urlunsplit

import psutil
from django.db import connection

from tests.fork_server import LENGTH, STATUS
from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parent.parent
SESSION_KEY = "pid || ' ' || backend_start"


class ChildProcess:
    """A program that the fork server has started, with its standard streams as text."""

    def __init__(self, server: "ForkServer", program: str, environment: Mapping[str, str]) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(server.path))
        pipes = [os.pipe() for _stream in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        body = json.dumps({"program": program, "environment": dict(environment)}).encode()
        socket.send_fds(self.connection, [LENGTH.pack(len(body))], theirs)
        self.connection.sendall(body)
        for descriptor in theirs:
            os.close(descriptor)
        self.stdin: TextIO | None = os.fdopen(pipes[0][1], "w")
        self.stdout: TextIO | None = os.fdopen(pipes[1][0])
        self.stderr: TextIO | None = os.fdopen(pipes[2][0])
        self.returncode: int | None = None
        self.pid = self._receive()

    def _receive(self) -> int:
        number: int = STATUS.unpack(self.connection.recv(STATUS.size, socket.MSG_WAITALL))[0]
        return number

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the status. Raises TimeoutError."""
        if self.returncode is None:
            self.connection.settimeout(timeout)
            self.returncode = self._receive()
            self.connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the status, None while the program runs."""
        with suppress(BlockingIOError):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both streams to their end, and wait for that of the program. Raises TimeoutError."""
        if self.stdin is not None:
            with suppress(BrokenPipeError):
                self.stdin.close()
        assert self.stdout is not None
        assert self.stderr is not None
        with ThreadPoolExecutor(2) as readers, self.stdout, self.stderr:
            reads = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            texts = [read.result(timeout) for read in reads]
        self.wait(timeout)
        return texts[0], texts[1]


class ForkServer:
    """The process that starts the children of this test process; it ends with it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="perennial-fork-"))
        self.path = self.folder / "socket"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(self.path)],
            cwd=PROJECT,
            env=build_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        self.process.communicate()
        shutil.rmtree(self.folder)


@cache
def get_fork_server() -> ForkServer:
    """Return the fork server of this test process, which starts with the first child."""
    server = ForkServer()
    atexit.register(server.stop)
    return server


def build_environment(**environment: str) -> dict[str, str]:
    database = {"DATABASE_URL": get_test_database_url(), "DJANGO_SETTINGS_MODULE": "config.settings"}
    return os.environ | database | environment


def start_child(program: str, **environment: str) -> ChildProcess:
    """Run a program with Django set up; read its output line by line and write to its ``stdin``."""
    return ChildProcess(get_fork_server(), program, build_environment(**environment))


def kill_after_output(child: ChildProcess, word: str) -> None:
    """Kill the child with SIGKILL once it has printed the word. Errors: AssertionError if it ends before."""
    assert child.stdout is not None
    first_line = next((line.strip() for line in iter(child.stdout.readline, "") if line.strip()), "")
    problems = kill_child(child)
    assert first_line == word, problems


def kill_child(child: ChildProcess) -> str:
    """Kill the child with SIGKILL and return what it wrote to standard error.

    Waits until the server has ended its sessions: until then, one still executes its statement and keeps its locks.
    """
    sessions = list_sessions(child)
    child.kill()
    _out, problems = child.communicate()
    wait_until(lambda: have_ended(sessions), what="the server to end the sessions of the child")
    return problems


def list_sessions(child: ChildProcess) -> list[str]:
    """Return the sessions of a child on the database server, as process ID and start, since a later session can have its port."""
    ports: list[int] = []
    server = urlsplit(os.environ["DATABASE_URL"]).port or 5432
    with suppress(psutil.NoSuchProcess):
        tcp = psutil.Process(child.pid).net_connections("tcp")
        # a connection to another server can have the same local port as a session of another process
        ports = [address.laddr.port for address in tcp if address.raddr and address.raddr.port == server]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {SESSION_KEY} FROM pg_stat_activity WHERE client_port = ANY(%s)", [ports])
        return [str(key) for (key,) in cursor.fetchall()]


def have_ended(sessions: list[str]) -> bool:
    """Return whether the server has ended all of these sessions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction would see the sessions of its first look
        cursor.execute(f"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE {SESSION_KEY} = ANY(%s))", [sessions])
        return bool(cursor.fetchone()[0])


def get_test_database_url() -> str:
    """Return the URL of the test database, which differs from the one the server was started with."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{quote(connection.settings_dict['NAME'])}"))
