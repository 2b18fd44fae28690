"""Wait for other processes without a fixed sleep."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, within: float = 30.0, what: str = "the condition") -> None:
    """Wait until the condition is true. Raises AssertionError after ``within`` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within} s"
        time.sleep(0.02)
