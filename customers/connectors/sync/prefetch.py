"""Reads the next pages of a shop in a thread while those before are written.

Only requests and the mapping of their answers happen in the thread. It touches no database: changed keys are stored by the caller's thread.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import Any

from django.utils import translation

from customers.connectors.platforms.base import Connector, RecordPage

MAX_WAITING = 1  # pages that are read but not yet written; one more is being read
CHECK_SECONDS = 0.2
END_SECONDS = 5.0  # how long to wait for a request that was cut off to end

type ReadPages = Callable[[], Iterator[RecordPage]]


class PagePrefetcher:
    """Reads pages in a thread of its own. An error in the thread is raised to the caller in place of the next page."""

    def __init__(self, read_pages: ReadPages) -> None:
        self._read_pages = read_pages
        self._queue: Queue[tuple[RecordPage | None, BaseException | None]] = Queue(MAX_WAITING)
        self._stopped = threading.Event()
        self._language = translation.get_language()
        self.is_done = False
        self.thread = threading.Thread(target=self._work, name="prefetch-pages", daemon=True)

    def iterate(self) -> Iterator[RecordPage]:
        while True:
            page, error = self._queue.get()
            self.is_done = page is None
            if error is not None:
                raise error
            if page is None:
                return
            yield page

    def stop(self) -> None:
        """Stop the thread after its current step, and drop the pages that it has read."""
        self._stopped.set()
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                break
        self.thread.join(END_SECONDS)

    def _work(self) -> None:
        # error messages are put into words in this thread, so it needs the user's language
        with translation.override(self._language):
            try:
                for page in self._read_pages():
                    if not self._put(page, None):
                        return
            except BaseException as error:  # noqa: BLE001 — raised in the thread that waits for pages
                self._put(None, error)
            else:
                self._put(None, None)

    def _put(self, page: RecordPage | None, error: BaseException | None) -> bool:
        """Hand over a page once there is room; return False if the caller has stopped."""
        while not self._stopped.is_set():
            try:
                self._queue.put((page, error), timeout=CHECK_SECONDS)
            except Full:
                continue
            return True
        return False


@contextmanager
def prefetch_pages(connector: Connector, read_pages: ReadPages) -> Iterator[Iterator[RecordPage]]:
    """Yield the pages, reading ahead. If the block ends early, a running request is cut off, and the connector cannot be used again."""
    save, changed = connector.access.save, list[dict[str, Any]]()

    def store_changed() -> None:
        latest = None
        while changed:  # one by one, because the thread can append more at any time
            latest = changed.pop(0)
        if latest is not None:
            save(latest)

    def iterate() -> Iterator[RecordPage]:
        for page in prefetcher.iterate():
            store_changed()
            yield page

    connector.access.save = lambda credentials: changed.append(dict(credentials))
    prefetcher = PagePrefetcher(read_pages)
    prefetcher.thread.start()
    try:
        yield iterate()
    finally:
        if not prefetcher.is_done:
            connector.interrupt()
        prefetcher.stop()
        connector.access.save = save
        store_changed()
