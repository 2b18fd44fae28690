"""A full profile refresh on an embedded PostgreSQL in a temporary folder; the customers buy by a known purchase model.

The refresh runs twice, each in its own process: the first of a shop, and the nightly one a day of orders later (nightly_…). features_s:
reading facts and counting; rules_s: measuring the thresholds, at the first refresh; choose_s: fitting three purchase models, evaluating
them on held-out data, and learning the correction of intervals at earlier cuts; fit_s: grouping, and fitting the selected model and the
spend model to all customers; learn_s: training all
propensities at the first refresh; score_s: stages, RFM, P(alive), expected orders, value and intervals, propensities; write_s: profiles
and stage history; commit_s: foreign key checks and the rest. cpu_s is the CPU time of the process, imports included, postgres_cpu_s that
of its connection: on a busy machine they are more reliable than seconds. peak_mb is of the refreshing process, postgres_peak_mb the
private memory of all PostgreSQL processes. `lifetimes` fits 100,000 of the same customers in the same run. --folder keeps the simulated
shop and reuses it; --growth refreshes a shop of half the size too.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg

from benchmarks.clv import round_values
from config.embedded.servers import EmbeddedServers
from config.foundation.calendars.local_clock import UTC_CLOCK

CUSTOMERS = 1_000_000
COMPARED_CUSTOMERS = 100_000
WARM_UP_CUSTOMERS = 400
SAMPLE_SECONDS = 0.05
MEGABYTE = 1_048_576
PARTS = {
    "features_s": ("read", "counters"),
    "rules_s": ("rules",),
    "choose_s": ("choose", "intervals"),
    "fit_s": ("fit",),
    "score_s": ("stages", "rfm", "value", "figures", "next_orders", "propensities", "clusters"),
    "learn_s": ("learn",),
    "write_s": ("profiles", "transitions"),
}
FIXED = ("compared_", "lifetimes_", "make_")  # times that are not for all customers, or not part of a refresh
PEER = Path(__file__).with_name("clv_lifetimes.py")
DERIVED = (
    "lifecycle_customerprofile, lifecycle_stagetransition, lifecycle_stagerules, lifecycle_lifecyclerun, lifecycle_scoremodel,"
    " lifecycle_countedsession, lifecycle_pendingrecount"
)
STAGE_CHANGES = "SELECT customer_id, from_stage, to_stage, at, reason FROM lifecycle_stagetransition ORDER BY customer_id, at, to_stage"
PROFILES = "SELECT * FROM lifecycle_customerprofile ORDER BY customer_id"


def main() -> None:
    arguments = parse_arguments()
    if arguments.only:
        print(json.dumps(CHILDREN[arguments.only](arguments)))
        return
    line = measure_shop(arguments, arguments.customers)
    if arguments.growth:
        half = measure_shop(arguments, arguments.customers // 2)
        line["growth"] = {
            name: line[name] / half[name]
            for name in line
            if name.endswith("_s") and not name.startswith(FIXED) and half[name] and line[name]
        }
        line["half"] = {
            name: half[name] for name in ("customers", "refresh_s", "nightly_refresh_s", "fit_s", "peak_mb")
        }
    print(json.dumps(round_values(line)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--folder", type=Path, help="keep the simulated shop here")
    parser.add_argument("--growth", action="store_true", help="measure half as many customers too")
    parser.add_argument("--only", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.customers < WARM_UP_CUSTOMERS:
        parser.error(f"--customers must be at least {WARM_UP_CUSTOMERS}, got {arguments.customers}")
    return arguments


def measure_shop(arguments: argparse.Namespace, customers: int) -> dict[str, Any]:
    with start_servers(arguments, customers) as folder:
        record = folder / "shop.json"
        if record.exists():  # it may have been made by an earlier version
            subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], check=True)
        else:
            record.write_text(json.dumps(run_step("make", customers)), encoding="utf-8")
        return measure(customers, json.loads(record.read_text(encoding="utf-8")))


@contextmanager
def start_servers(arguments: argparse.Namespace, customers: int) -> Iterator[Path]:
    """Start PostgreSQL and Valkey for the benchmark and set their URLs in the environment meanwhile."""
    with tempfile.TemporaryDirectory(prefix="perennial-lifecycle-") as name:
        folder = (arguments.folder or Path(name)) / str(customers)
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder, folder.parent):
            path.chmod(0o711)  # PostgreSQL runs as another user
        embedded = EmbeddedServers(folder / "var", report=log)
        before = dict(os.environ)
        try:
            addresses = embedded.ensure(postgres=True, valkey=True)
            os.environ |= {
                "DATABASE_URL": str(addresses.postgres),
                "VALKEY_URL": str(addresses.valkey),
                "PERENNIAL_VAR": str(folder / "var"),
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
            yield folder
        finally:
            embedded.release()
            os.environ.clear()
            os.environ.update(before)


def measure(customers: int, shop: dict[str, Any]) -> dict[str, Any]:
    from benchmarks.lifecycle_shop import AS_OF, MODEL, SPEND

    peer = run_step("compare", customers)
    note = peer.pop("note")
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(f"TRUNCATE {DERIVED} CASCADE")
    first = refresh(customers, AS_OF)
    nightly = refresh(customers, AS_OF + timedelta(days=1))
    return {
        **first,
        **{f"nightly_{name}": value for name, value in nightly.items()},
        "true_parameters": drop_name(MODEL.to_dict()) | {"spend": drop_name(SPEND.to_dict())},
        "found_parameters": nightly["found_parameters"],
        **peer,
        **shop,
        "load_average": round(os.getloadavg()[0], 2),
        "notes": "; ".join(
            [
                "first refresh of the shop, nightly_ the one a day later; times in days; no events: features are of orders",
                "found_parameters are of the selected model, fitted to days with an order, while the truth uses moments",
                note,
                *([] if first["postgres_peak_mb"] else ["postgres_peak_mb is null: the system does not report shared memory"]),
            ]
        ),
    }  # fmt: skip


def drop_name(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "name"}


def refresh(customers: int, as_of: datetime) -> dict[str, Any]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"VACUUM ANALYZE {DERIVED}")
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        postmaster = psutil.Process(row[0]).parent()
    samples: list[MemorySample] = []
    result = run_step(
        "refresh", customers, as_of=as_of, watch=lambda child: samples.append(sample_memory(child, postmaster))
    )
    seconds = result["seconds"]
    log(f"{customers:,} customers as of {as_of:%Y-%m-%d}: {result['refresh_s']:.1f} s, {seconds}")
    ends = dict(zip(seconds, result["began"] + np.cumsum(list(seconds.values())), strict=True))
    private = [memory.postgres_mb for memory in samples if memory.postgres_mb is not None]
    peaks = {
        f"{name.removesuffix('_s')}_peak_mb": max(
            (
                memory.own_mb
                for memory in samples
                if any(ends[step] - seconds[step] - SAMPLE_SECONDS <= memory.at <= ends[step] for step in steps)
            ),
            default=None,
        )
        for name, steps in PARTS.items()
    }
    return {
        **{name: sum(seconds[step] for step in steps) for name, steps in PARTS.items()},
        "commit_s": max(result["refresh_s"] - sum(seconds.values()), 0.0),
        "refresh_s": result["refresh_s"],
        "cpu_s": result["cpu_s"],
        "postgres_cpu_s": result["postgres_cpu_s"],
        "peak_mb": result["peak_mb"],
        **peaks,
        "postgres_peak_mb": max(private, default=None),
        "steps": seconds,
        "found_parameters": result["found_parameters"],
        "stages": result["stages"],
        "checksum": compute_checksum(),
    }


def compute_checksum() -> str:
    """Return a hash of all profiles and stage changes: equal as long as the results are."""
    digest = sha256()
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        for query in (PROFILES, STAGE_CHANGES):
            with connection.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
                for block in copy:
                    digest.update(block)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class MemorySample:
    """at: on the clock that all processes share. postgres_mb: private memory of its processes, None where unknown."""

    at: float
    own_mb: int
    postgres_mb: int | None


def sample_memory(child: psutil.Process, postmaster: psutil.Process) -> MemorySample:
    own = child.memory_info().rss
    private: float | None = 0.0
    for process in postmaster.children():
        with suppress(psutil.NoSuchProcess):
            memory = process.memory_info()
            private = (
                private + memory.rss - memory.shared if hasattr(memory, "shared") and private is not None else None
            )
    return MemorySample(time.monotonic(), round(own / MEGABYTE), None if private is None else round(private / MEGABYTE))


def run_step(
    name: str, customers: int, *, as_of: datetime | None = None, watch: Callable[[psutil.Process], None] | None = None
) -> dict[str, Any]:
    """Run one step in its own process, so that its memory peak is its own; call `watch` periodically."""
    command = [sys.executable, "-m", "benchmarks.lifecycle", "--only", name, "--customers", str(customers)]
    command += ["--as-of", as_of.isoformat()] if as_of else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        child = psutil.Process(process.pid)
        while process.poll() is None:
            if watch:
                with suppress(psutil.NoSuchProcess):
                    watch(child)
            with suppress(subprocess.TimeoutExpired):
                process.wait(SAMPLE_SECONDS)
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return dict(json.loads(output.splitlines()[-1]))


def make_shop(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the shop, after refreshing a small one to compile the kernels."""
    set_up_django()
    from django.core.management import call_command

    from benchmarks.lifecycle_shop import AS_OF, fill_shop
    from customers.lifecycle.refresh.nightly import refresh_profiles

    call_command("migrate", verbosity=0)
    fill_shop(WARM_UP_CUSTOMERS, products=200)
    refresh_profiles(as_of=AS_OF, started_at=AS_OF)
    log(f"{arguments.customers:,} customers: making orders")
    started = time.perf_counter()
    counts = fill_shop(arguments.customers)
    return {**vars(counts), "make_s": round(time.perf_counter() - started, 1)}


def refresh_all(arguments: argparse.Namespace) -> dict[str, Any]:
    set_up_django()
    from django.db import connection

    from customers.lifecycle.models import LifecycleRun, ScoreModel
    from customers.lifecycle.refresh.nightly import refresh_profiles

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = psutil.Process(cursor.fetchone()[0])
    steps: list[float] = []
    started = time.monotonic()
    run = refresh_profiles(
        as_of=arguments.as_of, started_at=arguments.as_of, progress=lambda done, total: steps.append(time.monotonic())
    )
    seconds = time.monotonic() - started
    processes = [psutil.Process(), backend]
    own_cpu, postgres_cpu = (sum(process.cpu_times()[:2]) for process in processes)
    assert run.status == LifecycleRun.Status.DONE, run.error
    models = {model.kind: model for model in run.score_models.all()}
    buying, spend = models[ScoreModel.Kind.PURCHASE_MODEL], models[ScoreModel.Kind.SPEND]
    parameters = {"model": buying.algorithm, **drop_name(buying.parameters["model"] or {})}
    return {
        "refresh_s": seconds,
        "began": steps[0],
        "seconds": run.quality["seconds"],
        "cpu_s": own_cpu,
        "postgres_cpu_s": postgres_cpu,
        "peak_mb": get_peak_mb(),
        "found_parameters": parameters | {"spend": drop_name(spend.parameters["model"] or {})},
        "stages": run.counts,
    }


def compare_with_lifetimes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fit the same model to the same customers with our code and with `lifetimes`."""
    from benchmarks.lifecycle_shop import AS_OF, simulate_shop_orders
    from customers.lifecycle.scoring.clv.fitting import fit_purchase_model
    from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
    from customers.lifecycle.scoring.clv.purchase_histories import group_histories, summarize_purchases

    n = min(COMPARED_CUSTOMERS, arguments.customers)
    orders = simulate_shop_orders(n)
    as_of = int(AS_OF.timestamp()) * 1_000_000
    seconds = []
    for _round in range(3):
        started = time.perf_counter()
        histories = summarize_purchases(
            customer=orders.customer, at=orders.at, value=orders.value, as_of=as_of, clock=UTC_CLOCK
        )
        groups = group_histories(histories=histories)
        fit = fit_purchase_model(name=MbgNbd.name, groups=groups)
        seconds.append(time.perf_counter() - started)
    assert fit.model is not None, fit.reason
    result = {"compared_customers": n, "compared_fit_s": min(seconds), "compared_log_likelihood": fit.log_likelihood}
    none = {"lifetimes_fit_s": None, "lifetimes_log_likelihood": None, "lifetimes_parameters": None}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "histories.npy", np.column_stack([histories.x, histories.last_days, histories.age_days]))
        command = [sys.executable, "-W", "ignore", str(PEER), folder, "365", MbgNbd.name]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or ["no message"])[-1]
        return result | none | {"note": f"lifetimes_ is null: it did not run: {reason}"}
    peer = json.loads(process.stdout.splitlines()[-1])[MbgNbd.name]
    if "error" in peer:
        return result | none | {"note": f"lifetimes_ is null: {peer['error']}"}
    model = MbgNbd.from_array(np.array(list(peer["parameters"].values())))
    return result | {
        "lifetimes_fit_s": peer["fit_s"],
        "lifetimes_log_likelihood": model.total_log_likelihood(groups)[0],
        "lifetimes_parameters": peer["parameters"],
        "note": "compared_fit_s: our fit starts from the orders, best of three; lifetimes' starts from ready histories, with its defaults",
    }


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "make": make_shop,
    "refresh": refresh_all,
    "compare": compare_with_lifetimes,
}


def set_up_django() -> None:
    import django

    django.setup()


def get_peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (MEGABYTE if sys.platform == "darwin" else 1024)


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
