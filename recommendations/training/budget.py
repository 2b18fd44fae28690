"""The time and memory budget of a training, and the peak memory it used."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from recommendations.engine.algorithms.spec import MEGABYTE, DataSize

STATM = Path("/proc/self/statm")
PAGE_BYTES = 4096
SAMPLE_INTERVAL_S = 0.05


@dataclass
class TrainingBudget:
    """Seconds from now, and a memory limit in MB."""

    seconds: float
    memory_mb: float
    clock: Callable[[], float] = time.monotonic
    started_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.started_at = self.clock()

    def get_elapsed(self) -> float:
        """Return the seconds since the start."""
        return self.clock() - self.started_at

    def get_remaining(self) -> float:
        """Return the seconds left, at least 0."""
        return max(self.seconds - self.get_elapsed(), 0.0)

    def limit(self, share: float) -> Callable[[], bool]:
        """Return a function that returns True until this share of the seconds, counted from now, is used up."""
        end = self.get_elapsed() + share * self.seconds
        return lambda: self.get_elapsed() < end


class InsufficientMemoryError(Exception):
    """The data alone exceed the memory limit."""

    def __init__(self, *, memory_mb: float, needed_mb: float, lines: int) -> None:
        super().__init__(
            f"TRAINING_MEMORY_MB={memory_mb:.0f} is too low for {lines:,} interactions, which need about {needed_mb:.0f} MB; "
            "raise it or train on fewer days of history."
        )


def estimate_data_mb(size: DataSize) -> float:
    """Estimate the memory of the data: the interactions, both splits, and one matrix.

    The matrix is customers × products, with its transpose.
    """
    # An interaction has 21 bytes (user, item and weight of 4, time of 8, type of 1), an entry of a sparse matrix 8.
    return (size.interactions * 21 * 3 + size.entries * 8 * 3) / MEGABYTE


class PeakMemory:
    """Measures the peak memory of the process in MB while the block runs; 0 without /proc.

    A thread samples it, because the peak that the kernel records covers the life of the process, not the block.
    """

    def __init__(self) -> None:
        self.mb = 0.0
        self._ended = Event()
        self._watch = Thread(target=self._sample, name="peak-memory", daemon=True)

    def __enter__(self) -> Self:
        if STATM.exists():
            self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._watch.is_alive():
            self._watch.join()

    def _sample(self) -> None:
        while True:
            self.mb = max(self.mb, int(STATM.read_text().split()[1]) * PAGE_BYTES / MEGABYTE)
            if self._ended.wait(SAMPLE_INTERVAL_S):
                return
