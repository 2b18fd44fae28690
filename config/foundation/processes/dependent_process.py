"""A child process that ends with the process that started it, even after kill -9."""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

STANDARD_INPUT = 0


def run_dependent(command: Sequence[str | Path], *, folder: Path) -> None:
    """Run a command that calls `end_with_starter`, and wait for it.

    Its standard input is a pipe that only this process holds open. Raises CalledProcessError if it fails.
    """
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE) as process:
        # not communicate, which would close the pipe
        if returned := process.wait():
            raise subprocess.CalledProcessError(returned, process.args)


def end_with_starter() -> None:
    """End this process when the pipe on its standard input closes, because the process that started it has ended."""

    def wait() -> None:
        # not sys.stdin, whose lock this thread would hold when the interpreter ends: a fatal error
        while os.read(STANDARD_INPUT, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="end-with-starter", daemon=True).start()
