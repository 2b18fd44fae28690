"""How fast the machine is while a benchmark runs: a fixed piece of work, measured again and again.

The processor time of the same work differs by half and more on virtual machines, and with what else runs: caches and memory are shared, and
the host may take time away. Dividing a cost by the slowness during its measurement removes most of this.
"""

import statistics
import threading
import time
from types import TracebackType
from typing import Self

import numpy as np

INTERVAL_SECONDS = 0.5
STEPS = 20_000  # of an interpreted loop
SORTED = 50_000
TABLE, LOOKED_UP = 4_000_000, 25_000  # the rows of the table that are looked up, 1.6 MB, exceed the first-level cache


class SpeedSampler:
    """Measures the fixed work every half second, in a thread, for about 1% of a processor.

    The work is done twice and only the second time is measured: on an idle processor, whose caches are cold, the first takes up to
    three times as long, so that a step that leaves a processor idle would look slower.

    samples: the time of each measurement, in seconds since 1970, and its processor seconds.
    """

    def __init__(self) -> None:
        draws = np.random.default_rng(1)
        self.samples: list[tuple[float, float]] = []
        self._table = draws.random(TABLE)
        self._rows = draws.integers(0, TABLE, LOOKED_UP)
        self._values = draws.random(SORTED)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="machine-speed", daemon=True)

    def __enter__(self) -> Self:
        self._work()  # loads code and data
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self._work()
            began = time.thread_time()
            self._work()
            self.samples.append((time.time(), time.thread_time() - began))

    def _work(self) -> float:
        total = 0
        for number in range(STEPS):
            total += number * number % 7
        return total + float(np.sort(self._values)[0]) + float(self._table[self._rows].sum())

    def compute_usual_seconds(self) -> float | None:
        """Return the median processor time of the work, in seconds; None without any sample."""
        return statistics.median(seconds for _at, seconds in self.samples) if self.samples else None

    def compute_slowness(self, began_at: float, ended_at: float, usual_seconds: float | None = None) -> float:
        """Return the mean processor time of the work between two times, divided by the usual one.

        usual_seconds: that of another run, with which this one is compared; by default, the median of all samples.
        If there was no sample between the two times, the nearest one counts. 1 without any sample.
        """
        usual = usual_seconds or self.compute_usual_seconds()
        if usual is None or not self.samples:
            return 1.0
        inside = [seconds for at, seconds in self.samples if began_at <= at <= ended_at]
        if not inside:
            middle = (began_at + ended_at) / 2
            inside = [min(self.samples, key=lambda sample: abs(sample[0] - middle))[1]]
        return statistics.fmean(inside) / usual
