"""The loops over customers and clusters, compiled by Numba.

Threads process blocks of rows, added up in row order.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from config.foundation.kernels.compilation import make_jit

type Points = npt.NDArray[np.float32]

type Labels = npt.NDArray[np.int16]

BLOCK_ROWS = 65_536  # rows; fixed, so that sums do not depend on the number of threads
TILE_ROWS = 128  # rows

compiled = make_jit(nogil=True)


@dataclass(frozen=True, eq=False)
class NearestCentroids:
    """The nearest centroid of n points.

    label: int16 (n,), the nearest of k centroids, the first of equals; distance: float32 (n,), squared, to it. sums, counts: of the
    points at each centroid, shapes (k, d) and (k,).
    """

    label: Labels
    distance: Points
    sums: Floats
    counts: Ints

    @property
    def inertia(self) -> float:
        """Return Σ of squared distances."""
        return float(self.distance.sum(dtype=np.float64))


@compiled
def _find_nearest_block(
    points: Points, centroids: Points, label: Labels, distance: Points, sums: Floats, counts: Ints
) -> None:
    """Find the nearest centroids of a block, tile by tile.

    Tiles of rows are transposed so that the inner loop vectorizes along rows.
    """
    n, d = points.shape
    k = centroids.shape[0]
    transposed = np.empty((d, TILE_ROWS), np.float32)
    distances, min_distances, best = (
        np.empty(TILE_ROWS, np.float32),
        np.empty(TILE_ROWS, np.float32),
        np.empty(TILE_ROWS, np.int32),
    )
    for start in range(0, n, TILE_ROWS):
        size = min(TILE_ROWS, n - start)
        for r in range(size):
            for f in range(d):
                transposed[f, r] = points[start + r, f]
        min_distances[:] = np.float32(np.inf)
        best[:] = 0
        for j in range(k):
            distances[:] = np.float32(0.0)
            for f in range(d):
                center = centroids[j, f]
                for r in range(TILE_ROWS):
                    step = transposed[f, r] - center
                    distances[r] += step * step
            # Branch-free selection, and over whole tiles: both keep the loop in vector registers.
            for r in range(TILE_ROWS):
                nearer = distances[r] < min_distances[r]
                min_distances[r] = distances[r] if nearer else min_distances[r]
                best[r] = j if nearer else best[r]
        # The rows beyond `size` of the last tile are stale, so only real rows are written.
        for r in range(size):
            own = best[r]
            label[start + r] = own
            distance[start + r] = min_distances[r]
            counts[own] += 1
            for f in range(d):
                sums[own, f] += points[start + r, f]


def find_nearest(points: Points, centroids: npt.NDArray[np.floating]) -> NearestCentroids:
    """Find the nearest centroid of each point. points: (n, d); centroids: (k, d), k ≥ 1."""
    k, d = centroids.shape
    centroids32 = np.ascontiguousarray(centroids, np.float32)
    n = len(points)
    label, distance = np.empty(n, np.int16), np.empty(n, np.float32)
    blocks = -(-n // BLOCK_ROWS)
    sums, counts = np.zeros((blocks, k, d)), np.zeros((blocks, k), np.int64)

    def process_block(block: int) -> None:
        rows = slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)
        _find_nearest_block(points[rows], centroids32, label[rows], distance[rows], sums[block], counts[block])

    run_in_threads(process_block, blocks)
    return NearestCentroids(label, distance, sums.sum(axis=0), counts.sum(axis=0))


def run_in_threads(work: Callable[[int], None], blocks: int) -> None:
    """Run work(0) … work(blocks − 1), in threads where there are several of both."""
    threads = min(_count_threads(), blocks)
    if threads <= 1:
        for block in range(blocks):
            work(block)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(blocks)))


def _count_threads() -> int:
    """Return the number of processors available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
