"""Servers that accept what `benchmarks.sending` sends, in a process of their own: a mail server and a webhook receiver.

Prints the port; writes a line per message, the recipient or the idempotency key, to a file.
"""

import asyncio
import sys
from pathlib import Path
from typing import IO

from config.campaign_simulation.smtp_sink import SmtpSinkProtocol


class LoggingSmtpSinkProtocol(SmtpSinkProtocol):
    """Writes the recipient of every email to a file."""

    def __init__(self, log: IO[str]) -> None:
        super().__init__()
        self._log = log

    def accept_email(self, recipient: str) -> None:
        self._log.write(f"{recipient}\n")


class HttpSinkProtocol(asyncio.Protocol):
    """Accepts POST requests over connections that stay open."""

    def __init__(self, log: IO[str]) -> None:
        self._log = log
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            headers = dict(
                line.lower().split(b": ", 1) for line in self._buffer[:end].split(b"\r\n")[1:] if b": " in line
            )
            length = int(headers.get(b"content-length", b"0"))
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._log.write(f"{headers.get(b'idempotency-key', b'').decode()}\n")
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def serve(kind: str, path: Path) -> None:
    with path.open("a", buffering=1) as log:
        protocol = LoggingSmtpSinkProtocol if kind == "smtp" else HttpSinkProtocol
        server = await asyncio.get_running_loop().create_server(lambda: protocol(log), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
