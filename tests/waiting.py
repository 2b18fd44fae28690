"""Waits for other processes without sleeping a fixed time."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, within: float = 30.0, what: str = "the condition") -> None:
    """Errors: AssertionError when the condition does not come true in time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {within} s"
        time.sleep(0.02)
