"""What a training may take: seconds, and memory beside what the program itself needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

MEGABYTE = 1e6
STATM = Path("/proc/self/statm")
PAGE = 4096
LOOK_EVERY_S = 0.05


@dataclass
class Budget:
    """Seconds from now on, and a bound of memory in MB."""

    seconds: float
    memory_mb: float
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def spent(self) -> float:
        return self.clock() - self.began

    def left(self) -> float:
        return max(self.seconds - self.spent(), 0.0)


@dataclass(frozen=True)
class Size:
    """What an algorithm learns from: entries are different pairs of a person and a product."""

    users: int
    items: int
    entries: int
    lines: int


class TooLittleMemoryError(Exception):
    """The data alone do not fit the bound."""

    def __init__(self, *, memory_mb: float, needed_mb: float, lines: int) -> None:
        super().__init__(
            f"TRAINING_MEMORY_MB={memory_mb:.0f} is too little for {lines:,} interactions, which need about {needed_mb:.0f} MB: "
            "raise it, or train with fewer days of history."
        )


def data_mb(size: Size) -> float:
    """Interactions, their two cuts, and one matrix of people × products with its transpose."""
    return (size.lines * 21 * 3 + size.entries * 8 * 3) / MEGABYTE


class PeakMemory:
    """The most memory that the process held while the block ran, in MB; 0 where the system does not tell."""

    def __init__(self) -> None:
        self.mb = 0.0
        self._ended = Event()
        self._watch = Thread(target=self._look, name="peak-memory", daemon=True)

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

    def _look(self) -> None:
        while True:
            self.mb = max(self.mb, int(STATM.read_text().split()[1]) * PAGE / MEGABYTE)
            if self._ended.wait(LOOK_EVERY_S):
                return
