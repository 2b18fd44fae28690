"""The life of a simulated shop in steps, in processes of their own: loading, processing, refreshing, training, serving, sending.

benchmarks.growth runs them at several sizes, benchmarks.large at one. The clock of a step starts after its imports. History comes from
files by the import commands; the events of the four weeks after it are sent to the collector.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from benchmarks.neighbours import log
from benchmarks.shop_meter import WorkMeter, measure_sizes
from config.foundation.files.atomic_write import write_atomically
from config.simulation.plan import ShopPlan

LIVE_DAYS = 28
UNTIL = date(2026, 10, 31)  # of the history; the live events are of the days after it
SOURCE = "simulated-shop"
CONNECTIONS, BATCH = 8, 100
SERVED_REQUESTS, SERVED_CUSTOMERS = 2_000, 1_500
SERVING_SECONDS, SERVING_ROUNDS = 3.0, 5
MODEL_TIMEOUT = 300.0
QUESTIONS = 3
EMAILS_PER_CUSTOMER = 6  # so that even a small shop keeps the worker busy for seconds
TRAIN_SECONDS = float(os.environ.get("BENCHMARK_TRAIN_SECONDS", "5"))

EVENT_OPTIONS = ("--source", f"{SOURCE}-events")
IMPORTS = (
    ("import_customers", "customers", ()),
    ("import_orders", "orders", ("--source", SOURCE)),
    ("import_events", "events", EVENT_OPTIONS),
)

type Figures = dict[str, Any]


def main() -> None:
    arguments = parse_arguments()
    plan = ShopPlan(arguments.customers, arguments.products, arguments.days, arguments.seed, UNTIL)
    print(json.dumps({step: STEPS[step](plan, arguments.folder) for step in arguments.steps}))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="+", choices=sorted(STEPS))
    parser.add_argument("--folder", type=Path, required=True)
    for name in ("customers", "products", "days", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser.parse_args()


def run_shop_steps(steps: Sequence[str], plan: ShopPlan, folder: Path) -> dict[str, Figures]:
    """Run steps in a process of their own, with the servers of the environment, and return the figures of each."""
    command = [sys.executable, "-m", "benchmarks.shop_steps", *steps, "--folder", str(folder)]
    command += ["--customers", str(plan.customers), "--products", str(plan.products)]
    command += ["--days", str(plan.days), "--seed", str(plan.seed)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def get_end(plan: ShopPlan) -> datetime:
    return plan.start + timedelta(days=plan.days)


def list_files(folder: Path, name: str) -> list[Path]:
    return sorted((folder / "files" / name).glob("0*"))


def set_up_django() -> None:
    import django

    django.setup()


def call(command: str, *arguments: object) -> None:
    from django.core.management import call_command

    call_command(command, *map(str, arguments), verbosity=0, stdout=sys.stderr)


def write_files(plan: ShopPlan, folder: Path) -> Figures:
    """Write the files of the history, or what is missing of them. No servers are needed."""
    from benchmarks.truth import is_complete
    from config.simulation.simulation import RECORD, write_simulation

    files = folder / "files"
    if not is_complete(files):
        write_simulation(plan, files)
    return dict(json.loads((files / RECORD).read_text(encoding="utf-8"))["counts"])


def prepare(_plan: ShopPlan, _folder: Path) -> Figures:
    set_up_django()
    call("migrate")
    return {}


def load_products(_plan: ShopPlan, folder: Path) -> Figures:
    set_up_django()
    with WorkMeter() as meter:
        call("import_products", folder / "files" / "products.jsonl")
    return meter.to_dict()


def load_customers(_plan: ShopPlan, folder: Path) -> Figures:
    set_up_django()
    with WorkMeter() as meter:
        for path in list_files(folder, "customers"):
            call("import_customers", path)
    return meter.to_dict()


def load_orders(_plan: ShopPlan, folder: Path) -> Figures:
    set_up_django()
    with WorkMeter() as meter:
        for path in list_files(folder, "orders"):
            call("import_orders", path, "--source", SOURCE)
    return meter.to_dict()


def import_events(_plan: ShopPlan, folder: Path) -> Figures:
    set_up_django()
    with WorkMeter() as meter:
        for path in list_files(folder, "events"):
            call("import_events", path, *EVENT_OPTIONS)
    return meter.to_dict()


def load_parts(_plan: ShopPlan, folder: Path) -> Figures:
    """Import customers, orders and events part by part, and process them; parts that an earlier run loaded are left out.

    The figures of the parts are added up over all runs.
    """
    set_up_django()
    path = folder / "loaded.json"
    loaded: dict[str, Figures] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    parts = [file.name.partition(".")[0] for file in list_files(folder, "events")]
    for number, part in enumerate(parts, 1):
        if part in loaded:
            continue
        with WorkMeter() as meter:
            for command, name, options in IMPORTS:
                for file in list_files(folder, name):
                    if file.name.startswith(part):
                        call(command, file, *options)
            call("process_events", "--until-empty")
        loaded[part] = meter.to_dict()
        write_atomically(path, json.dumps(loaded).encode())
        log(f"part {number} of {len(parts)}: {meter.seconds:.0f} s, {meter.peak_mb:.0f} MB")
    names = [name for name in next(iter(loaded.values())) if not name.endswith("_at")]
    figures = {name: round(sum(part[name] for part in loaded.values()), 1) for name in names}
    return figures | {"peak_mb": max(part["peak_mb"] for part in loaded.values())}


def process(_plan: ShopPlan, _folder: Path) -> Figures:
    set_up_django()
    with WorkMeter() as meter:
        call("process_events", "--until-empty")
    return meter.to_dict()


def export(_plan: ShopPlan, _folder: Path) -> Figures:
    set_up_django()
    with WorkMeter() as meter:
        call("export_warehouse")
    return meter.to_dict()


def refresh(plan: ShopPlan, _folder: Path) -> Figures:
    """Refresh all profiles: the first time, with measuring and training."""
    return refresh_at(get_end(plan))


def refresh_next_day(plan: ShopPlan, _folder: Path) -> Figures:
    return refresh_at(get_end(plan) + timedelta(days=1))


def refresh_at(as_of: datetime) -> Figures:
    set_up_django()
    from customers.lifecycle.refresh.nightly import refresh_profiles

    with WorkMeter() as meter:
        run = refresh_profiles(as_of=as_of, started_at=as_of)
    return meter.to_dict() | {"steps": run.quality["seconds"]}


def fit(plan: ShopPlan, _folder: Path) -> Figures:
    """Read the training data and fit every algorithm that fits into the memory, with its start parameters; then serve a default model."""
    set_up_django()
    from django.conf import settings

    from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS
    from recommendations.training.data.extract import extract_training_data
    from recommendations.training.train import fit_for_serving
    from recommendations.training.tuning.model_choice import ModelChoice, measure_size
    from recommendations.training.tuning.search_space import CANDIDATES, describe_starts

    with WorkMeter() as meter:
        data = extract_training_data(as_of=get_end(plan))
        size = measure_size(data.interactions)
        needed = {
            name: candidate.estimate_mb(size, {**candidate.fixed, **candidate.start})
            for name, candidate in CANDIDATES.items()
        }
        components = {
            name: start for name, start in describe_starts().items() if needed[name] < settings.TRAINING_MEMORY_MB
        }
        weights = dict.fromkeys(components, 1 / len(components))
        choice = ModelChoice(DEFAULT_EVENT_WEIGHTS, components, weights, "max", float("nan"), {}, [], [])
        fit_for_serving(data=data, choice=choice)
    serve_default_choice(data, get_end(plan))
    return meter.to_dict() | {
        "interactions": len(data.interactions),
        "users": data.interactions.n_users,
        "items": data.interactions.n_items,
        "algorithms": sorted(components),
    }


def serve_default_choice(data: Any, as_of: datetime) -> None:
    """Save and promote the model of a training without tuning, which takes seconds instead of minutes."""
    from recommendations.engine.exploration import count_people
    from recommendations.training.data.customer_traits import extract_known_traits
    from recommendations.training.evaluation.promotion_criteria import make_reason
    from recommendations.training.registry.artifacts import save_artifact
    from recommendations.training.registry.promotion import get_artifact_folder, promote_version
    from recommendations.training.train import (
        TrainingOutcome,
        build_artifact,
        build_version,
        fit_for_serving,
        make_default_choice,
    )
    from recommendations.training.tuning.cold_start.cold_start_artifact import build_cold_start_artifact
    from recommendations.training.tuning.placements.placement_result import make_default_placements

    choice = make_default_choice()
    reason = make_reason("place_short_history")
    outcome = TrainingOutcome(choice, placements=make_default_placements(choice.components, reason))
    weighted, blend = fit_for_serving(data=data, choice=choice)
    version = build_version(data=data, outcome=outcome, as_of=as_of, created_at=as_of)
    folder = get_artifact_folder(version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    artifact = build_artifact(data=weighted, blend=blend, outcome=outcome, people=count_people(data.interactions))
    known = extract_known_traits(as_of=as_of, traits=())
    cold = build_cold_start_artifact(data=weighted, known=known, cold_start=outcome.cold_start)
    version.checksum = save_artifact(folder=folder, artifact=artifact.with_parts(cold))
    version.save()
    promote_version(version=version, reasons=[reason], at=as_of)


def train(plan: ShopPlan, _folder: Path) -> Figures:
    """Train as the product does, and serve the model whatever the promotion criteria say."""
    set_up_django()
    from recommendations.training.models import ModelVersion
    from recommendations.training.registry.promotion import promote_version
    from recommendations.training.train import train as train_model

    end = get_end(plan)
    with WorkMeter() as meter:
        version = train_model(as_of=end, started_at=end, seconds=TRAIN_SECONDS)
    reasons, is_promoted = version.reasons, version.status == ModelVersion.Status.ACTIVE
    if not is_promoted:
        promote_version(version=version, reasons=[], at=end)
    return meter.to_dict() | {"interactions": version.interactions, "promoted": is_promoted, "reasons": reasons}


def ask_funnel(plan: ShopPlan, _folder: Path) -> Figures:
    """Answer a funnel over the whole history: the median of three warm runs."""
    set_up_django()
    from customers.analytics.expressions.matching import EventMatch
    from customers.analytics.questions.funnel import FunnelParameters, run_funnel
    from customers.analytics.sources import open_analytics_tables

    days: Figures = {"since": plan.start.date(), "until": get_end(plan).date() - timedelta(days=1)}
    steps = tuple(EventMatch(name=name) for name in ("Product List Viewed", "Product Viewed", "Product Added"))
    runs = []
    with open_analytics_tables(as_of=get_end(plan)) as tables:
        for _run in range(QUESTIONS + 1):
            with WorkMeter() as meter:
                answer = run_funnel(tables, FunnelParameters(**days, steps=steps))
            runs.append(meter.to_dict())
    people = [step.people for step in answer.steps]
    return {name: statistics.median(run[name] for run in runs[1:]) for name in runs[0]} | {"people": people}


def ingest(plan: ShopPlan, folder: Path) -> Figures:
    """Send the events and orders of four more weeks to the collector, in batches over several connections."""
    set_up_django()
    from benchmarks.clickstream import LoadGenerator
    from benchmarks.ingest import run_web_server
    from config.simulation.catalog import draw_catalog
    from config.simulation.output.live_sending import build_items
    from customers.events.models import Source
    from customers.events.sources.write_keys import rotate_write_key

    live = ShopPlan(plan.customers, plan.products, LIVE_DAYS, plan.seed + 1, UNTIL + timedelta(days=LIVE_DAYS))
    path = folder / "live.jsonl.gz"
    items = 0
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for lines in build_items(live, draw_catalog(live)):
            stream.writelines(line.rstrip(b"\n") + b"\n" for line in lines)
            items += len(lines)
    source = Source.objects.create(key="live", name="live", kind=Source.Kind.SERVER)
    key = rotate_write_key(source_id=source.pk, now=datetime.now(UTC))
    batches = items // BATCH - CONNECTIONS  # as the connections may be ahead by one batch each
    with run_web_server() as port, gzip.open(path, "rt", encoding="utf-8") as stream:
        load = LoadGenerator("127.0.0.1", port, key, BATCH, CONNECTIONS)
        load.events = iter(line.rstrip("\n") for line in stream)
        web = find_web_server(port)
        with WorkMeter([web]) as meter:
            load.run(until=lambda so_far: so_far.sent >= batches)
        memory = sum_memory_mb(web)
    figures = meter.to_dict()
    figures["total_cpu_s"] = round(figures["total_cpu_s"] - figures["cpu_s"], 3)  # without the load generator
    assert not load.refused, load.refused
    return figures | {"events": load.accepted, "sent": load.requests * BATCH, "web_mb": memory}


def find_web_server(port: int) -> psutil.Process:
    """Return the child of this process that listens on the port."""
    for child in psutil.Process().children():
        if str(port) in child.cmdline():
            return child
    raise RuntimeError(f"no child process was started for port {port}")


def sum_memory_mb(process: psutil.Process) -> int:
    """Return the memory of a process and its children, counting shared memory once."""
    family = [process, *process.children(recursive=True)]
    return round(sum(member.memory_full_info().pss for member in family) / 1e6)


def serve(plan: ShopPlan, folder: Path) -> Figures:
    """Ask for recommendations to known customers in a closed loop; cpu_us is the web server's processor time per request.

    cpu_us and valkey_us are means of all rounds, because they are divided by the mean slowness of the machine; the other figures are
    those of the best round.
    Every shop that is large enough uses the same number of customers, because with fewer, more answers would come from caches.
    """
    set_up_django()
    from django.utils import timezone

    from benchmarks.serving import measure_memory, run_watched_load, run_web_server
    from benchmarks.serving_shop import create_key

    record = {"folder": str(folder), "api_key": create_key(timezone.now())}
    draws = random.Random(plan.seed)
    asked = draws.sample(range(plan.customers), min(plan.customers, SERVED_CUSTOMERS))
    with (folder / "for-you.jsonl").open("w", encoding="utf-8") as file:
        for _request in range(SERVED_REQUESTS):
            target = f"/api/v1/recommendations/for-you/?user_id=c{draws.choice(asked):09d}&n=20"
            file.write(json.dumps(["GET", target, "", "en"]) + "\n")
    with run_web_server(argparse.Namespace(whole=False), record) as shop:
        wait_for_model(shop.port, shop.key)
        run_watched_load(shop, "for-you:1", seconds=2, seed=99)
        began_at = time.time()
        rounds = [
            run_watched_load(shop, "for-you:1", seconds=SERVING_SECONDS, seed=number)
            for number in range(SERVING_ROUNDS)
        ]
        ended_at = time.time()
        memory = measure_memory(shop)
    best = min(rounds, key=lambda figures: figures["web_us"])
    scenario = best["scenarios"]["for-you"]
    return {
        "cpu_us": round(statistics.fmean(figures["web_us"] for figures in rounds)),
        "valkey_us": round(statistics.fmean(figures["valkey_us"] for figures in rounds)),
        "requests_per_s": round(best["requests_per_s"]),
        **{name: round(scenario[name], 3) for name in ("p50_ms", "p99_ms", "served_ms", "fallback_share")},
        "errors": scenario["errors"],
        "began_at": began_at,
        "ended_at": ended_at,
        **memory,
    }


def wait_for_model(port: int, key: str) -> None:
    """Wait until every web worker answers from the model. Errors: TimeoutError."""
    from benchmarks.ingest import send_request

    path = "/api/v1/recommendations/for-you/?user_id=c000000000&n=20"
    ends, in_a_row = time.monotonic() + MODEL_TIMEOUT, 0
    while in_a_row < CONNECTIONS:  # each on a new connection, which any worker may accept
        answer = send_request(port, path, {"Authorization": f"Bearer {key}"})
        in_a_row = in_a_row + 1 if answer["model_version"] else 0
        if time.monotonic() > ends:
            raise TimeoutError(
                f"the model answers no request within {MODEL_TIMEOUT:.0f} s: {answer['fallback_reason']}"
            )
        if not in_a_row:
            time.sleep(0.2)


def send(_plan: ShopPlan, _folder: Path) -> Figures:
    """Send several emails to every customer, to a mail server on this machine: queue, decide, render and send."""
    from benchmarks.sending import Log, queue, run_sink, run_worker
    from benchmarks.sending import prepare as prepare_sending

    with tempfile.TemporaryDirectory(prefix="perennial-sinks-") as name, run_sink("smtp", Path(name) / "smtp") as port:
        os.environ |= {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(port), "EMAIL_TLS": "off"}
        set_up_django()
        from customers.identity.models import Customer

        versions = prepare_sending(0, http_port=9)
        arrived = Log(Path(name) / "smtp")
        customers = Customer.objects.count()
        queued = customers * EMAILS_PER_CUSTOMER  # a few customers have no address
        with WorkMeter() as meter:
            for number in range(1, EMAILS_PER_CUSTOMER + 1):
                queue(number, versions["email"], "email", customers)
            run = run_worker(queued, arrived)
    figures = meter.to_dict()
    worker = run.cpu_ms * queued / 1000  # without the start of the worker
    figures["total_cpu_s"] = round(worker + figures["postgres_cpu_s"] + figures["valkey_cpu_s"], 3)
    figures["seconds"] = round(queued / run.per_s, 3)
    return figures | {"emails": arrived.count, "worker_mb": run.peak_mb}


def count_and_size(_plan: ShopPlan, folder: Path) -> Figures:
    """Count what the shop contains, and measure what it occupies."""
    set_up_django()
    from catalog.models import Product
    from customers.events.models import Event
    from customers.identity.models import Customer
    from customers.orders.models import OrderLine

    counts = {
        f"{name}_stored": model.objects.count()
        for name, model in (("events", Event), ("customers", Customer), ("lines", OrderLine), ("products", Product))
    }
    return counts | measure_sizes(folder / "var")


def make_template(folder: Path) -> Path:
    """Make servers with all migrations applied, once; copies of them save most of a minute for each shop."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)  # PostgreSQL runs as another user
    plan = ShopPlan(1, 20, LIVE_DAYS, 1, UNTIL)
    with run_shop_servers(folder):
        run_shop_steps(["prepare"], plan, folder)  # does nothing in a folder that was kept
    return folder


def copy_template(template: Path, folder: Path) -> None:
    """Make the folder of a shop; one of an earlier run is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(0o711)
    subprocess.run(["cp", "--archive", str(template / "var"), str(folder)], check=True)  # with the owners of the files


@contextmanager
def run_shop_servers(folder: Path) -> Iterator[None]:
    """Run the servers of a shop with its data in this folder; the environment has their addresses."""
    from benchmarks.embedded_servers import run_embedded_servers

    before = dict(os.environ)
    try:
        with run_embedded_servers("shop", report=log, folder=folder, SHOP_CURRENCY="EUR"):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


STEPS: dict[str, Callable[[ShopPlan, Path], Figures]] = {
    "write": write_files,
    "prepare": prepare,
    "load_products": load_products,
    "load_customers": load_customers,
    "load_orders": load_orders,
    "load_parts": load_parts,
    "import_events": import_events,
    "process_imported": process,
    "export": export,
    "refresh": refresh,
    "refresh_next_day": refresh_next_day,
    "fit": fit,
    "train": train,
    "funnel": ask_funnel,
    "ingest": ingest,
    "process": process,
    "serve": serve,
    "send": send,
    "sizes": count_and_size,
}

if __name__ == "__main__":
    main()
