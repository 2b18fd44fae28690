"""Compilation of kernels by Numba with a disk cache that all processes share."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numba
from numba.core.compiler_lock import global_compiler_lock


class TypeKeepingDecorator(Protocol):
    """A decorator that keeps the type of what it decorates."""

    def __call__[F: Callable[..., Any]](self, function: F, /) -> F: ...


def make_jit(**options: Any) -> TypeKeepingDecorator:
    """Return `numba.njit` with a disk cache, where one process at a time compiles a kernel and the others then load it.

    Processes that start together, such as the workers of a new installation, would otherwise all compile the same kernels. And Numba
    writes a kernel's index before its machine code: of two processes that save different signatures at the same moment, one may leave
    an index that names the machine code of the other.
    """
    jit = numba.njit(cache=True, **options)

    def decorate(function: Any) -> Any:
        dispatcher = jit(function)
        if not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
            dispatcher.compile = _compile_in_turn(dispatcher)
        return dispatcher

    return decorate


def _compile_in_turn(dispatcher: Any) -> Callable[[Any], Any]:
    compile_signature, path = dispatcher.compile, f"{dispatcher._cache._cache_file._index_path}.lock"

    def compile_or_load(signature: Any) -> Any:
        # Numba's lock first: then one thread of a process at a time waits for files, in the order in which kernels call each other.
        with global_compiler_lock, lock_file(path):
            return compile_signature(signature)

    return compile_or_load


@contextmanager
def lock_file(path: str) -> Iterator[None]:
    """Lock a file for this process, unless its folder is not writable, in which case Numba saves nothing there either.

    A forked child does not inherit this kind of lock.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
