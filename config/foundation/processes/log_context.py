"""What a log line belongs to: the request, task, job, event or message that the current thread works on."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

# The request IDs that a proxy or client may choose: nothing that could break a log line or contain an address.
REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{7,63}")

EMPTY: Mapping[str, str | int] = MappingProxyType({})
_context: ContextVar[Mapping[str, str | int]] = ContextVar("log_context", default=EMPTY)


def get_log_context() -> Mapping[str, str | int]:
    """Return the fields of the current thread."""
    return _context.get()


@contextmanager
def log_context(**fields: str | int) -> Iterator[None]:
    """Add fields to the log lines of the block."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def choose_request_id(given: str) -> str:
    """Return the ID that a proxy or client gave to a request, or a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else os.urandom(8).hex()


def set_request_id(request_id: str) -> None:
    """Make the request ID the only context field of this thread, until the next request."""
    _context.set({"request_id": request_id})


def clear_log_context() -> None:
    _context.set(EMPTY)
