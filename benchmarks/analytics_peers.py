"""The funnel and the retention of `benchmarks.analytics` in PostgreSQL and in ClickHouse (chdb), with the same rules."""

import importlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.analytics_events import ADD, CHECKOUT, ORDER, VIEW
from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import log

RUNS = 2
STEPS = (VIEW, ADD, CHECKOUT, ORDER)
NAMES = ", ".join(f"'{name}'" for name in STEPS)


def build_postgres_funnel() -> str:
    """Return the funnel with the best attempt of each person, as nested window functions."""
    branches = " ".join(f"WHEN '{name}' THEN {number}" for number, name in enumerate(STEPS, 1))
    parts = [
        f"s AS (SELECT customer_id c, occurred_at t, CASE name {branches} END k FROM event WHERE name IN ({NAMES}))",
        "r1 AS (SELECT c, t, t AS start FROM s WHERE k = 1)",
    ]
    for step in range(2, len(STEPS) + 1):
        parts += [
            f"""r{step} AS (SELECT c, t, latest AS start FROM (
                SELECT c, t, k, max(start) OVER (PARTITION BY c ORDER BY t
                    RANGE BETWEEN UNBOUNDED PRECEDING AND interval '1 microsecond' PRECEDING) latest
                FROM (SELECT c, t, start, 0 k FROM r{step - 1} UNION ALL SELECT c, t, NULL, 1 FROM s WHERE k = {step}) u
            ) x WHERE k = 1 AND latest >= t - interval '14 days')"""
        ]
    counts = ", ".join(f"(SELECT count(DISTINCT c) FROM r{step})" for step in range(1, len(STEPS) + 1))
    return f"WITH {', '.join(parts)} SELECT {counts}"


POSTGRES_RETENTION = """
WITH a AS (SELECT DISTINCT customer_id, date_trunc('week', occurred_at AT TIME ZONE 'Europe/Berlin') w FROM event),
f AS (SELECT w, min(w) OVER (PARTITION BY customer_id) c FROM a)
SELECT c, (extract(epoch FROM w - c) / 604800)::int AS weeks, count(*) FROM f GROUP BY 1, 2
"""
SET_UP = (
    "CREATE UNLOGGED TABLE event (customer_id bigint, name text, occurred_at timestamptz)",
    "SET work_mem = '256MB'",
    "SET max_parallel_workers_per_gather = 2",
    "SET jit = off",
)


def measure_postgres(root: Path, notes: list[str]) -> dict[str, Any]:
    """Return the times of the funnel and the retention in an embedded PostgreSQL."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix="perennial-analytics-csv-") as folder,
        run_embedded_servers("analytics", report=log),
    ):
        import os

        import psycopg

        path = Path(folder) / "events.csv"
        duckdb.sql("SET TimeZone = 'UTC'")
        source = f"SELECT customer_id, name, occurred_at FROM read_parquet('{root}/events/*/part.parquet')"
        duckdb.sql(f"COPY ({source}) TO '{path}' (FORMAT csv, HEADER false)")
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            for statement in SET_UP:
                connection.execute(statement)
            with path.open("rb") as file, connection.cursor().copy("COPY event FROM STDIN (FORMAT csv)") as copy:
                while block := file.read(1 << 20):
                    copy.write(block)
            path.unlink()
            connection.execute("CREATE INDEX ON event (customer_id, occurred_at) INCLUDE (name)")
            connection.execute("VACUUM ANALYZE event")
            log("PostgreSQL is loaded")
            funnel_s, people = _time(connection, build_postgres_funnel())
            retention_s, cells = _time(connection, POSTGRES_RETENTION)
            connection.execute("DROP TABLE event")
    notes.append(f"PostgreSQL counts {list(people[0])} people in the funnel and {len(cells)} cells of retention")
    return {
        "postgres_funnel_s": funnel_s,
        "postgres_retention_s": retention_s,
        "postgres_funnel_people": list(people[0]),
    }


def _time(connection: Any, query: str) -> tuple[float, list[tuple[Any, ...]]]:
    seconds, rows = [], []
    for _ in range(RUNS):
        start = time.perf_counter()
        rows = connection.execute(query).fetchall()
        seconds.append(time.perf_counter() - start)
    return round(statistics.median(seconds), 3), rows


def measure_chdb(root: Path, notes: list[str]) -> dict[str, Any]:
    """Return the time of the funnel with ClickHouse's windowFunnel on the same files; null without chdb."""
    try:
        Session = importlib.import_module("chdb.session").Session
    except ImportError:
        notes.append("chdb is not installed (`pip install chdb`); it is not among the requirements because of its size")
        return {"chdb_funnel_s": None}
    steps = ", ".join(f"name = '{name}'" for name in STEPS)
    query = f"""
        SELECT level, count() FROM (
            SELECT customer_id, windowFunnel(1209600000000, 'strict_increase')(toUInt64(toUnixTimestamp64Micro(occurred_at)), {steps}) level
            FROM file('{root}/events/*/part.parquet', Parquet, 'customer_id Int64, name String, occurred_at DateTime64(6, \\'UTC\\')')
            WHERE name IN ({NAMES}) GROUP BY customer_id
        ) WHERE level > 0 GROUP BY level ORDER BY level SETTINGS max_threads = 2
    """
    session = Session()
    seconds, levels = [], ""
    try:
        for _ in range(RUNS + 1):
            start = time.perf_counter()
            levels = str(session.query(query, "CSV"))
            seconds.append(time.perf_counter() - start)
    except Exception as error:  # noqa: BLE001 — a peer that fails is reported, not fatal
        notes.append(f"chdb failed: {str(error)[:200]}")
        return {"chdb_funnel_s": None}
    finally:
        session.close()
    notes.append(f"chdb's windowFunnel counts by furthest step: {levels.split()}")
    return {"chdb_funnel_s": round(statistics.median(seconds[1:]), 3)}
