"""Numeric libraries use one thread while models are trained, also if they are loaded only then."""

import subprocess
import sys
from pathlib import Path

import config

PROJECT = Path(config.__file__).parents[1]
PROGRAM = """
import sys, threading
from threadpoolctl import threadpool_info
from config.foundation.processes.thread_limits import limit_numeric_threads

def list_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"}

assert "sklearn" not in sys.modules
with limit_numeric_threads():
    print("inside", list_threads())

def train():
    with limit_numeric_threads():
        print("in a thread", list_threads())

thread = threading.Thread(target=train)
thread.start()
thread.join()
print("outside", list_threads())
"""


def test_the_limit_covers_libraries_that_were_not_loaded_and_each_thread() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=PROJECT,
        env={"PATH": "", "OMP_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert finished.stdout.splitlines() == ["inside {1}", "in a thread {1}", "outside {3}"]
