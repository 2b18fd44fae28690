"""Every computation of the warehouse on each engine, on the same generated events, orders and lines; DuckDB is the floor.

    python -m benchmarks.engines [--size EVENTS] [--engines duckdb clickhouse spark]

KEY_duckdb_s, KEY_spark_s, KEY_clickhouse_s: seconds of the second run, or of the first one if that took more than 5 s.
KEY_spark_ratio, KEY_clickhouse_ratio: those divided by DuckDB's.
unequal: how many values differ from DuckDB's, by engine and computation; only those above 0. ENGINE_peak_mb: resident memory of the
process, with its children (Spark's JVM). ENGINE_open_s: connecting, and for ClickHouse loading the files.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.neighbours import log

LONG_S = 5.0
MIN_SIZE = 1_000  # with fewer events, some computations have no rows to compare
ENGINES = ("duckdb", "clickhouse", "spark")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--size",
        type=int,
        default=50_000,
        help=f"events, at least {MIN_SIZE:,}; a tenth as many orders (default 50,000)",
    )
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--measure", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.size < MIN_SIZE:
        parser.error(f"--size must be at least {MIN_SIZE:,}, got {arguments.size}")
    if arguments.measure:
        print(json.dumps(measure_engine(arguments.measure[0], Path(arguments.measure[1]))))
        return
    with tempfile.TemporaryDirectory(prefix="perennial-engines-") as folder:
        print(json.dumps(run_benchmark(arguments, Path(folder))))


def run_benchmark(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the measurements of all engines, each in a process of its own."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()  # results are objects of modules with models
    from config.engine_comparison.comparison import count_unequal
    from config.engine_comparison.samples import SampleSize, write_sample_warehouse

    events, orders = arguments.size, max(arguments.size // 10, 100)
    write_sample_warehouse(
        folder / "warehouse",
        events=events,
        orders=orders,
        size=SampleSize(customers=max(orders // 4, 60), products=500),
    )
    log(f"{events:,} events and {orders:,} orders are written")
    line: dict[str, Any] = {"events": events, "orders": orders}
    seconds: dict[str, dict[str, float]] = {}
    unequal: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    for engine in dict.fromkeys(["duckdb", *arguments.engines]):
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.engines", "--measure", engine, str(folder)]
        finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if finished.returncode:
            notes.append(f"{engine} could not be measured; its error is on standard error")
            line |= {f"{engine}_open_s": None, f"{engine}_peak_mb": None}
            continue
        figures = json.loads(finished.stdout.splitlines()[-1])
        seconds[engine] = figures.pop("seconds")
        line |= {f"{engine}_{name}": value for name, value in figures.items()}
        log(f"{engine}: {json.dumps(seconds[engine])}")
        if engine != "duckdb":
            ours, theirs = (pickle.loads((folder / name).read_bytes()) for name in ("duckdb", engine))
            counts = {key: count_unequal(ours[key], theirs[key]) for key in ours}
            unequal[engine] = {key: count for key, count in counts.items() if count}
    for key, floor in seconds["duckdb"].items():
        line[f"{key}_duckdb_s"] = floor
        for engine in seconds:
            if engine != "duckdb":
                line[f"{key}_{engine}_s"] = seconds[engine][key]
                line[f"{key}_{engine}_ratio"] = round(seconds[engine][key] / floor, 1) if floor else None
    return {**line, "unequal": unequal, "load": round(os.getloadavg()[0], 1), "notes": notes}


def measure_engine(engine: str, folder: Path) -> dict[str, Any]:
    """Return the seconds of each computation, of opening, and the peak memory; the results are stored beside the warehouse."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "WAREHOUSE_URL": str(folder / "warehouse"),
        "CLICKHOUSE_URL": "chdb://memory",
    }
    import django

    django.setup()
    from config.engine_comparison.computations import list_computations
    from config.engine_comparison.samples import AS_OF, CURRENCY, LABELS, ZONE
    from config.engine_comparison.tables import open_comparison_tables
    from customers.warehouse.engines.registry import ENGINES as KNOWN

    peak = PeakMemory()
    start = time.perf_counter()
    seconds, results = {}, {}
    with open_comparison_tables(KNOWN[engine], as_of=AS_OF, zone=ZONE, currency=CURRENCY, labels=LABELS) as tables:
        open_s = round(time.perf_counter() - start, 2)
        for key, run in list_computations().items():
            for _attempt in range(2):  # the first one compiles, and reads the files into the system's cache
                start = time.perf_counter()
                results[key] = run(tables)
                seconds[key] = round(time.perf_counter() - start, 3)
                if seconds[key] > LONG_S:
                    break
            log(f"{engine} {key}: {seconds[key]} s")
    (folder / engine).write_bytes(pickle.dumps(results))
    return {"open_s": open_s, "peak_mb": peak.stop(), "seconds": seconds}


class PeakMemory:
    """Samples the resident memory of this process and its children ten times a second."""

    def __init__(self) -> None:
        self.largest = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ended.wait(0.1):
            self.largest = max(self.largest, _count_memory())

    def stop(self) -> int:
        """Return the largest amount in MB."""
        self.ended.set()
        self.thread.join()
        return round(max(self.largest, _count_memory()) / 1_000_000)


def _count_memory() -> int:
    this = psutil.Process()
    total = 0
    for process in [this, *this.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    main()
