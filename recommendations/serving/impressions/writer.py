"""Notes what was shown without the visitor waiting for it: a queue of this process and a thread that empties it into Valkey."""

import atexit
import logging
import os
import threading
from collections import deque

from config.foundation.valkey import ValkeyDownError
from recommendations.serving.impressions import stream
from recommendations.serving.impressions.served_entry import Shown, pack

FLUSH_SECONDS = 0.05
MOST_WAITING = 10_000  # some seconds of a busy worker; what comes on top while Valkey is down is dropped
MOST_AT_ONCE = 2_000
logger = logging.getLogger(__name__)


class Writer:
    """What waits in this process. Appending costs no lock and no call; the thread begins with the first entry."""

    def __init__(self, *, most: int = MOST_WAITING) -> None:
        self.most = most
        self.waiting: deque[Shown] = deque()
        self.dropped = 0  # not told yet to Valkey
        self.down = False
        self._news = threading.Event()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def note(self, shown: Shown) -> None:
        """Never waits and never fails: where there is no room the impression is dropped and counted."""
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
        """Waits for the first entry, lets others join it for a moment, sends them together."""
        pause = threading.Event()
        while True:
            self._news.wait()
            pause.wait(FLUSH_SECONDS)
            self._news.clear()
            self.flush()
            if self.waiting:
                self._news.set()

    def flush(self) -> int:
        """Sends what waits; how many impressions went. While Valkey is down they stay, as long as there is room."""
        sent = 0
        with self._sending:
            while self.waiting:
                some = [self.waiting.popleft() for _ in range(min(len(self.waiting), MOST_AT_ONCE))]
                dropped = self.dropped
                try:
                    stream.append(self._packed(some), dropped=dropped)
                except ValkeyDownError as error:
                    self.waiting.extendleft(reversed(some))
                    self._note_down(error)
                    return sent
                self.dropped -= dropped
                sent += len(some)
                if self.down:
                    self.down = False
                    logger.warning("Valkey answers again: impressions are kept; %d were dropped meanwhile", dropped)
        return sent

    def _packed(self, some: list[Shown]) -> list[bytes]:
        """One that cannot be packed is a mistake of whoever noted it; it must not stop the others."""
        packed = []
        for shown in some:
            try:
                packed.append(pack(shown))
            except (TypeError, ValueError, OverflowError):
                self.dropped += 1
                logger.exception("An impression cannot be packed and is dropped: %r", shown)
        return packed

    def _note_down(self, error: ValkeyDownError) -> None:
        if not self.down:
            self.down = True
            logger.warning(
                "Valkey does not answer (%s): up to %d impressions wait in this process, further ones are dropped and counted",
                error,
                self.most,
            )


class ProcessWriter:
    """The one writer of this process: a child that was forked begins with an empty one, because the parent sends its own."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)
        atexit.register(self.finish)

    def renew(self) -> None:
        self.writer = Writer()
        self.note = self.writer.note

    def finish(self) -> None:
        """What was noted in the last moment; not more than one try, because the process is ending."""
        self.writer.flush()


process = ProcessWriter()


def note_shown(shown: Shown) -> None:
    """Some microseconds: see `Writer.note`."""
    process.note(shown)
