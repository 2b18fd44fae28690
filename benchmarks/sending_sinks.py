"""Servers that accept what `benchmarks.sending` sends, in a process of their own: a mail server and a webhook receiver.

Prints the port; writes a line per message, the recipient or the idempotency key, to a file.
"""

import asyncio
import sys
from pathlib import Path
from typing import IO


class SmtpSinkProtocol(asyncio.Protocol):
    """Speaks enough SMTP, with pipelining."""

    def __init__(self, log: IO[str]) -> None:
        self._log = log
        self._buffer = b""
        self._recipient = ""
        self._is_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answers: list[bytes] = []
        while True:
            end = self._buffer.find(b"\r\n.\r\n" if self._is_data else b"\r\n")
            if end < 0:
                break
            if self._is_data:
                self._buffer, self._is_data = self._buffer[end + 5 :], False
                self._log.write(f"{self._recipient}\n")
                answers.append(b"250 ok\r\n")
            else:
                line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
                answers.append(self._answer(line))
        if answers:
            self._transport.write(b"".join(answers))

    def _answer(self, line: bytes) -> bytes:
        command = line[:4].upper()
        if command == b"EHLO":
            return b"250-sink\r\n250 PIPELINING\r\n"
        if command == b"RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0].decode()
        if command == b"DATA":
            self._is_data = True
            return b"354 go\r\n"
        return b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n"


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
        protocol = SmtpSinkProtocol if kind == "smtp" else HttpSinkProtocol
        server = await asyncio.get_running_loop().create_server(lambda: protocol(log), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
