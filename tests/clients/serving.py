"""The real web server, as ``manage.py up`` starts it, on this test run's database and Valkey."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from config.embedded.server_process import free_port
from tests.children import PROJECT, database_url
from tests.waiting import wait_until


@contextmanager
def web_server(*, log: Path | None = None, **settings: str) -> Iterator[str]:
    """Its address; the database must be there, and its tables may be emptied while it runs.

    Args:
        log: where what it says is kept.
        settings: of its environment.
    """
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "4", "--no-ws", "config.wsgi:application"]
    environment = os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings", **settings}
    with TemporaryFile() if log is None else log.open("wb") as said:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: answers(port, process), within=60, what="an answer of the web server")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the web server ended with {process.returncode}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
