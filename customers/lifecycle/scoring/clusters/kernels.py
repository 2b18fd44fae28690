"""The loops over customers and clusters, compiled by Numba; blocks of rows in threads, added in the order of the rows."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints

type Points = npt.NDArray[np.float32]

type Labels = npt.NDArray[np.int16]

BLOCK = 65_536  # fixed, so that sums are the same whatever the number of threads
TILE = 128  # rows

compiled = numba.njit(nogil=True, cache=True)


@dataclass(frozen=True, eq=False)
class Nearest:
    """label: int16 (n,), the nearest of k centroids, the first of equals; distance: float32 (n,), squared, to it. sums, counts: of the
    points at each centroid, shapes (k, d) and (k,)."""

    label: Labels
    distance: Points
    sums: Floats
    counts: Ints

    @property
    def inertia(self) -> float:
        """Σ of squared distances."""
        return float(self.distance.sum(dtype=np.float64))


@compiled
def _nearest_block(
    points: Points, centroids: Points, label: Labels, distance: Points, sums: Floats, counts: Ints
) -> None:
    """In tiles of rows, turned so that the innermost loop runs along rows, which the processor's vectors do many at a time."""
    n, d = points.shape
    k = centroids.shape[0]
    turned = np.empty((d, TILE), np.float32)
    apart, least, best = np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.empty(TILE, np.int32)
    for start in range(0, n, TILE):
        size = min(TILE, n - start)
        for r in range(size):
            for f in range(d):
                turned[f, r] = points[start + r, f]
        least[:] = np.float32(np.inf)
        best[:] = 0
        for j in range(k):
            apart[:] = np.float32(0.0)
            for f in range(d):
                centre = centroids[j, f]
                for r in range(TILE):
                    step = turned[f, r] - centre
                    apart[r] += step * step
            for r in range(TILE):
                nearer = apart[r] < least[r]
                least[r] = apart[r] if nearer else least[r]
                best[r] = j if nearer else best[r]
        for r in range(size):
            own = best[r]
            label[start + r] = own
            distance[start + r] = least[r]
            counts[own] += 1
            for f in range(d):
                sums[own, f] += points[start + r, f]


def nearest(points: Points, centroids: npt.NDArray[np.floating]) -> Nearest:
    """points: (n, d); centroids: (k, d), k ≥ 1."""
    k, d = centroids.shape
    narrow = np.ascontiguousarray(centroids, np.float32)
    n = len(points)
    label, distance = np.empty(n, np.int16), np.empty(n, np.float32)
    blocks = -(-n // BLOCK)
    sums, counts = np.zeros((blocks, k, d)), np.zeros((blocks, k), np.int64)

    def work(place: int) -> None:
        rows = slice(place * BLOCK, (place + 1) * BLOCK)
        _nearest_block(points[rows], narrow, label[rows], distance[rows], sums[place], counts[place])

    in_threads(work, blocks)
    return Nearest(label, distance, sums.sum(axis=0), counts.sum(axis=0))


def in_threads(work: Callable[[int], None], blocks: int) -> None:
    """work(0) … work(blocks − 1), in threads where there are several of both."""
    threads = min(_threads(), blocks)
    if threads <= 1:
        for place in range(blocks):
            work(place)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(blocks)))


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
