"""A mail server, a webhook receiver, and runs of jobs for the tests of monitoring."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.config.access.passwords.mail_server import run_mail_server


@pytest.fixture(autouse=True)
def patient_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the servers of the tests: a busy machine is none of the problems that the checks look for."""
    from config.monitoring.alarms import notifications
    from config.monitoring.doctor import network_checks

    monkeypatch.setattr(network_checks, "TIMEOUT_SECONDS", 300)
    monkeypatch.setattr(notifications, "TIMEOUT_SECONDS", 300.0)
    monkeypatch.setattr(notifications, "TOTAL_SECONDS", 300.0)


@pytest.fixture
def mail_server(settings: Any) -> Iterator[Any]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = "127.0.0.1", False, False
    with run_mail_server() as server:
        settings.EMAIL_PORT = server.port
        yield server


@dataclass
class WebhookReceiver:
    """The calls that arrived: headers and the JSON of the body. status: what it answers; drip_seconds: how long it sends single bytes first."""

    url: str = ""
    status: int = 204
    drip_seconds: float = 0.0
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _headers, body in self.calls]


@pytest.fixture
def webhook_receiver(settings: Any) -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
            end = time.monotonic() + receiver.drip_seconds
            with suppress(OSError):  # the client has ended the call
                while time.monotonic() < end:
                    self.wfile.write(b"H")
                    time.sleep(0.1)
                self.send_response(receiver.status)
                self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://localhost:{server.server_port}/alarms"
        settings.WEBHOOK_PRIVATE_HOSTS = ["localhost"]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
