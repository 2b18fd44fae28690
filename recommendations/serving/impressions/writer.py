"""Record impressions without delaying responses: a queue per process, which a thread sends."""

import atexit
import logging
import os
import threading
from collections import deque

from config.foundation.test_mode import is_test_mode
from config.foundation.valkey import ValkeyDownError
from recommendations.serving.impressions import stream
from recommendations.serving.impressions.exposures import keep_served_variants
from recommendations.serving.impressions.served_entry import ServedEntry, pack_entry

FLUSH_SECONDS = 0.05
MAX_WAITING = 10_000  # a few seconds' worth for a busy worker; further ones are dropped while Valkey is down
MAX_BATCH = 2_000
logger = logging.getLogger(__name__)


class ImpressionQueue:
    """The impressions waiting in this process.

    Appending needs no lock and no call; the thread starts with the first entry.
    """

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        self.max_waiting = max_waiting
        self.waiting: deque[ServedEntry] = deque()
        self.dropped = 0  # not yet reported to Valkey
        self.is_down = False
        self._has_entries = threading.Event()
        self._send_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()

    def add(self, entry: ServedEntry) -> None:
        """Queue an impression without blocking; if the queue is full, drop and count it."""
        if len(self.waiting) >= self.max_waiting:
            self.dropped += 1
            return
        self.waiting.append(entry)
        if not self._has_entries.is_set():
            self._has_entries.set()
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """Wait for the first entry, let others join it for a moment, and send them together."""
        pause = threading.Event()
        while True:
            self._has_entries.wait()
            pause.wait(FLUSH_SECONDS)
            self._has_entries.clear()
            self.flush()
            if self.waiting:
                self._has_entries.set()

    def flush(self) -> int:
        """Send the waiting impressions and return their number.

        While Valkey is down they stay in the queue.
        """
        sent = 0
        with self._send_lock:
            while self.waiting:
                batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), MAX_BATCH))]
                # reported and subtracted after the send: requests may drop more entries meanwhile
                dropped = self.dropped
                try:
                    stream.append_entries(self._pack_entries(batch), dropped=dropped)
                    keep_served_variants(batch)
                except ValkeyDownError as error:
                    self.waiting.extendleft(reversed(batch))
                    self._report_down(error)
                    return sent
                self.dropped -= dropped
                sent += len(batch)
                if self.is_down:
                    self.is_down = False
                    logger.warning("Valkey is available again; %d impressions were dropped in the meantime", dropped)
        return sent

    def _pack_entries(self, entries: list[ServedEntry]) -> list[bytes]:
        """Pack the entries; drop one that cannot be packed, which is a bug in its caller."""
        packed = []
        for entry in entries:
            try:
                packed.append(pack_entry(entry))
            except (TypeError, ValueError, OverflowError):
                self.dropped += 1
                logger.exception("An impression cannot be packed and was dropped: %r", entry)
        return packed

    def _report_down(self, error: ValkeyDownError) -> None:
        if not self.is_down:
            self.is_down = True
            logger.warning(
                "Valkey is down (%s): up to %d impressions wait in this process, further ones are dropped and counted",
                error,
                self.max_waiting,
            )


class ProcessImpressionQueue:
    """The queue of this process.

    A forked child starts with an empty one, because the parent sends its own.
    """

    def __init__(self) -> None:
        self.reset()
        os.register_at_fork(after_in_child=self.reset)
        atexit.register(self.finish)

    def reset(self) -> None:
        """Start with an empty queue."""
        self.writer = ImpressionQueue()
        self.add = self.writer.add

    def finish(self) -> None:
        """Send the last impressions with a single try, because the process is ending."""
        self.writer.flush()


process_queue = ProcessImpressionQueue()


def record_impression(entry: ServedEntry) -> None:
    """Queue an impression in a few microseconds; see `ImpressionQueue.add`. In test mode, do nothing, because nobody sees the response."""
    if not is_test_mode():
        process_queue.add(entry)
