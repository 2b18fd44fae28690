"""Analytics questions on a year of generated events, through the code of the project, on two threads.

funnel_cold_s: the first question of a process, including opening the files; *_warm_s: the median of three more runs; sessions_s: counting all
sessions. postgres_*: the same funnel and weekly retention as SQL with window functions on a table with an index, in the same run, median of
two. chdb_funnel_s: the same funnel by ClickHouse's chdb, if it is installed. peak_mb: the resident memory of the process that answers.
*_growth: the ratio of the times with all and with half of the events; growth_exponent: the logarithm to base 2 of the largest.
ratio_*: PostgreSQL's time divided by ours. *_people: the people that both counted, for comparison.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.analytics_events import ADD, CHECKOUT, DAYS, ORDER, START, VIEW, generate_warehouse
from benchmarks.neighbours import get_peak_mb, log

QUESTIONS = ("funnel", "retention", "paths", "trend", "sessions")
RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--memory", default="2GB", help="limit of DuckDB's memory; more spills to disk")
    parser.add_argument("--no-peers", action="store_true", help="without PostgreSQL and chdb")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        generate_warehouse(arguments.generate, events=arguments.events)
    elif arguments.measure:
        print(json.dumps(measure_questions(arguments.measure, memory=arguments.memory)))
    else:
        print(json.dumps(run_benchmark(arguments)))


def run_benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the measurements of all events, of half of them, and of the peers."""
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="perennial-analytics-") as path:
        folders = {"half": Path(path) / "half", "all": Path(path) / "all"}
        _call_self("--generate", folders["half"], "--events", arguments.events // 2)
        half = json.loads(_call_self("--measure", folders["half"], "--memory", arguments.memory))
        _call_self("--generate", folders["all"], "--events", arguments.events)
        figures = json.loads(_call_self("--measure", folders["all"], "--memory", arguments.memory))
        log(json.dumps(figures))
        peers: dict[str, Any] = {}
        if not arguments.no_peers:
            from benchmarks.analytics_peers import measure_chdb, measure_postgres

            peers = measure_postgres(folders["all"], notes)
            log(json.dumps(peers))
            peers |= measure_chdb(folders["all"], notes)
    names = {name: "sessions_s" if name == "sessions" else f"{name}_warm_s" for name in QUESTIONS}
    growth = {f"{name}_growth": round(figures[key] / half[key], 2) for name, key in names.items()}
    for name in ("funnel", "retention"):
        if peers.get(f"postgres_{name}_s"):
            peers[f"ratio_{name}"] = round(peers[f"postgres_{name}_s"] / figures[f"{name}_warm_s"], 1)
    return {
        "events": arguments.events,
        **figures,
        **growth,
        "growth_exponent": round(math.log2(max(growth.values())), 2),
        **peers,
        "load": round(os.getloadavg()[0], 1),
        "notes": notes,
    }


def _call_self(*options: object) -> str:
    command = [sys.executable, "-m", "benchmarks.analytics", *map(str, options)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def measure_questions(root: Path, *, memory: str) -> dict[str, Any]:
    """Return the times of the questions on this warehouse, and the peak memory of this process."""
    os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "WAREHOUSE_URL": str(root)}
    import django

    django.setup()
    from django.conf import settings

    settings.WAREHOUSE_MEMORY = memory
    figures: dict[str, Any] = {}
    results: dict[str, Any] = {}
    start = time.perf_counter()
    with open_tables() as tables:
        for name, run in make_questions().items():
            results[name] = run(tables)
            if name == "funnel":
                figures["funnel_cold_s"] = round(time.perf_counter() - start, 3)
            seconds = [time_call(partial(run, tables)) for _ in range(RUNS)]
            figures["sessions_s" if name == "sessions" else f"{name}_warm_s"] = round(statistics.median(seconds), 3)
    figures["peak_mb"] = get_peak_mb()
    figures["funnel_people"] = [step.people for step in results["funnel"].steps]
    figures["retention_people"] = [mean.people for mean in results["retention"].means[:3]]
    return figures


def open_tables() -> Any:
    """Return the tables of the warehouse without a database."""
    from contextlib import contextmanager
    from zoneinfo import ZoneInfo

    from customers.analytics.expressions.tables import AnalyticsTables
    from customers.warehouse.connection import open_warehouse

    @contextmanager
    def opened() -> Any:
        with open_warehouse() as files:
            yield AnalyticsTables(
                backend=files.backend,
                events=files["events"],
                orders=files["orders"],
                order_lines=files["order_lines"],
                products=files["products"],
                as_of=START + timedelta(days=DAYS),
                zone=ZoneInfo("Europe/Berlin"),
                read_labels=lambda name: files["customers"],
                read_members=lambda key: files["customers"],
                read_costs=lambda: files["products"],
            )

    return opened()


def make_questions() -> dict[str, Callable[[Any], Any]]:
    """Return the questions: over the whole year, with nothing left out."""
    from customers.analytics.expressions.matching import EventMatch
    from customers.analytics.questions.funnel import FunnelParameters, run_funnel
    from customers.analytics.questions.paths import PathParameters, run_paths
    from customers.analytics.questions.retention import RetentionParameters, run_retention
    from customers.analytics.questions.sessions import SessionParameters, run_sessions
    from customers.analytics.questions.trends import TrendParameters, TrendSeries, run_trends

    days: dict[str, Any] = {"since": START.date(), "until": START.date() + timedelta(days=DAYS - 1)}
    steps = tuple(EventMatch(name=name) for name in (VIEW, ADD, CHECKOUT, ORDER))
    series = (TrendSeries(event=EventMatch(name=VIEW)), TrendSeries(event=EventMatch(name=VIEW), measure="people"))
    return {
        "funnel": lambda tables: run_funnel(tables, FunnelParameters(**days, steps=steps)),
        "retention": lambda tables: run_retention(tables, RetentionParameters(**days, periods=12)),
        "paths": lambda tables: run_paths(
            tables, PathParameters(**days, anchor=EventMatch(name=VIEW), goal=EventMatch(name=ORDER))
        ),
        "trend": lambda tables: run_trends(tables, TrendParameters(**days, series=series)),
        "sessions": lambda tables: run_sessions(tables, SessionParameters(**days)),
    }


def time_call(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
