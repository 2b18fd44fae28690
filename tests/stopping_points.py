"""Stops a child process at a certain call of a function, so that the test can kill it there."""

import sys
from typing import Any


def wait_to_be_killed() -> None:
    """Print "stopped" for `tests.child_processes.kill_after_output`, and wait."""
    print("stopped", flush=True)
    sys.stdin.read()


def stop_at(owner: Any, name: str, *, calls: int, after: bool = True) -> None:
    """Let a function of a module or class stop the process at this call, before or after doing its work."""
    original, remaining = getattr(owner, name), [calls]

    def stopping(*arguments: Any, **options: Any) -> Any:
        remaining[0] -= 1
        if remaining[0] == 0 and not after:
            wait_to_be_killed()
        result = original(*arguments, **options)
        if remaining[0] == 0 and after:
            wait_to_be_killed()
        return result

    setattr(owner, name, stopping)
