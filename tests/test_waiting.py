"""Time limits of tests leave out the moments in which a machine stands still."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from tests.child_processes import PROJECT
from tests.waiting import compute_wait_for_next_hour

PROGRAM = """
import json, sys, time
from tests.waiting import measure_running_seconds
with measure_running_seconds() as get_seconds:
    began = time.monotonic()
    print("begun", flush=True)
    sys.stdin.readline()
    time.sleep(0.5)
    print(json.dumps([get_seconds(), time.monotonic() - began]))
"""


def test_a_process_that_was_stopped_has_not_run_meanwhile() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(process.pid, signal.SIGCONT)
        process.stdin.write("\n")
        process.stdin.flush()
        running, elapsed = json.loads(process.stdout.readline())
    assert 0.2 < running < elapsed - 1.5


@pytest.mark.parametrize(
    ("minute", "second", "wait"), [(0, 0.0, 0.0), (30, 59.9, 0.0), (59, 39.9, 0.0), (59, 45.0, 15.0), (59, 59.5, 0.5)]
)
def test_no_test_starts_just_before_the_end_of_an_hour(minute: int, second: float, wait: float) -> None:
    moment = datetime(2026, 12, 31, 23, minute, tzinfo=UTC).timestamp() + second
    assert compute_wait_for_next_hour(moment) == pytest.approx(wait)
