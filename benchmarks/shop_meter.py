"""What a piece of work costs: seconds, processor seconds of all processes involved, memory, and what it leaves on the disk.

On a busy machine, seconds grow, but processor seconds hardly do.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg
import redis

from recommendations.training.budget import PeakMemory

TABLE_GROUPS = {
    "events": "events_%",
    "orders": "orders_%",
    "customers": "identity_%",
    "profiles": "lifecycle_%",
    "products": "catalog_%",
    "deliveries": "sending_%",
}
TABLE_SIZES = """
    SELECT relname, pg_total_relation_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


@dataclass
class WorkMeter:
    """Measures the block. programs: other processes whose time, with that of their children, belongs to the work.

    cpu_s is of this process and its children, postgres_cpu_s and valkey_cpu_s of the servers in the environment, programs_cpu_s of the
    programs; peak_mb is the largest memory of this process during the block.
    """

    programs: Sequence[psutil.Process] = ()
    seconds: float = 0.0
    cpu_s: float = 0.0
    postgres_cpu_s: float = 0.0
    valkey_cpu_s: float = 0.0
    programs_cpu_s: float = 0.0
    peak_mb: float = 0.0
    began_at: float = 0.0  # in seconds since 1970, as is ended_at
    ended_at: float = 0.0
    _before: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._postgres, self._valkey = find_postmaster(), find_valkey()
        self._memory = PeakMemory()
        self._memory.__enter__()
        self.began_at = time.time()
        self._before = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, value in self._read().items():
            setattr(self, name, value - self._before[name])
        self.ended_at = time.time()
        self._memory.__exit__(kind, error, trace)
        self.peak_mb = self._memory.mb

    def _read(self) -> dict[str, float]:
        return {
            "seconds": time.perf_counter(),
            "cpu_s": sum(os.times()[:4]),
            "postgres_cpu_s": sum_cpu([self._postgres]),
            "valkey_cpu_s": sum_cpu([self._valkey]),
            "programs_cpu_s": sum_cpu(self.programs),
        }

    def to_dict(self) -> dict[str, float]:
        names = ("seconds", "cpu_s", "postgres_cpu_s", "valkey_cpu_s", "programs_cpu_s")
        total = self.cpu_s + self.postgres_cpu_s + self.valkey_cpu_s + self.programs_cpu_s
        figures = {name: round(getattr(self, name), 3) for name in names}
        times = {"began_at": self.began_at, "ended_at": self.ended_at}
        return figures | {"total_cpu_s": round(total, 3), "peak_mb": round(self.peak_mb)} | times


def sum_cpu(processes: Sequence[psutil.Process]) -> float:
    """Return the processor seconds of the processes, their children, and those of them that ended."""
    total = 0.0
    for process in processes:
        for member in (process, *process.children(recursive=True)):
            try:
                total += sum(member.cpu_times()[:4])  # own, and of children that ended: user, system
            except psutil.NoSuchProcess:
                continue
    return total


def find_postmaster() -> psutil.Process:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        postmaster = psutil.Process(row[0]).parent()
    assert postmaster is not None
    return postmaster


def find_valkey() -> psutil.Process:
    with redis.Redis.from_url(os.environ["VALKEY_URL"]) as valkey:
        return psutil.Process(int(valkey.info("server")["process_id"]))


def measure_sizes(var: Path) -> dict[str, Any]:
    """Return the bytes of tables by group (with indexes), Valkey's data and the folders, after a VACUUM of PostgreSQL."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        tables = connection.execute(TABLE_SIZES).fetchall()
    groups: dict[str, int] = {}
    indexes: dict[str, int] = {}
    for name, size, of_indexes in tables:
        group = next((group for group, start in TABLE_GROUPS.items() if name.startswith(start[:-1])), "other")
        groups[group] = groups.get(group, 0) + size
        indexes[group] = indexes.get(group, 0) + of_indexes
    with redis.Redis.from_url(os.environ["VALKEY_URL"]) as valkey:
        used = int(valkey.info("memory")["used_memory"])
    return {
        **{f"postgres_{name}_bytes": size for name, size in sorted(groups.items())},
        **{f"postgres_{name}_index_bytes": size for name, size in sorted(indexes.items())},
        "valkey_bytes": used,
        "warehouse_bytes": sum_file_sizes(var / "warehouse"),
        "models_bytes": sum_file_sizes(var / "models"),
    }


def sum_file_sizes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
