"""Receive request bodies without holding a thread, within the limits of time, size and number.

Granian's runtime reads from the socket and calls back when a body, or a part of a long one, has arrived. Until then, a request is only
an entry in a dict here, so clients that send slowly, or never, keep no thread from answering others.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import IO, Any

from config.web_server.addresses import find_network
from config.web_server.connections import close_excess_connections
from config.web_server.environ import Environ
from config.web_server.limits import ClientLimits, find_max_bytes
from config.web_server.responses import Protocol, send_error

logger = logging.getLogger(__name__)

MEMORY_BYTES = 512 * 1024  # of a body; a longer one goes to a file
CHECK_SECONDS = 0.25

type OnComplete = Callable[[Environ, Protocol], None]


class RequestBody:
    """A body that is arriving: as a whole if it is announced to be short, otherwise in parts."""

    __slots__ = (
        "environ",
        "file",
        "future",
        "had_empty_part",
        "is_whole",
        "length",
        "max_bytes",
        "parts",
        "protocol",
        "received",
        "started_at",
    )

    def __init__(self, environ: Environ, protocol: Protocol, length: int | None) -> None:
        """length: what the client announced; None for a chunked body."""
        self.environ = environ
        self.protocol = protocol
        self.length = length
        self.max_bytes = find_max_bytes(environ["PATH_INFO"], environ.get("HTTP_COOKIE", ""))
        self.is_whole = length is not None and length <= MEMORY_BYTES
        self.started_at = time.monotonic()
        self.received = length if self.is_whole and length is not None else 0
        self.had_empty_part = False
        self.parts: list[bytes] = []
        self.file: IO[bytes] | None = None
        self.future: Any = None

    def add(self, part: bytes) -> None:
        self.received += len(part)
        self.parts.append(part)
        if self.received > MEMORY_BYTES:
            if self.file is None:
                self.file = TemporaryFile()  # noqa: SIM115 — closed after the request
            self.file.writelines(self.parts)
            self.parts.clear()

    def open(self) -> IO[bytes]:
        if self.file is None:
            return BytesIO(self.parts[0] if len(self.parts) == 1 else b"".join(self.parts))
        self.file.seek(0)
        return self.file


class BodyReceiver:
    """Receives the bodies of one web process and passes on each request whose body is complete."""

    def __init__(self, limits: ClientLimits, *, port: int, on_complete: OnComplete) -> None:
        self._limits = limits
        self._port = port
        self._on_complete = on_complete
        # In order of arrival. Whoever removes a body decides what happens to its request, so that nobody answers it twice.
        self._unfinished: dict[RequestBody, None] = {}
        self._stopped = Event()

    def start(self) -> None:
        Thread(target=self._check_until_stopped, name="check-clients", daemon=True).start()

    def stop(self) -> None:
        """Refuse all unfinished bodies within ``CHECK_SECONDS``; safe in a signal handler."""
        self._stopped.set()

    def receive(self, environ: Environ, protocol: Protocol) -> None:
        """Start to receive a body, without making the calling thread wait for it."""
        length = None if "HTTP_TRANSFER_ENCODING" in environ else int(environ["CONTENT_LENGTH"].rpartition(",")[2])
        body = RequestBody(environ, protocol, length)
        if length is not None and length > body.max_bytes:
            send_too_large(body)
        elif self._stopped.is_set() or len(self._unfinished) >= self._limits.unfinished:
            send_error(protocol, environ, 503, "too_many_requests", "The server is busy; send the request again later.")
        else:
            self._unfinished[body] = None
            if body.is_whole:
                self._wait(body, protocol(), self._take_whole)
            else:
                protocol.__aiter__()
                self._wait(body, protocol.__anext__(), self._take_part)

    def check(self, *, now: float) -> None:
        """Refuse bodies that are too late, too many from one address, or too large together."""
        unfinished = list(self._unfinished)
        for body in unfinished:
            if now > self._find_deadline(body):
                message = "The body did not arrive in time; send the request again."
                self._refuse(body, 408, "request_timeout", message)
        for body in self._find_excess(unfinished, now):
            number = self._limits.bodies_per_address
            message = f"This address has more than {number} unfinished requests; send them one after another."
            self._refuse(body, 429, "too_many_unfinished_requests", message)
        total = sum(body.received for body in unfinished)
        for body in sorted(unfinished, key=lambda body: body.received, reverse=True):
            if total <= self._limits.unfinished_bytes:
                break
            total -= body.received
            self._refuse(body, 503, "too_many_requests", "The server is busy; send the request again later.")

    def _find_deadline(self, body: RequestBody) -> float:
        return body.started_at + self._limits.body_seconds + body.received / self._limits.bytes_per_second

    def _find_excess(self, unfinished: Iterable[RequestBody], now: float) -> list[RequestBody]:
        """Return the oldest bodies of each address that exceed its number.

        A body counts only after ``slow_seconds``: many requests at once are no attack, and a proxy sends all of a shop's.
        """
        slow = [body for body in unfinished if now - body.started_at > self._limits.slow_seconds]
        if len(slow) <= self._limits.bodies_per_address:
            return []
        networks = {body: find_network(body.environ["REMOTE_ADDR"]) for body in slow}
        excess = Counter(networks.values())
        excess.subtract(dict.fromkeys(excess, self._limits.bodies_per_address))
        refused = []
        for body in slow:
            if excess[networks[body]] > 0:
                excess[networks[body]] -= 1
                refused.append(body)
        return refused

    def _check_until_stopped(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            try:
                close_excess_connections(port=self._port, per_address=self._limits.connections_per_address)
                self.check(now=time.monotonic())
            except Exception:  # this thread must live as long as the process
                logger.exception("Clients could not be checked")
        for body in list(self._unfinished):
            self._refuse(body, 503, "server_stopping", "The server is stopping; send the request again.")

    def _wait(self, body: RequestBody, future: Any, take: Callable[[RequestBody, Any], None]) -> None:
        """Let Granian call ``take`` in one of its threads, with the body and what arrived."""

        def take_result(done: Any) -> None:
            body.future = None  # the future refers to this body
            if done.cancelled() or body not in self._unfinished:
                return
            try:
                data = done.result()
            except RuntimeError:  # the client is gone
                self._refuse(body, 400, "incomplete_body", "The body is incomplete; send it again.")
            else:
                take(body, data)

        body.future = future
        future.add_done_callback(take_result)
        if body not in self._unfinished:
            future.cancel()  # the body was refused just before the future existed

    def _take_whole(self, body: RequestBody, data: bytes) -> None:
        body.parts.append(data)
        self._complete(body)

    def _take_part(self, body: RequestBody, part: bytes) -> None:
        body.add(part)
        if body.received > body.max_bytes:
            if self._remove(body):
                send_too_large(body)
            return
        if body.received == body.length:
            self._complete(body)
            return
        # Granian ends a body by an empty part. It also sends one, and then a second one, when the client is gone.
        try:
            following = body.protocol.__anext__()
        except StopAsyncIteration:
            if body.length is None and not body.had_empty_part:
                self._complete(body)
            else:
                self._refuse(body, 400, "incomplete_body", "The body is incomplete; send it again.")
        else:
            body.had_empty_part = not part
            self._wait(body, following, self._take_part)

    def _complete(self, body: RequestBody) -> None:
        if self._remove(body):
            # A chunked body has a length now too: Django treats a body without one as empty.
            body.environ["CONTENT_LENGTH"] = str(body.received)
            body.environ["wsgi.input"] = body.open()
            self._on_complete(body.environ, body.protocol)

    def _remove(self, body: RequestBody) -> bool:
        """Return whether the caller may answer the request."""
        return self._unfinished.pop(body, self) is None

    def _refuse(self, body: RequestBody, status: int, code: str, message: str) -> None:
        if not self._remove(body):
            return
        future, body.future = body.future, None
        if future is not None:
            future.cancel()
        send_error(body.protocol, body.environ, status, code, message)


def send_too_large(body: RequestBody) -> None:
    message = f"The body has more than {body.max_bytes} bytes; send less at once."
    send_error(body.protocol, body.environ, 413, "too_large", message)
