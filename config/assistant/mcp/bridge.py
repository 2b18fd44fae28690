"""Serves one request of the streamable HTTP transport inside a WSGI request: the package speaks ASGI, and our web server WSGI."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

MAX_BODY = 1024 * 1024
TIMEOUT_SECONDS = 60.0
# the headers that Django sets itself
OWN_HEADERS = ("content-length", "connection", "transfer-encoding")


@dataclass
class Exchange:
    """The body of a request that is still to be read, and the response as it is sent."""

    body: bytes
    status: int = 500
    headers: list[tuple[str, str]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    is_read: bool = False

    async def receive(self) -> dict[str, Any]:
        """Return the body once; the client never disconnects before the response."""
        if self.is_read:
            await asyncio.Event().wait()
        self.is_read = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))


def build_scope(request: HttpRequest) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "server": None,
        "client": None,
    }


def serve(server: Server[Any], request: HttpRequest) -> HttpResponse:
    """Return the response of an MCP server to a POST request, as JSON and without a session."""
    exchange = Exchange(request.body)
    async_to_sync(run_exchange)(server, build_scope(request), exchange)
    headers = {name: value for name, value in exchange.headers if name.lower() not in OWN_HEADERS}
    return HttpResponse(b"".join(exchange.parts), status=exchange.status, headers=headers)


async def run_exchange(server: Server[Any], scope: dict[str, Any], exchange: Exchange) -> None:
    """Run one request; raises TimeoutError if it takes longer than `TIMEOUT_SECONDS`."""
    manager = StreamableHTTPSessionManager(server, stateless=True, json_response=True, max_request_body_size=MAX_BODY)
    async with asyncio.timeout(TIMEOUT_SECONDS), manager.run():
        await manager.handle_request(scope, exchange.receive, exchange.send)
