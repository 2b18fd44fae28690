"""A refresh of everybody's profile, on an embedded PostgreSQL of its own in a temporary folder; the customers buy by a known process.

The whole refresh runs twice in a process each: the first of a shop, and the nightly one a day of orders later (nightly_…). features_s:
reading the facts and counting; rules_s: measuring the thresholds, at the first refresh; choose_s: fitting and judging three processes on
what is held out; fit_s: grouping, and fitting the chosen process and the spend to everybody; learn_s: propensities, all of them at the
first refresh; score_s: stages, RFM, P(alive), expected orders, value and intervals, propensities; write_s: profiles and history of
stages; commit_s: checks of foreign keys and the rest. cpu_s is what the process computes, its imports included, postgres_cpu_s its
connection: on a busy machine they say more than seconds. peak_mb is of the refreshing process, postgres_peak_mb the private memory of all
of PostgreSQL's processes. `lifetimes` fits 100,000 of the same customers in the same run. --folder keeps the made shop, and takes it from
there when it is already made; --growth refreshes a shop of half the size too.
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

from benchmarks.clv import rounded
from config.embedded.servers import EmbeddedServers

CUSTOMERS = 1_000_000
COMPARED = 100_000
WARM = 400
SAMPLE_SECONDS = 0.05
MEGABYTE = 1_048_576
PARTS = {
    "features_s": ("read", "counters"),
    "rules_s": ("rules",),
    "choose_s": ("choose",),
    "fit_s": ("fit",),
    "score_s": ("stages", "rfm", "value", "figures", "next_orders", "propensities", "clusters"),
    "learn_s": ("learn",),
    "write_s": ("profiles", "transitions"),
}
FIXED = ("compared_", "lifetimes_", "make_")  # not of so many customers, or not of a refresh
PEER = Path(__file__).with_name("clv_lifetimes.py")
DERIVED = (
    "lifecycle_customerprofile, lifecycle_stagetransition, lifecycle_stagerules, lifecycle_lifecyclerun, lifecycle_scoremodel,"
    " lifecycle_countedsession, lifecycle_pendingrecount"
)
MOVES = "SELECT customer_id, from_stage, to_stage, at, reason FROM lifecycle_stagetransition ORDER BY customer_id, at, to_stage"
PROFILES = "SELECT * FROM lifecycle_customerprofile ORDER BY customer_id"


def main() -> None:
    arguments = parse()
    if arguments.only:
        print(json.dumps(CHILDREN[arguments.only](arguments)))
        return
    line = measured(arguments, arguments.customers)
    if arguments.growth:
        half = measured(arguments, arguments.customers // 2)
        line["growth"] = {
            name: line[name] / half[name]
            for name in line
            if name.endswith("_s") and not name.startswith(FIXED) and half[name] and line[name]
        }
        line["half"] = {
            name: half[name] for name in ("customers", "refresh_s", "nightly_refresh_s", "fit_s", "peak_mb")
        }
    print(json.dumps(rounded(line)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--folder", type=Path, help="keep the made shop here")
    parser.add_argument("--growth", action="store_true", help="measure half as many customers too")
    parser.add_argument("--only", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.customers < WARM:
        parser.error(f"--customers must be at least {WARM}, got {arguments.customers}")
    return arguments


def measured(arguments: argparse.Namespace, customers: int) -> dict[str, Any]:
    with servers(arguments, customers) as folder:
        record = folder / "shop.json"
        if record.exists():  # it may have been made by an earlier version
            subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], check=True)
        else:
            record.write_text(json.dumps(run("make", customers)), encoding="utf-8")
        return measure(customers, json.loads(record.read_text(encoding="utf-8")))


@contextmanager
def servers(arguments: argparse.Namespace, customers: int) -> Iterator[Path]:
    """A PostgreSQL of its own; the environment names it meanwhile."""
    with tempfile.TemporaryDirectory(prefix="perennial-lifecycle-") as name:
        folder = (arguments.folder or Path(name)) / str(customers)
        folder.mkdir(parents=True, exist_ok=True)
        for part in (folder, folder.parent):
            part.chmod(0o711)  # PostgreSQL runs as another user
        embedded = EmbeddedServers(folder / "var", say=say)
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

    peer = run("compare", customers)
    note = peer.pop("note")
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(f"TRUNCATE {DERIVED} CASCADE")
    first = refresh(customers, AS_OF)
    nightly = refresh(customers, AS_OF + timedelta(days=1))
    return {
        **first,
        **{f"nightly_{name}": value for name, value in nightly.items()},
        "true_parameters": parameters(MODEL.to_dict()) | {"spend": parameters(SPEND.to_dict())},
        "found_parameters": nightly["found_parameters"],
        **peer,
        **shop,
        "load_average": round(os.getloadavg()[0], 2),
        "notes": "; ".join(
            [
                "first refresh of the shop, nightly_ the one a day later; times in days; no events: features are of orders",
                "found_parameters are of the process that was chosen, on days with an order where the truth knows moments",
                note,
                *([] if first["postgres_peak_mb"] else ["postgres_peak_mb is null: the system does not tell shared memory"]),
            ]
        ),
    }  # fmt: skip


def parameters(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "name"}


def refresh(customers: int, as_of: datetime) -> dict[str, Any]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"VACUUM ANALYZE {DERIVED}")
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        postmaster = psutil.Process(row[0]).parent()
    samples: list[Sample] = []
    told = run("refresh", customers, as_of=as_of, watch=lambda child: samples.append(sample(child, postmaster)))
    seconds = told["seconds"]
    say(f"{customers:,} customers as of {as_of:%Y-%m-%d}: {told['refresh_s']:.1f} s, {seconds}")
    ends = dict(zip(seconds, told["began"] + np.cumsum(list(seconds.values())), strict=True))
    private = [one.postgres_mb for one in samples if one.postgres_mb is not None]
    peaks = {
        f"{name.removesuffix('_s')}_peak_mb": max(
            (
                one.own_mb
                for one in samples
                if any(ends[step] - seconds[step] - SAMPLE_SECONDS <= one.at <= ends[step] for step in steps)
            ),
            default=None,
        )
        for name, steps in PARTS.items()
    }
    return {
        **{name: sum(seconds[step] for step in steps) for name, steps in PARTS.items()},
        "commit_s": max(told["refresh_s"] - sum(seconds.values()), 0.0),
        "refresh_s": told["refresh_s"],
        "cpu_s": told["cpu_s"],
        "postgres_cpu_s": told["postgres_cpu_s"],
        "peak_mb": told["peak_mb"],
        **peaks,
        "postgres_peak_mb": max(private, default=None),
        "steps": seconds,
        "found_parameters": told["found_parameters"],
        "stages": told["stages"],
        "checksum": checksum(),
    }


def checksum() -> str:
    """Of every profile and every change of a stage: the same as long as the same is computed."""
    digest = sha256()
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        for query in (PROFILES, MOVES):
            with connection.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
                for block in copy:
                    digest.update(block)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Sample:
    """at: on the clock that all processes share. postgres_mb: what its processes have for themselves, None where that is not told."""

    at: float
    own_mb: int
    postgres_mb: int | None


def sample(child: psutil.Process, postmaster: psutil.Process) -> Sample:
    own = child.memory_info().rss
    private: float | None = 0.0
    for process in postmaster.children():
        with suppress(psutil.NoSuchProcess):
            told = process.memory_info()
            private = private + told.rss - told.shared if hasattr(told, "shared") and private is not None else None
    return Sample(time.monotonic(), round(own / MEGABYTE), None if private is None else round(private / MEGABYTE))


def run(
    name: str, customers: int, *, as_of: datetime | None = None, watch: Callable[[psutil.Process], None] | None = None
) -> dict[str, Any]:
    """One step in a process of its own, so that its peak of memory is its own; watched again and again."""
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
        said = process.stdout.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return dict(json.loads(said.splitlines()[-1]))


def make(arguments: argparse.Namespace) -> dict[str, Any]:
    """The shop, after a small one whose refresh compiles what is compiled."""
    setup()
    from django.core.management import call_command

    from benchmarks.lifecycle_shop import AS_OF, fill
    from customers.lifecycle.refresh.nightly import refresh_profiles

    call_command("migrate", verbosity=0)
    fill(WARM, products=200)
    refresh_profiles(as_of=AS_OF, started_at=AS_OF)
    say(f"{arguments.customers:,} customers: making orders")
    began = time.perf_counter()
    counts = fill(arguments.customers)
    return {**vars(counts), "make_s": round(time.perf_counter() - began, 1)}


def refresh_all(arguments: argparse.Namespace) -> dict[str, Any]:
    setup()
    from django.db import connection

    from customers.lifecycle.models import LifecycleRun, ScoreModel
    from customers.lifecycle.refresh.nightly import refresh_profiles

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = psutil.Process(cursor.fetchone()[0])
    steps: list[float] = []
    began = time.monotonic()
    run = refresh_profiles(
        as_of=arguments.as_of, started_at=arguments.as_of, progress=lambda done, total: steps.append(time.monotonic())
    )
    seconds = time.monotonic() - began
    computing = [psutil.Process(), backend]
    own_cpu, postgres_cpu = (sum(process.cpu_times()[:2]) for process in computing)
    assert run.status == LifecycleRun.Status.DONE, run.error
    models = {model.kind: model for model in run.score_models.all()}
    buying, spend = models[ScoreModel.Kind.PURCHASE_MODEL], models[ScoreModel.Kind.SPEND]
    found = {"model": buying.algorithm, **parameters(buying.parameters["model"] or {})}
    return {
        "refresh_s": seconds,
        "began": steps[0],
        "seconds": run.quality["seconds"],
        "cpu_s": own_cpu,
        "postgres_cpu_s": postgres_cpu,
        "peak_mb": own_peak_mb(),
        "found_parameters": found | {"spend": parameters(spend.parameters["model"] or {})},
        "stages": run.counts,
    }


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Our fit and that of `lifetimes` of the same process to the same customers."""
    from benchmarks.lifecycle_shop import AS_OF, made
    from customers.lifecycle.scoring.clv.fitting import fit_purchase_model
    from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
    from customers.lifecycle.scoring.clv.purchase_histories import group_histories, summarize_purchases

    n = min(COMPARED, arguments.customers)
    orders = made(n)
    moment = int(AS_OF.timestamp()) * 1_000_000
    seconds = []
    for _round in range(3):
        began = time.perf_counter()
        histories = summarize_purchases(customer=orders.customer, at=orders.at, value=orders.value, as_of=moment)
        groups = group_histories(histories=histories)
        fit = fit_purchase_model(name=MbgNbd.name, groups=groups)
        seconds.append(time.perf_counter() - began)
    assert fit.model is not None, fit.reason
    told = {"compared_customers": n, "compared_fit_s": min(seconds), "compared_log_likelihood": fit.log_likelihood}
    none = {"lifetimes_fit_s": None, "lifetimes_log_likelihood": None, "lifetimes_parameters": None}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "histories.npy", np.column_stack([histories.x, histories.last_days, histories.age_days]))
        command = [sys.executable, "-W", "ignore", str(PEER), folder, "365", MbgNbd.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return told | none | {"note": f"lifetimes_ is null: it did not run: {reason}"}
    peer = json.loads(done.stdout.splitlines()[-1])[MbgNbd.name]
    if "error" in peer:
        return told | none | {"note": f"lifetimes_ is null: {peer['error']}"}
    model = MbgNbd.from_array(np.array(list(peer["parameters"].values())))
    return told | {
        "lifetimes_fit_s": peer["fit_s"],
        "lifetimes_log_likelihood": model.total_log_likelihood(groups)[0],
        "lifetimes_parameters": peer["parameters"],
        "note": "compared_fit_s: our fit from the orders on, best of three; lifetimes' is of ready histories, its own defaults",
    }


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "make": make,
    "refresh": refresh_all,
    "compare": compare,
}


def setup() -> None:
    import django

    django.setup()


def own_peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (MEGABYTE if sys.platform == "darwin" else 1024)


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
