"""Progress of long work, shown as a bar or published as a percentage by a function that the work calls; and whether it should end early."""

import mmap
import sys
import time
from collections.abc import Callable
from typing import TextIO

from django.core.cache import cache

# Called with the amount done and the total, in the same unit (rows, customers, steps).
Progress = Callable[[int, int], None]

CACHE_SECONDS = 24 * 3600

_stopping = mmap.mmap(-1, 1)  # shared with the processes that a worker forks


def announce_stop() -> None:
    """Record that this worker is about to stop, for the tasks of all its processes."""
    _stopping[0] = 1


def is_worker_stopping() -> bool:
    """Return whether a task should end early, and leave the rest to its next run, so that the worker need not be killed."""
    return bool(_stopping[0])


def ignore_progress(done: int, total: int) -> None:
    """Do nothing; the default for callers without a display."""


class ProgressBar:
    """A bar that fills up on a terminal; elsewhere one line for every 10 percent."""

    def __init__(self, label: str, stream: TextIO = sys.stderr) -> None:
        self.label = label
        self.stream = stream
        self.started = time.monotonic()
        self.last_percent = -1

    def __call__(self, done: int, total: int) -> None:
        percent = 100 if total <= 0 else min(100, done * 100 // total)
        if done == 0 and self.last_percent < 0:
            self.started = time.monotonic()  # waiting for a lock before the work is not part of it
        step = percent if self.stream.isatty() else percent // 10 * 10
        if step <= self.last_percent:
            return
        self.last_percent = step
        seconds = time.monotonic() - self.started
        left = f", {seconds * (100 - percent) / percent:.0f} s left" if 0 < percent < 100 else ""
        text = f"{self.label} [{'#' * (percent // 5):<20}] {percent:3d}% {done:,}/{total:,} ({seconds:.0f} s{left})"
        end = "\n" if percent == 100 or not self.stream.isatty() else ""
        self.stream.write(f"\r{text:<100}{end}" if self.stream.isatty() else f"{text}\n")
        self.stream.flush()


class PublishedProgress:
    """Writes whole percentages to the cache, so that a page can show the progress of a worker."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.published_percent = -1

    def __call__(self, done: int, total: int) -> None:
        percent = done * 100 // max(1, total)
        if percent > self.published_percent:
            self.published_percent = percent
            cache.set(self.key, percent, CACHE_SECONDS)


def read_published_progress(key: str) -> int | None:
    """Return the last published percentage; None when there is none."""
    return cache.get(key)
