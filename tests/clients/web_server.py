"""The real web server, started as by ``manage.py up``, on the database and Valkey of this test run."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from tests.child_processes import PROJECT, get_test_database_url
from tests.ports import reserve_port
from tests.waiting import wait_until

PATIENT_SETTINGS = "tests.clients.patient_settings"


@contextmanager
def run_web_server(*, log: Path | None = None, **settings: str) -> Iterator[str]:
    """Run the web server and yield its URL; the database must exist, and its tables may be emptied meanwhile.

    Args:
        log: file for the server's output.
        settings: environment variables of the server.
    """
    port = reserve_port()
    command = [sys.executable, "-m", "config.web_server", "--port", str(port), "--workers", "1", "--threads", "4"]
    command += ["config.wsgi:application"]
    environment = os.environ | {
        "DATABASE_URL": get_test_database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **settings,
    }
    with TemporaryFile() if log is None else log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: is_ready(port, process), what="a response of the web server")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def is_ready(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the web server exited with status {process.returncode}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
