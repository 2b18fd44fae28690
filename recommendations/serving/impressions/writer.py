"""Record impressions without delaying the response: a queue per process and a thread that sends it to Valkey."""

import atexit
import logging
import os
import threading
from collections import deque

from config.foundation.valkey import ValkeyDownError
from recommendations.serving.impressions import stream
from recommendations.serving.impressions.served_entry import ServedEntry, pack_entry

FLUSH_SECONDS = 0.05
MAX_WAITING = 10_000  # a few seconds of a busy worker; further ones are dropped while Valkey is down
MAX_BATCH = 2_000
logger = logging.getLogger(__name__)


class ImpressionQueue:
    """The impressions waiting in this process. Appending needs no lock and no call; the thread starts with the first entry."""

    def __init__(self, *, most: int = MAX_WAITING) -> None:
        self.most = most
        self.waiting: deque[ServedEntry] = deque()
        self.dropped = 0  # not yet reported to Valkey
        self.down = False
        self._news = threading.Event()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def note(self, shown: ServedEntry) -> None:
        """Queue an impression. Never blocks and never fails: if the queue is full, the impression is dropped and counted."""
        if len(self.waiting) >= self.most:
            self.dropped += 1
            return
        self.waiting.append(shown)
        if not self._news.is_set():
            self._news.set()
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """Wait for the first entry, let others join it for a moment, and send them together."""
        pause = threading.Event()
        while True:
            self._news.wait()
            pause.wait(FLUSH_SECONDS)
            self._news.clear()
            self.flush()
            if self.waiting:
                self._news.set()

    def flush(self) -> int:
        """Send the waiting impressions and return their number; while Valkey is down they stay, as far as there is room."""
        sent = 0
        with self._sending:
            while self.waiting:
                batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), MAX_BATCH))]
                dropped = self.dropped
                try:
                    stream.append_entries(self._packed(batch), dropped=dropped)
                except ValkeyDownError as error:
                    self.waiting.extendleft(reversed(batch))
                    self._note_down(error)
                    return sent
                self.dropped -= dropped
                sent += len(batch)
                if self.down:
                    self.down = False
                    logger.warning("Valkey is available again; %d impressions were dropped meanwhile", dropped)
        return sent

    def _packed(self, some: list[ServedEntry]) -> list[bytes]:
        """Pack the entries; one that cannot be packed is a bug of its caller and must not stop the others."""
        packed = []
        for shown in some:
            try:
                packed.append(pack_entry(shown))
            except (TypeError, ValueError, OverflowError):
                self.dropped += 1
                logger.exception("An impression cannot be packed and was dropped: %r", shown)
        return packed

    def _note_down(self, error: ValkeyDownError) -> None:
        if not self.down:
            self.down = True
            logger.warning(
                "Valkey is down (%s): up to %d impressions wait in this process, further ones are dropped and counted",
                error,
                self.most,
            )


class ProcessImpressionQueue:
    """The queue of this process; a forked child starts with an empty one, because the parent sends its own."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)
        atexit.register(self.finish)

    def renew(self) -> None:
        self.writer = ImpressionQueue()
        self.note = self.writer.note

    def finish(self) -> None:
        """Send the last impressions with a single try, because the process is ending."""
        self.writer.flush()


process_queue = ProcessImpressionQueue()


def record_impression(shown: ServedEntry) -> None:
    """Queue an impression in a few microseconds; see `ImpressionQueue.note`."""
    process_queue.note(shown)
