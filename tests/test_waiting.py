"""Time limits of tests leave out the moments in which a machine stands still."""

import json
import os
import signal
import subprocess
import sys
import time

from tests.child_processes import PROJECT

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
