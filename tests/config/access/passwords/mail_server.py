"""A small SMTP server on a free port that keeps what it receives."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)


@contextmanager
def run_mail_server() -> Iterator[MailServer]:
    """Accept messages (RFC 5321: HELO, MAIL, RCPT, DATA, QUIT) until the block ends."""
    record = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline():
                command = line[:4].upper()
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    content = b"".join(part.removeprefix(b".") if part.startswith(b"..") else part for part in lines)
                    message = message_from_bytes(content, policy=policy.default)
                    assert isinstance(message, EmailMessage)
                    record.messages.append(message)
                elif command == b"RCPT":
                    record.recipients.append(line.decode().partition("<")[2].partition(">")[0])
                self.wfile.write(b"250 done\r\n" if command != b"QUIT" else b"221 bye\r\n")
                if command == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        record.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield record
        finally:
            server.shutdown()
            thread.join()
