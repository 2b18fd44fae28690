"""The loops over customers and clusters, compiled by Numba; blocks of rows in threads, added in the order of the rows."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

type Points = npt.NDArray[np.float32]
type Floats = npt.NDArray[np.float64]
type Ints = npt.NDArray[np.int64]
type Labels = npt.NDArray[np.int16]

BLOCK = 65_536  # fixed, so that sums are the same whatever the number of threads
LANES = 8  # clusters are filled up to a multiple, for the processor's vectors
NOWHERE = np.float32(1e18)

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
def _nearest_block(points: Points, lanes: Points, label: Labels, distance: Points, sums: Floats, counts: Ints) -> None:
    n, d = points.shape
    width = lanes.shape[1]
    apart = np.empty(width, np.float32)
    for i in range(n):
        apart[:] = np.float32(0.0)
        for f in range(d):
            x = points[i, f]
            for j in range(width):
                step = x - lanes[f, j]
                apart[j] += step * step
        best = 0
        for j in range(1, width):
            if apart[j] < apart[best]:
                best = j
        label[i] = best
        distance[i] = apart[best]
        counts[best] += 1
        for f in range(d):
            sums[best, f] += points[i, f]


def nearest(points: Points, centroids: npt.NDArray[np.floating]) -> Nearest:
    """points: (n, d); centroids: (k, d), k ≥ 1."""
    k, d = centroids.shape
    lanes = np.full((d, -(-k // LANES) * LANES), NOWHERE, np.float32)
    lanes[:, :k] = centroids.T
    n = len(points)
    label, distance = np.empty(n, np.int16), np.empty(n, np.float32)
    starts = range(0, n, BLOCK)
    sums = np.zeros((len(starts), lanes.shape[1], d))
    counts = np.zeros((len(starts), lanes.shape[1]), np.int64)

    def work(place: int) -> None:
        rows = slice(place * BLOCK, (place + 1) * BLOCK)
        _nearest_block(points[rows], lanes, label[rows], distance[rows], sums[place], counts[place])

    if len(starts) > 1:
        with ThreadPoolExecutor(_threads()) as pool:
            list(pool.map(work, range(len(starts))))
    elif n:
        work(0)
    return Nearest(label, distance, sums.sum(axis=0)[:k], counts.sum(axis=0)[:k])


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
