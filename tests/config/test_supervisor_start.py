"""Background programs start after the web server is ready, and have a lower priority than everything else on the machine."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.supervisor import processes
from config.supervisor.priorities import AUTOGROUP
from config.supervisor.processes import PrefixedOutput
from config.supervisor.reload import READY_VARIABLE, ReadinessPipe
from config.web_server.shared_sockets import announce_when_prepared
from tests.waiting import wait_until

PROJECT = Path(processes.__file__).parents[2]
NICENESS = 7
DRIVER = """
import sys
from config.supervisor import processes
processes.WAIT_SECONDS = float(sys.argv[1])
programs = [
    processes.Program("worker", [sys.executable, "-c", sys.argv[3]], int(sys.argv[4]), waits_for="web"),
    processes.Program("lonely", [sys.executable, "-c", "import signal; print('started', flush=True); signal.pause()"], waits_for="absent"),
    processes.Program("web", [sys.executable, "-c", sys.argv[2]], ready_processes=1),
]
sys.exit(processes.Supervisor(programs).run())
"""
# is ready when the file exists that the test creates
WEB = """
import os, pathlib, signal, time
print("web started", flush=True)
while not pathlib.Path({go!r}).exists():
    time.sleep(0.05)
print("web ready", flush=True)
os.write(int(os.environ["PERENNIAL_READY_FD"]), b".")
signal.pause()
"""
WORKER = """
import os, pathlib, signal
session = pathlib.Path("/proc/self/autogroup")
print("worker started with", os.nice(0), session.read_text().split()[-1] if session.exists() else "", flush=True)
signal.pause()
"""


@contextmanager
def supervise(folder: Path, *, wait_seconds: float) -> Iterator[Path]:
    """Yield the output of a supervisor whose worker waits for the web server."""
    output = folder / "output"
    command = [
        sys.executable,
        "-c",
        DRIVER,
        str(wait_seconds),
        WEB.format(go=str(folder / "go")),
        WORKER,
        str(NICENESS),
    ]
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=file, stderr=file)
    try:
        yield output
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=300)


def wait_for(output: Path, text: str) -> str:
    """Wait for a text in the output; return the whole output."""
    wait_until(lambda: text in output.read_text(), what=f"{text!r} in the output")
    return output.read_text()


def test_background_programs_start_when_the_web_server_is_ready_and_yield_to_it(tmp_path: Path) -> None:
    with supervise(tmp_path, wait_seconds=300) as output:
        before = wait_for(output, "web started")
        before = wait_for(output, "lonely │ started")
        assert "worker started" not in before
        (tmp_path / "go").touch()
        text = wait_for(output, "worker started with")
    assert text.index("web ready") < text.index("worker started")
    [line] = [line for line in text.splitlines() if "worker started" in line]
    session = f" {NICENESS}" if AUTOGROUP.exists() else ""
    assert line.rstrip().endswith(f"with {min(os.nice(0) + NICENESS, 19)}{session}")  # on top of that of the tests


def test_background_programs_do_not_wait_for_ever(tmp_path: Path) -> None:
    with supervise(tmp_path, wait_seconds=0.5) as output:
        assert "web ready" not in wait_for(output, "worker started with")


def test_a_worker_announces_that_it_is_ready_when_its_application_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = ReadinessPipe()
    try:
        monkeypatch.setenv(READY_VARIABLE, str(pipe.writer))
        prepared = threading.Event()
        announce_when_prepared(prepared)
        assert pipe.count_ready() == 0
        prepared.set()
        wait_until(lambda: pipe.count_ready() == 1, what="the announcement")
        announce_when_prepared(None)
        assert pipe.count_ready() == 2, "an application without the event is ready immediately"
    finally:
        pipe.close()


def test_an_unprepared_worker_announces_itself_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = ReadinessPipe()
    try:
        monkeypatch.setenv(READY_VARIABLE, str(pipe.writer))
        monkeypatch.setattr("config.web_server.shared_sockets.PREPARE_SECONDS", 0.05)
        announce_when_prepared(threading.Event())
        wait_until(lambda: pipe.count_ready() == 1, what="the announcement")
    finally:
        pipe.close()


@pytest.mark.parametrize(("number", "is_closed"), [(errno.EPIPE, True), (errno.EIO, True), (errno.ENOSPC, False)])
def test_a_closed_terminal_ends_everything_and_a_full_disk_does_not(number: int, is_closed: bool) -> None:
    class FailingStream(io.StringIO):
        def flush(self) -> None:
            raise OSError(number, os.strerror(number))

    output = PrefixedOutput(FailingStream(), ["web"])
    output.write("web", "started")
    assert output.closed is is_closed
