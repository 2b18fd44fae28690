"""Runs a GIL-releasing function on blocks of rows in threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def count_threads() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_blocks[Result](
    work: Callable[[int, int], Result], n_rows: int, *, blocks_per_thread: int = 8, smallest: int = 64
) -> list[Result]:
    """Call work(start, stop) for consecutive blocks that cover 0…n_rows; return the results in the order of the rows.

    The next free thread takes the next block, so uneven rows do no harm. Few rows run in the calling thread.
    """
    threads = count_threads()
    size = max(smallest, -(-n_rows // (threads * blocks_per_thread)))
    bounds = [(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]
    if threads == 1 or len(bounds) <= 1:
        return [work(start, stop) for start, stop in bounds]
    # The threads end with the call, so none exists during a later fork.
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda bound: work(*bound), bounds))
