"""A mail server for tests: it accepts emails, keeps them, and answers as a test tells it to."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.waiting import DEADLINE_SECONDS


@dataclass
class SinkMail:
    """An email that the sink accepted."""

    sender: str
    recipient: str
    data: bytes


@dataclass
class SmtpSink:
    """answer: returns the reply to a command ("MAIL …", "RCPT …", "DATA", "." for the email), or "" for the usual one."""

    answer: Callable[[str], str] = lambda command: ""
    mails: list[SinkMail] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        sender = recipient = ""
        writer.write(b"220 sink\r\n")
        try:
            while line := await reader.readline():
                command = line.decode().strip()
                name = command[:4].upper()
                reply = self.answer(command)
                if name == "EHLO":
                    reply = reply or "250-sink\r\n250 PIPELINING"
                elif name == "MAIL":
                    sender = "" if reply else command.partition("<")[2].partition(">")[0]
                elif name == "RCPT":
                    reply = reply or ("" if sender else "503 send MAIL first")
                    recipient = "" if reply else command.partition("<")[2].partition(">")[0]
                elif name == "DATA" and not reply:
                    writer.write(b"354 go\r\n")
                    data = await read_data(reader)
                    reply = self.answer(".") if recipient else "554 no valid recipients"
                    if not reply or reply.startswith("250"):
                        self.mails.append(SinkMail(sender, recipient, data.replace(b"\r\n..", b"\r\n.")))
                elif name == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                if reply == "close":
                    break
                writer.write(f"{reply or '250 ok'}\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def read_data(reader: asyncio.StreamReader) -> bytes:
    """Return an email up to the line with the dot, which may be its first line."""
    lines = []
    while (line := await reader.readline()) not in (b".\r\n", b""):
        lines.append(line)
    return b"".join(lines)


@contextmanager
def run_smtp_sink(answer: Callable[[str], str] = lambda command: "") -> Iterator[SmtpSink]:
    """Run a sink on a free port in a thread."""
    sink = SmtpSink(answer)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(sink.serve_connection, "127.0.0.1", 0, limit=2**24))
    sink.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield sink
    finally:

        async def stop() -> None:
            server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), loop).result(DEADLINE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE_SECONDS)
        loop.close()
