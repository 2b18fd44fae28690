"""The delivery process: a child process of a worker that owns the connections to servers.

It is a separate process, so that a message in flight is finished, and its result is in the journal, even if the worker is killed. It reads
jobs from standard input, writes results to standard output, and ends with its input; jobs that were not begun are then dropped.
Standard library only for SMTP, so that it starts quickly.
"""

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import IO, Any

from recommendations.sending.transport.frames import read_frame, write_frame
from recommendations.sending.transport.journal import JournalWriter, SendResult
from recommendations.sending.transport.smtp import MailServerDownError, SmtpConnection, SmtpOptions

Job = tuple[dict[str, Any], bytes]
WAITING_JOBS = 64
DOWN_SECONDS = 5.0  # for which messages fail immediately after a server could not be reached, instead of each waiting for a time-out


class SmtpSender:
    """Sends the jobs of kind "smtp"."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._connection = SmtpConnection(SmtpOptions(**options))

    def send(self, header: dict[str, Any], body: bytes, begin: Callable[[], None]) -> SendResult:
        return self._connection.send(
            delivery_id=header["id"],
            attempt=header["attempt"],
            sender=header["sender"],
            recipient=header["recipient"],
            data=body,
            begin=begin,
        )

    def close(self) -> None:
        self._connection.quit()


class JobSender:
    """What one thread sends with: a connection of its own per server."""

    def __init__(
        self, options: dict[str, Any], journal: JournalWriter, down_servers: dict[str, tuple[float, str]]
    ) -> None:
        """down_servers: shared by all threads; for each kind of server, until when messages do not try to reach it, and why."""
        self._options = options
        self._journal = journal
        self._down_servers = down_servers
        self._senders: dict[str, Any] = {}

    def send(self, header: dict[str, Any], body: bytes) -> SendResult:
        """Send one message, or one request for the messages of a batch, and record the result in the journal."""
        delivery_id, attempt = header["id"], header["attempt"]
        parts = header.get("batch", ())
        until, reason = self._down_servers.get(header["kind"], (0.0, ""))
        if time.monotonic() < until:
            return SendResult(delivery_id, attempt, "unreachable", text=reason[:500], parts=parts)
        is_begun = False

        def begin() -> None:
            nonlocal is_begun
            self._journal.begin([(part[0], part[1]) for part in parts] or [(delivery_id, attempt)])
            is_begun = True

        try:
            result: SendResult = self._get_sender(header["kind"]).send(header, body, begin)
        except MailServerDownError as error:
            result = SendResult(delivery_id, attempt, "unreachable", text=str(error)[:500])
            self._down_servers[header["kind"]] = time.monotonic() + DOWN_SECONDS, str(error)
        except Exception as error:  # noqa: BLE001 — whatever went wrong, the worker needs a result
            text = f"{type(error).__name__}: {error}"[:500]
            result = SendResult(delivery_id, attempt, "uncertain" if is_begun else "temporary", text=text)
        result = replace(result, parts=parts)
        self._journal.end(result)
        return result

    def _get_sender(self, kind: str) -> Any:
        if kind not in self._senders:
            self._senders[kind] = create_sender(kind, self._options.get(kind, {}))
        return self._senders[kind]

    def close(self) -> None:
        for sender in self._senders.values():
            sender.close()


def create_sender(kind: str, options: dict[str, Any]) -> Any:
    """Return the sender for jobs of a kind. Modules of kinds other than SMTP are imported only here, because that takes time."""
    if kind == "http":
        from recommendations.sending.transport.http import HttpSender

        return HttpSender(options)
    if kind == "backend":
        from recommendations.sending.transport.mail_backend import BackendSender

        return BackendSender()
    return SmtpSender(options)


class DeliveryProcess:
    """Distributes jobs to threads, and their results to the worker."""

    def __init__(self, options: dict[str, Any], output: IO[bytes]) -> None:
        self._options = options
        self._output = output
        self._output_lock = threading.Lock()
        self._journal = JournalWriter(options["journal"])
        # short, so that a message is not sent long after the worker last checked that it may be sent, but long enough to keep the
        # connections busy while the worker composes the next messages
        self._jobs: queue.Queue[Job | None] = queue.Queue(maxsize=WAITING_JOBS)
        self._is_ending = threading.Event()
        self._down_servers: dict[str, tuple[float, str]] = {}

    def run(self, source: IO[bytes]) -> None:
        threads = [threading.Thread(target=self._work) for _connection in range(self._options["connections"])]
        for thread in threads:
            thread.start()
        while (job := read_frame(source)) is not None:
            self._jobs.put(job)
        self._is_ending.set()
        for _thread in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        sender = JobSender(self._options, self._journal, self._down_servers)
        try:
            while (job := self._jobs.get()) is not None:
                if not self._is_ending.is_set():
                    self._report(sender.send(*job))
        finally:
            sender.close()

    def _report(self, result: SendResult) -> None:
        with self._output_lock, suppress(BrokenPipeError):  # the worker is gone; the journal has the result
            write_frame(self._output, asdict(result))


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker decides when to stop, by closing the input
    first = read_frame(sys.stdin.buffer)
    if first is not None:
        DeliveryProcess(first[0], sys.stdout.buffer).run(sys.stdin.buffer)


if __name__ == "__main__":
    main()
