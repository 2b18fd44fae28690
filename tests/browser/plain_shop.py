"""A plain HTML page outside the project, served from another origin with a strict content security policy."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

PAGE = Path(__file__).with_name("plain_page.html")
SCRIPT = """
window.perennial = window.perennial || []
addEventListener("DOMContentLoaded", () => {
  document.getElementById("agree").addEventListener("click", () => perennial.consent(true))
})
"""
POLICY = (
    "default-src 'none'; script-src 'self' {host}; connect-src {host}; img-src 'self' {host}; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types perennial"
)


class PlainShopServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PlainShopHandler)
        self.host = ""
        self.page = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class PlainShopHandler(BaseHTTPRequestHandler):
    server: PlainShopServer

    def do_GET(self) -> None:
        contents = {"/": (self.server.page, "text/html"), "/shop.js": (SCRIPT, "text/javascript")}
        content, content_type = contents.get(
            self.path.partition("?")[0], ("<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")
        )
        self.send_response(200)
        self.send_header("Content-Type", f"{content_type}; charset=utf-8")
        self.send_header("Content-Security-Policy", POLICY.format(host=self.server.host))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@contextmanager
def run_plain_shop() -> Iterator[PlainShopServer]:
    with PlainShopServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
