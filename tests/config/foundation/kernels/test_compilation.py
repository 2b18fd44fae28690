"""A kernel is compiled by one of the processes that need it at the same time."""

import subprocess
import sys
from pathlib import Path

from config.foundation.kernels.compilation import lock_file
from tests.child_processes import PROJECT

KERNEL = """
from config.foundation.kernels.compilation import make_jit

@make_jit()
def add_up(n):
    total = 0
    for number in range(n):
        total += number
    return total
"""
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from kernel import add_up
print("ready", flush=True)
sys.stdin.readline()
assert add_up(5) == 10
print(sum(add_up.stats.cache_misses.values()), flush=True)
"""


def test_of_two_processes_one_compiles_and_the_other_loads(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text(KERNEL)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    processes = [
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _number in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    misses = [process.communicate(timeout=300)[0].strip() for process in processes]
    assert sorted(misses) == ["0", "1"]


def test_in_a_folder_that_cannot_be_written_a_kernel_is_compiled_without_waiting(tmp_path: Path) -> None:
    with lock_file(str(tmp_path / "missing" / "kernel.lock")):
        pass
