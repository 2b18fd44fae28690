"""The worker's side of the delivery process: starts it, gives it messages and collects their results."""

import os
import queue
import subprocess
import sys
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from recommendations.sending.transport.frames import read_frame, write_frame
from recommendations.sending.transport.journal import (
    SUFFIX,
    SendResult,
    create_journal,
    parse_journal,
)

PROCESS_MODULE = "recommendations.sending.transport.process"
END_SECONDS = 60.0  # for closing the connections to the servers


def get_journal_folder() -> Path:
    """Return the folder of the journals of this database."""
    return Path(settings.VAR_DIR) / "sending" / str(connection.settings_dict["NAME"])


class DeliveryClient:
    """One delivery process and its journal.

    The journal is created when its name is first needed, the process starts with the first message.
    """

    def __init__(self, options: dict[str, Any], *, module: str = PROCESS_MODULE) -> None:
        self._module = module
        self._claim = ""
        self._descriptor = -1
        self._options = {"connections": 1, **options}
        self._process: subprocess.Popen[bytes] | None = None
        self._results: queue.SimpleQueue[SendResult | None] = queue.SimpleQueue()
        self._open: dict[int, int] = {}  # delivery → attempt, of messages without a result

    @property
    def claim(self) -> str:
        """Return the name of the journal, with which deliveries are claimed."""
        if not self._claim:
            name = uuid.uuid4().hex
            self._descriptor = create_journal(get_journal_folder(), name)
            self._claim = name
        return self._claim

    @property
    def open_count(self) -> int:
        return len(self._open)

    def configure(self, options: dict[str, Any]) -> None:
        """Add options of a channel before the process starts; ignored while it runs."""
        if self._process is None:
            self._options |= options

    def submit(self, header: dict[str, Any], body: bytes) -> None:
        """Hand a message over; wait while the process is busy.

        header: at least id and attempt; if one request sends several messages, batch has the id, attempt and recipient of each.
        """
        self._open[header["id"]] = header["attempt"]
        self._open.update((part[0], part[1]) for part in header.get("batch", ()))
        process = self._process or self._start()
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # the results show what happened to it
            write_frame(process.stdin, header, body)

    def collect(self, *, wait: bool) -> list[SendResult]:
        """Return the available results; with ``wait``, at least one if messages are open."""
        results: list[SendResult] = []
        while self._open and (not self._results.empty() or (wait and not results)):
            result = self._results.get()
            if result is None:
                return [*results, *self._read_open_results()]
            if self._open.pop(result.delivery_id, None) is not None:
                results.append(result)
        return results

    def close(self) -> None:
        """End the process, and delete the journal, whose results the caller has recorded."""
        if self._process is not None:
            process, self._process = self._process, None
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.close()
            self._reader.join(END_SECONDS)
        if self._claim:
            os.close(self._descriptor)
            (get_journal_folder() / f"{self._claim}{SUFFIX}").unlink(missing_ok=True)

    def abandon(self) -> None:
        """End the process after the messages in flight, and leave the journal to the next worker."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        if self._claim:
            os.close(self._descriptor)

    def _start(self) -> subprocess.Popen[bytes]:
        assert self.claim
        options = {**self._options, "journal": self._descriptor}
        process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=settings.BASE_DIR,
            pass_fds=[self._descriptor],
            start_new_session=True,  # signals to the group of the worker do not end it
        )
        assert process.stdin is not None
        self._process = process
        self._reader = threading.Thread(target=self._read_results, args=(process,), daemon=True)
        self._reader.start()
        with suppress(BrokenPipeError):
            write_frame(process.stdin, options)
        return process

    def _read_results(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            while (frame := read_frame(stream)) is not None:
                for result in SendResult(**frame[0]).split():
                    self._results.put(result)
        process.wait()
        self._results.put(None)

    def _read_open_results(self) -> list[SendResult]:
        """Return the results of the open messages from the journal, after the process ended unexpectedly."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process = None
        journal = parse_journal((get_journal_folder() / f"{self.claim}{SUFFIX}").read_text())
        unsent = "The sending process ended before it sent this message."
        results = [
            journal.find_result(delivery_id, attempt) or SendResult(delivery_id, attempt, "unreachable", text=unsent)
            for delivery_id, attempt in self._open.items()
        ]
        self._open.clear()
        return results
