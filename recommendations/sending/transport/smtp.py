"""One connection to the mail server that many emails use. Standard library only."""

import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from config.foundation.http.call_limit import limit_call
from recommendations.sending.transport.journal import SendResult

TEMPORARY = range(400, 500)
TOTAL_SECONDS = 120.0  # of one message, however slowly the server answers
MAX_MESSAGES = 1000  # many servers close a connection after some number of messages
# The enhanced codes (RFC 3463) of a mailbox or domain that does not exist. Not 5.1.0 and 5.7.13, which servers also use for a sender or account
# that they refuse: they would then suppress every customer.
UNKNOWN_RECIPIENT = re.compile(rb"5\.(1\.(1|2|3|6|10)|2\.1|4\.4)\b")


class MailServerDownError(Exception):
    """The server cannot be reached, or refuses the log-in."""


@dataclass(frozen=True)
class SmtpOptions:
    """The mail server. tls: "starttls", "tls" or "off"."""

    host: str
    port: int
    tls: str = "off"
    user: str = ""
    password: str = ""
    timeout: float = 30.0
    local_hostname: str = ""


class SmtpConnection:
    """Sends emails over one connection, which is opened when it is needed and opened again when the server has closed it."""

    def __init__(self, options: SmtpOptions) -> None:
        self.options = options
        self._server: smtplib.SMTP | None = None
        self._sent = 0

    def send(
        self, *, delivery_id: int, attempt: int, sender: str, recipient: str, data: bytes, begin: Callable[[], None]
    ) -> SendResult:
        """Send an email; ``begin`` is called when everything but the email itself was accepted.

        Raises:
            MailServerDownError
        """
        seconds = max(TOTAL_SECONDS, self.options.timeout)
        with limit_call(lambda: self._server.sock if self._server else None, seconds=seconds):
            return self._send(delivery_id, attempt, sender, recipient, data, begin)

    def _send(
        self, delivery_id: int, attempt: int, sender: str, recipient: str, data: bytes, begin: Callable[[], None]
    ) -> SendResult:
        def make(outcome: str, code: int, text: bytes | str, *, is_gone: bool = False) -> SendResult:
            shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            return SendResult(delivery_id, attempt, outcome, code, shown[:500], is_gone=is_gone)

        def refuse(command: str, code: int, text: bytes) -> SendResult:
            if code in TEMPORARY:
                return make("temporary", code, text)
            return make("permanent", code, text, is_gone=command != "MAIL" and bool(UNKNOWN_RECIPIENT.match(text)))

        try:
            refused = self._start_message(sender, recipient)
        except (OSError, smtplib.SMTPException):
            # The server has closed an idle connection: nothing was handed over, so the email is sent again over a new one.
            self.close()
            try:
                refused = self._start_message(sender, recipient)
            except (OSError, smtplib.SMTPException) as error:
                self.close()
                raise MailServerDownError(str(error) or type(error).__name__) from error
        if refused is not None:
            self._reset(refused[1])
            return refuse(*refused)
        begin()
        assert self._server is not None
        try:
            self._server.send(data.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            code, answer = self._server.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return make("uncertain", 0, f"The connection ended before the answer: {error}")
        self._sent += 1
        if code == 421 or self._sent >= MAX_MESSAGES:
            self.close()
        if code == 250:
            return make("sent", code, answer)
        return refuse("DATA", code, answer)

    def _start_message(self, sender: str, recipient: str) -> tuple[str, int, bytes] | None:
        """Send the envelope and DATA; return the command that the server refuses and its answer, or None."""
        server = self._open()
        if not server.has_extn("pipelining"):
            for command, accepted in (("MAIL", (250,)), ("RCPT", (250, 251)), ("DATA", (354,))):
                code, text = server.docmd(*_build_command(command, sender, recipient))
                if code not in accepted:
                    return command, code, text
            return None
        names = ("MAIL", "RCPT", "DATA")
        commands = [" ".join(_build_command(name, sender, recipient)).strip() for name in names]
        server.send("".join(f"{command}\r\n" for command in commands))
        answers = [(name, *server.getreply()) for name in names]
        refused = next((answer for answer in answers[:2] if answer[1] not in (250, 251)), None)
        if refused is not None and answers[2][1] == 354:
            server.send(
                ".\r\n"
            )  # a server that accepts DATA without a recipient waits for the end of the email (RFC 2920)
            server.getreply()
        if refused is None and answers[2][1] != 354:
            refused = answers[2]
        return refused

    def _open(self) -> smtplib.SMTP:
        if self._server is not None:
            return self._server
        options = self.options
        context = ssl.create_default_context()
        hostname = options.local_hostname or None
        if options.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                options.host, options.port, hostname, timeout=options.timeout, context=context
            )
        else:
            server = smtplib.SMTP(options.host, options.port, hostname, timeout=options.timeout)
        try:
            if options.tls == "starttls":
                server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
            if options.user:
                server.login(options.user, options.password)
        except BaseException:
            server.close()
            raise
        self._server, self._sent = server, 0
        return server

    def _reset(self, code: int) -> None:
        """Make the connection ready for the next email after a refusal."""
        if self._server is None:
            return
        try:
            if code == 421 or self._server.rset()[0] != 250:
                self.close()
        except (OSError, smtplib.SMTPException):
            self.close()

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError, smtplib.SMTPException):
                server.close()

    def quit(self) -> None:
        """Send QUIT to the server and close the connection."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError, smtplib.SMTPException):
                server.quit()


def _build_command(name: str, sender: str, recipient: str) -> tuple[str, str]:
    if name == "MAIL":
        return "MAIL", f"FROM:<{sender}>"
    return ("RCPT", f"TO:<{recipient}>") if name == "RCPT" else ("DATA", "")
