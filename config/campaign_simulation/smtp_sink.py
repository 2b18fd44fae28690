"""A mail server on this machine that accepts every email and keeps none, so that simulated messages reach nobody."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SmtpSinkProtocol(asyncio.Protocol):
    """Supports the part of SMTP that senders need, with pipelining."""

    def __init__(self) -> None:
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
        while (end := self._buffer.find(b"\r\n.\r\n" if self._is_data else b"\r\n")) >= 0:
            if self._is_data:
                self._buffer, self._is_data = self._buffer[end + 5 :], False
                self.accept_email(self._recipient)
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

    def accept_email(self, recipient: str) -> None:
        """Handle an accepted email; a subclass may record it."""


@contextmanager
def run_smtp_sink() -> Iterator[int]:
    """Run the sink on a free port in a thread; yield the port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(SmtpSinkProtocol, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, name="smtp-sink", daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
