"""The Numba decorators of the engine's kernels.

Every kernel is single-threaded; `parallel.py` runs kernels on blocks of rows in ordinary threads. That is safe after Celery's fork and
with several web threads at once; Numba's own thread pool is not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numba

from config.foundation.kernels.compilation import make_jit

ROOT = Path(__file__).parents[3]
# Files with functions that the kernels of other files call, and this file.
SHARED_FILES = (
    "config/foundation/random_numbers/splitmix64.py",
    "config/foundation/statistics.py",
    "recommendations/engine/linear_algebra/jit.py",
    "recommendations/engine/linear_algebra/formula_kernels.py",
    "recommendations/engine/linear_algebra/heap_kernels.py",
    "recommendations/engine/linear_algebra/cholesky_kernels.py",
    "recommendations/engine/linear_algebra/product_kernels.py",
    "recommendations/engine/linear_algebra/set_kernels.py",
    "recommendations/engine/linear_algebra/array_views.py",
    "recommendations/engine/online/kernels.py",
    "recommendations/engine/variety/kernels.py",
    "recommendations/engine/online/cause_kernels.py",
    "recommendations/engine/algorithms/neighbors/session_kernels.py",
    "recommendations/engine/pair_support/kernels.py",
    "recommendations/engine/algorithms/neighbors/session_search_kernels.py",
)


def stamp_shared_files() -> tuple[tuple[float, int], ...]:
    """Return the modification time and the size of each shared file."""
    stats = [(ROOT / name).stat() for name in SHARED_FILES]
    return tuple((stat.st_mtime, stat.st_size) for stat in stats)


_SHARED_STAMP = stamp_shared_files()


def _compile_with(**options: Any) -> Callable[[Any], Any]:
    """Return Numba's decorator with a disk cache that is valid only while the shared kernel files are unchanged.

    Numba compares the modification time of the file that defines a kernel, but not of the files whose kernels it calls: after an upgrade
    of a shared file alone, its callers would keep running the old machine code.
    """
    jit = make_jit(**options)

    def decorate(function: Any) -> Any:
        dispatcher = jit(function)
        if not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
            # Numba has no public hook for this; a stale cache would run old machine code without any error.
            index = dispatcher._cache._cache_file
            index._source_stamp = (index._source_stamp, _SHARED_STAMP)
        return dispatcher

    return decorate


class _Decorator:
    """A decorator that keeps the type of what it decorates."""

    def __init__(self, **options: Any) -> None:
        self._decorate = _compile_with(**options)

    def __call__[F: Callable[..., Any]](self, function: F) -> F:
        return cast("F", self._decorate(function))


compiled = _Decorator(nogil=True)
# For one history at a time: the kernel takes microseconds, less than handing the GIL to another thread of the web worker and back.
compiled_with_gil = _Decorator()
inlined = _Decorator(nogil=True, inline="always")
# Allows fused multiply-add only, so a sum keeps its order.
compiled_contracted = _Decorator(nogil=True, fastmath={"contract"})
# Allows sums in any order, which lets LLVM use vector registers for sums of products.
compiled_reassociated = _Decorator(nogil=True, fastmath={"reassoc", "contract"})
