"""How far long work has come: the work calls a function, a command shows it as a bar."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

# called with how much is done and how much there is, in the same unit (rows, customers, steps)
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """For callers who don't want to know."""


class ProgressBar:
    """A line on a terminal that fills up; elsewhere one line for every tenth."""

    def __init__(self, label: str, stream: TextIO = sys.stderr) -> None:
        self.label = label
        self.stream = stream
        self.started = time.monotonic()
        self.shown = -1

    def __call__(self, done: int, total: int) -> None:
        share = 100 if total <= 0 else min(100, done * 100 // total)
        step = share if self.stream.isatty() else share // 10 * 10
        if step <= self.shown:
            return
        self.shown = step
        seconds = time.monotonic() - self.started
        left = f", {seconds * (100 - share) / share:.0f} s left" if 0 < share < 100 else ""
        text = f"{self.label} [{'#' * (share // 5):<20}] {share:3d} % {done:,}/{total:,} ({seconds:.0f} s{left})"
        end = "\n" if share == 100 or not self.stream.isatty() else ""
        self.stream.write(f"\r{text:<100}{end}" if self.stream.isatty() else f"{text}\n")
        self.stream.flush()
