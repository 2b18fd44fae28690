"""One thread for the numeric libraries that train models."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def limit_numeric_threads() -> Iterator[None]:
    """Let OpenMP and BLAS use one thread in the block, in the calling thread.

    Their threads wait for each other at every split of a tree: next to other programs, two threads took 16 to 70 times as long as one. A limit
    covers only libraries that are loaded already, so scikit-learn, which callers import where they need it, is imported first. OpenMP has
    a limit for each thread: call this in every thread that trains, not only in the thread that starts them.
    """
    import sklearn.ensemble  # noqa: F401  # web processes never need it, and would start more slowly

    with threadpool_limits(limits=1):
        yield
