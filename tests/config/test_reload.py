"""SIGHUP replaces the web processes without a failed request, and keeps the old ones if the new ones do not start."""

import http.client
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.supervisor import processes
from config.supervisor.reload import EnvironmentFileError, read_environment_file
from tests.ports import reserve_port
from tests.waiting import DEADLINE_SECONDS, wait_until

PROJECT = Path(processes.__file__).parents[2]
APPLICATION = """
import os, time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.environ.get('GENERATION', '0')} {os.getpid()}".encode()]
"""
DRIVER = """
import sys
from functools import partial
from pathlib import Path
from config.supervisor.processes import Program, Supervisor
from config.supervisor.reload import read_environment_file
from config.web_server.shared_sockets import open_sockets
folder, port = Path(sys.argv[1]), int(sys.argv[2])
sockets = open_sockets("127.0.0.1", port, number=2)
numbers = [socket.fileno() for socket in sockets]
web = [sys.executable, "-m", "config.web_server", "--port", str(port), "--workers", "2", "--threads", "5", "--drain-seconds", "10",
       "--sockets", ",".join(map(str, numbers)), "reloaded_application"]
worker = [sys.executable, "-c", "import os, signal; print('worker', os.environ['GENERATION'], flush=True); signal.pause()"]
programs = [Program("web", web, environment={"PYTHONPATH": str(folder)}, sockets=numbers, ready_processes=2), Program("worker", worker)]
preparation = Program("prepare", [sys.executable, "-c", f"import sys; sys.exit(open({str(folder / 'broken')!r}).read() == '1')"])
sys.exit(Supervisor(programs, preparation=preparation, read_environment=partial(read_environment_file, folder / "env")).run())
"""


class Client(threading.Thread):
    """Sends requests until it is stopped, over one connection as long as the server keeps it, or each over its own."""

    def __init__(self, port: int, *, path: str, pause: float, keeps: bool) -> None:
        super().__init__()
        self.port, self.path, self.pause, self.keeps = port, path, pause, keeps
        self.answers: list[str] = []
        self.errors: list[str] = []
        self.is_stopped = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        while not self.is_stopped.is_set():
            try:
                connection.request("GET", self.path)
                response = connection.getresponse()
                self.answers.append(response.read().decode())
                if response.status != 200:
                    self.errors.append(str(response.status))
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                connection.close()
            if not self.keeps:
                connection.close()
            time.sleep(self.pause)
        connection.close()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[tuple[Path, int, subprocess.Popen[bytes]]]:
    (tmp_path / "reloaded_application.py").write_text(APPLICATION)
    (tmp_path / "env").write_text("# one generation after the other\nGENERATION='1'\n")
    (tmp_path / "broken").write_text("0")
    port = reserve_port()
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path), str(port)], cwd=PROJECT, stdout=output, stderr=output
        )
    wait_until(lambda: ask(port) == "1", what="the first generation")
    yield tmp_path, port, process
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=300)


def ask(port: int) -> str:
    """Return the generation that answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().split()[0]
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


@pytest.mark.acceptance
def test_a_reload_under_load_fails_no_request_and_takes_new_code_and_variables(
    supervisor: tuple[Path, int, subprocess.Popen[bytes]],
) -> None:
    folder, port, process = supervisor
    output = folder / "output"
    clients = [
        *(Client(port, path="/", pause=0.002 * number, keeps=True) for number in range(4)),
        *(Client(port, path="/", pause=0.001, keeps=False) for _number in range(2)),
        Client(port, path="/", pause=0.4, keeps=True),
        Client(port, path="/slow", pause=0, keeps=True),
    ]
    for client in clients:
        client.start()
    wait_until(lambda: all(client.answers for client in clients), what="answers of the first generation to all clients")
    try:
        for generation in ("2", "3"):
            (folder / "env").write_text(f"GENERATION={generation}\n")
            process.send_signal(signal.SIGHUP)
            wait_until(
                lambda: output.read_text().count("web: reloaded") == int(generation) - 1,  # noqa: B023 — awaited here
                what="the end of the old processes",
            )
            assert ask(port) == generation
            wait_until(lambda: f"worker {generation}" in output.read_text(), what="the new worker")  # noqa: B023 — as above
        (folder / "broken").write_text("1")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "Nothing is reloaded" in output.read_text(), what="the refusal")
        assert ask(port) == "3"
    finally:
        for client in clients:
            client.is_stopped.set()
        for client in clients:
            client.join()
    assert [error for client in clients for error in client.errors] == []
    assert sum(len(client.answers) for client in clients) > 500
    assert {answer.split()[0] for client in clients for answer in client.answers} == {"1", "2", "3"}


def test_a_file_of_variables_is_read_as_systemd_does(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# comment\n\nDATABASE_URL=postgresql://a:b=c@db/x\nSHOP_NAME='Tea & more'\n")
    assert read_environment_file(path) == {"DATABASE_URL": "postgresql://a:b=c@db/x", "SHOP_NAME": "Tea & more"}
    path.write_text("export A=1\n")
    with pytest.raises(EnvironmentFileError, match="line 1"):
        read_environment_file(path)
    with pytest.raises(EnvironmentFileError, match="cannot be read"):
        read_environment_file(tmp_path / "missing")
