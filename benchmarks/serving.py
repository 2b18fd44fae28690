"""Recommendations under load: a simulated shop on its own embedded servers; web, database, Valkey and load share the machine.

Without --products, it runs with 12,000 and then with 100,000 products; the keys of the second run end in _100k. Each type of
request (20 products, filters by category and price, reasons; 200 products to rank; autocomplete of the first letters) runs first
in a closed loop of 8 connections, of which the best round is reported, then in an open loop (keys open_…) of 500 requests per
second with exponential gaps. The latencies of the open loop count from the moment a request is due. The floors return the bytes
of a for-you response from the same Granian: a Django view without middleware, and a view of Django REST framework without
authentication. cpu_us is the processor time of the web workers per request; it hardly depends on what else runs on the machine.

first_answer_s counts from the start of the web server's process to its first recommendation, which took first_request_s; model_answer_s
to the first one of the model. reload_worst_ms is the slowest answer of an open loop of 200 requests per second while a price, a rule,
5,000 prices and the model change. {price,title,stock,rule}_visible_s: seconds until responses show a change of one product, or a new rule
that hides it; the median of five, and the worst in {…}_visible_worst_s.

--reload also promotes copies of the model during an open loop of 500 requests per second. --soak SECONDS instead runs a mix of requests
with promotions and price changes. --folder keeps the simulated shop and reuses it in later runs.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil
import psycopg
import redis

from benchmarks.ingest import run_program, send_request
from benchmarks.serving_changes import measure_visibility
from config.embedded.server_process import find_free_port
from config.embedded.servers import EmbeddedServers

SIZES = (12_000, 100_000)
CUSTOMERS = 1_000_000
SECONDS, ROUNDS, OPEN_SECONDS = 10.0, 3, 15.0
CONNECTIONS, RATE = 8, 500.0
WARM_SECONDS = 2.0
RELOADS, RELOAD_SECONDS, PROMOTION_SECONDS = 3, 30.0, 6.0
CHANGE_RATE, CHANGE_EVERY, BULK_CHANGES = 200.0, 4.0, 5_000
START_TIMEOUT = 300.0
SCENARIOS = ("for-you", "for-you-any-price", "similar", "cart", "rank", "search", "autocomplete")
SEARCH_SCENARIOS = ("search", "autocomplete")
SOAK_MIX = "for-you:70,similar:10,cart:10,rank:5,search:5"
PROMOTION_EVERY, PRICE_EVERY, SAMPLE_EVERY = 60.0, 5.0, 60.0
COPIES = 3
SEARCH_TIMEOUT = 30.0


@dataclass(frozen=True)
class ShopServer:
    """A simulated shop and its web server. pid: the process that was started; record: the output of `benchmarks.serving_shop`."""

    folder: Path
    port: int
    pid: int
    record: dict[str, Any]

    @property
    def key(self) -> str:
        return str(self.record["api_key"])


def main() -> None:
    arguments = parse_arguments()
    sizes = [arguments.products] if arguments.products else SIZES[:1] if arguments.soak else SIZES
    lines = []
    for size in sizes:
        with run_shop(arguments, size) as record:
            lines.append(run_soak(arguments, record) if arguments.soak else measure_shop(arguments, record))
    first, *other_lines = lines
    for line in other_lines:
        first |= {f"{name}_100k": value for name, value in line.items()}
        first["growth_for_you_p50"] = round(line["for_you_p50_ms"] / first["for_you_p50_ms"], 2)
        first["growth_exponent"] = round(math.log(first["growth_for_you_p50"]) / math.log(SIZES[1] / SIZES[0]), 2)
    print(json.dumps(first))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=0, help="run only a shop with this number of products")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of each round of the closed loop")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of the closed loop; the best is reported")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="types of requests, separated by commas")
    parser.add_argument("--whole", action="store_true", help="also run the worker and the scheduler")
    parser.add_argument("--reload", action="store_true", help="also promote copies of the model under load")
    parser.add_argument(
        "--soak", type=float, default=0.0, metavar="SECONDS", help="instead run a mix of requests for this time"
    )
    parser.add_argument("--folder", type=Path, help="keep the simulated shop in this folder")
    arguments = parser.parse_args()
    if arguments.seconds <= 0 or arguments.rounds < 1 or arguments.soak < 0 or arguments.customers < 100:
        parser.error("--seconds must be above 0, --rounds at least 1, --soak at least 0, --customers at least 100")
    if arguments.products and arguments.products < 200:
        parser.error("--products must be at least 200, the number of products ranked in one request")
    if unknown := set(arguments.scenarios.split(",")) - set(SCENARIOS):
        parser.error(f"Unknown scenario {', '.join(sorted(unknown))}; valid: {', '.join(SCENARIOS)}")
    return arguments


@contextmanager
def run_shop(arguments: argparse.Namespace, products: int) -> Iterator[dict[str, Any]]:
    """Run servers with a simulated shop; the environment has their addresses until the end."""
    with tempfile.TemporaryDirectory(prefix="perennial-serving-") as name:
        folder = (arguments.folder or Path(name)) / f"{products}x{arguments.customers}"
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder, folder.parent):
            path.chmod(0o711)  # PostgreSQL runs as another user
        servers = EmbeddedServers(folder / "var", report=log)
        before = dict(os.environ)
        try:
            addresses = servers.ensure(postgres=True, valkey=True)
            os.environ |= {
                "DATABASE_URL": str(addresses.postgres),
                "VALKEY_URL": str(addresses.valkey),
                "PERENNIAL_VAR": str(folder / "var"),
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
            yield prepare_shop(arguments, products, folder)
        finally:
            servers.release()
            os.environ.clear()
            os.environ.update(before)


def prepare_shop(arguments: argparse.Namespace, products: int, folder: Path) -> dict[str, Any]:
    path = folder / "shop.json"
    if not path.exists():
        command = [sys.executable, "-m", "benchmarks.serving_shop", "--folder", str(folder), "--copies", str(COPIES)]
        record = run_json_program([*command, "--products", str(products), "--customers", str(arguments.customers)])
        path.write_text(json.dumps(record | {"folder": str(folder), "products": products}), encoding="utf-8")
    wait_for_valkey()
    return dict(json.loads(path.read_text(encoding="utf-8")))


def wait_for_valkey() -> None:
    """Wait until Valkey has rewritten its append-only file, which would distort the measurement."""
    with redis.Redis.from_url(os.environ["VALKEY_URL"]) as valkey:
        while True:
            status = valkey.info("persistence")
            if not (status["aof_rewrite_in_progress"] or status["aof_rewrite_scheduled"] or status["loading"]):
                return
            time.sleep(0.2)


def measure_shop(arguments: argparse.Namespace, record: dict[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "products": record["products"],
        "customers": arguments.customers,
        "rules": record["rules"],
    }
    notes = [f"best of {arguments.rounds} rounds; open loop with exponential gaps, by {RATE:.0f} requests/s"]
    figures |= measure_start(record)
    with run_web_server(arguments, record) as shop:
        run_load(shop, "for-you:1", seconds=min(WARM_SECONDS, arguments.seconds), seed=99)
        for scenario in arguments.scenarios.split(","):
            name = scenario.replace("-", "_")
            if problem := find_problem(shop, scenario):
                figures |= {f"{name}_{figure}": None for figure in ("requests_per_s", "p50_ms", "p95_ms", "p99_ms")}
                notes.append(f"{scenario} is null: {problem}")
                continue
            figures |= {
                f"{name}_{figure}": value for figure, value in measure_scenario(shop, arguments, scenario).items()
            }
        figures |= measure_changes(shop)
        figures |= measure_visibility(shop.port, get_first_path(shop), shop.key)
        if arguments.reload:
            figures |= measure_reload(shop)
        figures |= measure_memory(shop)
        (shop.folder / "floor.json").write_bytes(fetch_for_you_response(shop))
    figures |= measure_floors(arguments, record)
    figures["ratio_to_bare"] = compute_ratio(figures["bare_requests_per_s"], figures.get("for_you_requests_per_s"))
    figures["ratio_to_drf"] = compute_ratio(figures["drf_requests_per_s"], figures.get("for_you_requests_per_s"))
    steps = {name: value for name, value in record.items() if name.endswith("_s")}
    return figures | steps | {"load_average": round(os.getloadavg()[0], 2), "notes": "; ".join(notes)}


def find_problem(shop: ShopServer, scenario: str) -> str:
    """Return why a type of request cannot be measured, empty if it can."""
    if not (shop.folder / f"{scenario}.jsonl").exists():
        return "the folder was made by an earlier version and has no such requests"
    if scenario in SEARCH_SCENARIOS and not has_search(shop):
        return "/api/v1/search/ does not answer"
    return ""


def compute_ratio(floor: float, reached: float | None) -> float | None:
    return round(floor / reached, 2) if reached else None


@contextmanager
def run_web_server(arguments: argparse.Namespace, record: dict[str, Any]) -> Iterator[ShopServer]:
    """Run the web server as `up` starts it, or with --whole everything that `up` starts."""
    port = find_free_port()
    if arguments.whole:
        command = [sys.executable, "manage.py", "up", "--port", str(port), "--grace", "5"]
    else:
        command = build_web_command(port)
    with run_program(command, port, get_web_environment()) as pid:
        yield ShopServer(Path(record["folder"]), port, pid, record)


def build_web_command(port: int) -> list[str]:
    import django

    django.setup()
    from config.management.commands.up import build_programs

    options = {"host": "127.0.0.1", "web_workers": 2, "no_web": False, "no_worker": True, "no_beat": True}
    [program] = build_programs(options, port)
    return list(program.command)


def get_web_environment() -> Mapping[str, str]:
    """Return the variables that `up` sets for the web server."""
    from config.management.commands.up import WEB_ENVIRONMENT

    return WEB_ENVIRONMENT


def measure_start(record: dict[str, Any]) -> dict[str, float]:
    """Start the web server and return the seconds until it recommends, and until it does so from the model."""
    port = find_free_port()
    target = json.loads((Path(record["folder"]) / "for-you.jsonl").open(encoding="utf-8").readline())[1]
    began, first_answer, took = time.perf_counter(), 0.0, 0.0
    # Granian logs to stdout, where only the line with the figures belongs.
    environment = {**os.environ, **get_web_environment()}
    process = subprocess.Popen(build_web_command(port), env=environment, stdout=sys.stderr)
    try:
        while time.perf_counter() - began < START_TIMEOUT:
            sent = time.perf_counter()
            try:
                answer = send_request(port, target, {"Authorization": f"Bearer {record['api_key']}"})
            except OSError:  # not listening, or not answering yet
                time.sleep(0.02)
                continue
            now = time.perf_counter()
            if not first_answer:
                first_answer, took = now - began, now - sent
            if answer["model_version"]:
                log(f"first answer after {first_answer:.2f} s, of the model after {now - began:.2f} s")
                figures = {"first_answer_s": first_answer, "first_request_s": took, "model_answer_s": now - began}
                return {name: round(seconds, 3) for name, seconds in figures.items()}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    raise TimeoutError(f"The model answers no request within {START_TIMEOUT:.0f} s of the start.")


def measure_changes(shop: ShopServer) -> dict[str, float]:
    """Change prices, a rule and the model while an open loop runs; return the slowest answer."""
    changes: list[Callable[[], object]] = [
        lambda: change_price(1),
        change_rule,
        lambda: change_prices(BULK_CHANGES),
        lambda: promote(get_next_version()),
    ]
    seconds = CHANGE_EVERY * (len(changes) + 1) + PROMOTION_SECONDS  # the promoted model must be loaded under load too
    load = run_load(shop, "for-you:1", seconds=seconds, rate=CHANGE_RATE, seed=60, background=True)
    for change in changes:
        time.sleep(CHANGE_EVERY)
        change()
    figures = json.loads(load.communicate()[0])
    tally = figures["scenarios"]["for-you"]
    return {
        "reload_worst_ms": round(figures["all"]["max_ms"], 1),
        "reload_over_100_ms": tally["slow"],
        "reload_errors": tally["errors"] + sum(figures["problems"].values()),
    }


def measure_scenario(shop: ShopServer, arguments: argparse.Namespace, scenario: str) -> dict[str, Any]:
    """Return the figures of both loops over one type of request."""
    rounds = []
    for number in range(1, arguments.rounds + 1):
        rounds.append(run_watched_load(shop, f"{scenario}:1", seconds=arguments.seconds, seed=number))
        log(f"{scenario}, round {number}: {rounds[-1]['requests_per_s']:,.0f} requests/s")
    best = max(rounds, key=lambda result: result["requests_per_s"])
    open_loop = run_watched_load(
        shop, f"{scenario}:1", seconds=OPEN_SECONDS * min(1.0, arguments.seconds / SECONDS), rate=RATE, seed=50
    )
    log(f"{scenario}, open loop: p99 {open_loop['all']['p99_ms']:.1f} ms, max {open_loop['all']['max_ms']:.1f} ms")
    closed = best["scenarios"][scenario]
    figures = {"requests_per_s": round(best["requests_per_s"])}
    figures |= {name: round(closed[name], 2) for name in ("p50_ms", "p95_ms", "p99_ms")}
    figures |= {f"open_{name}": round(open_loop["all"][name], 2) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")}
    figures |= {"open_behind_p99_ms": round(open_loop["behind_p99_ms"], 2), "open_slow": open_loop["all"]["slow"]}
    figures |= {name: round(closed[name], 4) for name in ("fallback_share", "late_share", "short_share")}
    figures |= {"open_late_share": round(open_loop["scenarios"][scenario]["late_share"], 4)}
    figures |= {"served_ms": round(closed["served_ms"], 2), "kb": round(closed["kb"], 1)}
    figures |= {"errors": sum(result["scenarios"][scenario]["errors"] for result in [*rounds, open_loop])}
    figures |= {name: round(best[name], 2) for name in ("web_cores", "valkey_cores", "generator_cpu")}
    figures |= {"cpu_us": min(round(result["web_us"]) for result in rounds)}
    figures |= {"valkey_us": min(round(result["valkey_us"]) for result in rounds)}
    return figures


def run_load(
    shop: ShopServer, mix: str, *, seconds: float, rate: float = 0.0, seed: int = 1, background: bool = False
) -> Any:
    """Return the output of `benchmarks.serving_load`, or its process if it runs in the background."""
    command = [sys.executable, "-m", "benchmarks.serving_load", "--port", str(shop.port), "--key", shop.key]
    command += ["--folder", str(shop.folder), "--mix", mix, "--connections", str(CONNECTIONS)]
    command += ["--seconds", str(seconds), "--rate", str(rate), "--seed", str(seed)]
    if background:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return run_json_program(command)


def run_watched_load(shop: ShopServer, mix: str, *, seconds: float, rate: float = 0.0, seed: int = 1) -> dict[str, Any]:
    """Run the load and return its figures with the processor use of the servers."""
    before, began = get_cpu_seconds(shop), time.perf_counter()
    figures: dict[str, Any] = run_load(shop, mix, seconds=seconds, rate=rate, seed=seed)
    took, after = time.perf_counter() - began, get_cpu_seconds(shop)
    requests = max(figures["all"]["requests"], 1)
    for name in before:
        used = after[name] - before[name]
        figures |= {f"{name}_cores": used / min(took, figures["seconds"]), f"{name}_us": used / requests * 1e6}
    return figures


def get_cpu_seconds(shop: ShopServer) -> dict[str, float]:
    valkey = psutil.Process(get_valkey_pid()).cpu_times()
    cpu_times = [process.cpu_times() for process in list_web_processes(shop)]
    return {
        "web": sum(process_times.user + process_times.system for process_times in cpu_times),
        "valkey": valkey.user + valkey.system,
    }


def list_web_processes(shop: ShopServer) -> list[psutil.Process]:
    top = psutil.Process(shop.pid)
    every = [top, *top.children(recursive=True)]
    return [process for process in every if "config.web_server" in process.cmdline()]


def get_valkey_pid() -> int:
    with redis.Redis.from_url(os.environ["VALKEY_URL"]) as valkey:
        return int(valkey.info("server")["process_id"])


def measure_memory(shop: ShopServer) -> dict[str, float]:
    """Return the total megabytes of all web processes, counting shared memory once, and those of Valkey."""
    infos = [process.memory_full_info() for process in list_web_processes(shop)]
    return {
        "workers_mb": round(sum(info.pss for info in infos) / 1e6),
        "workers_private_mb": round(sum(info.uss for info in infos) / 1e6),
        "valkey_mb": round(psutil.Process(get_valkey_pid()).memory_info().rss / 1e6),
    }


def has_search(shop: ShopServer) -> bool:
    """Return whether search responds, after waiting for its index."""
    deadline = time.monotonic() + SEARCH_TIMEOUT
    while True:
        try:
            send_request(shop.port, "/api/v1/search/?q=tea", {"Authorization": f"Bearer {shop.key}"})
            return True
        except HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
                time.sleep(0.5)
            elif error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
                return False
            else:
                raise


def get_first_path(shop: ShopServer) -> str:
    """Return the path of the first request for recommendations."""
    return str(json.loads((shop.folder / "for-you.jsonl").open(encoding="utf-8").readline())[1])


def fetch_for_you_response(shop: ShopServer) -> bytes:
    response = send_request(shop.port, get_first_path(shop), {"Authorization": f"Bearer {shop.key}"})
    return json.dumps(response, separators=(",", ":")).encode()


def measure_floors(arguments: argparse.Namespace, record: dict[str, Any]) -> dict[str, Any]:
    """Return the requests per second of views that do nothing, and their processor time."""
    folder = Path(record["folder"])
    os.environ["FLOOR_BODY"] = str(folder / "floor.json")
    port = find_free_port()
    command = [*build_web_command(port)[:-1], "benchmarks.serving_floor:application"]
    figures: dict[str, Any] = {}
    with run_program(command, port, get_web_environment()) as pid:
        shop = ShopServer(folder, port, pid, record)
        for name, path in (("bare", "/bare/"), ("drf", "/rest/")):
            rounds = [
                run_watched_load(shop, f"floor:{path}", seconds=arguments.seconds / 2, seed=number)
                for number in range(arguments.rounds)
            ]
            best = max(rounds, key=lambda result: result["requests_per_s"])
            figures[f"{name}_requests_per_s"] = round(best["requests_per_s"])
            figures[f"{name}_p99_ms"] = round(best["all"]["p99_ms"], 2)
            figures[f"{name}_cpu_us"] = min(round(result["web_us"]) for result in rounds)
            log(f"{name}: {best['requests_per_s']:,.0f} requests/s")
    return figures


def measure_reload(shop: ShopServer) -> dict[str, Any]:
    """Promote copies while the open loop runs; return failures, latencies and seconds until the last response of the previous version."""
    seconds_of_load = RELOAD_SECONDS + RELOADS * PROMOTION_SECONDS  # the last promotion must be under load too
    load = run_load(shop, "for-you:1", seconds=seconds_of_load, rate=RATE, seed=70, background=True)
    promotions = []
    for _promotion in range(RELOADS):
        time.sleep(RELOAD_SECONDS / (RELOADS + 1))
        promotions.append(promote(get_next_version()))
    figures = json.loads(load.communicate()[0])
    seconds = [
        seen_last - promotion["promoted"]
        for promotion in promotions
        for version, (_first, seen_last, _requests) in figures["versions"].items()
        if version == promotion["before"]
    ]
    tally = figures["scenarios"]["for-you"]
    return {
        "reload_requests": tally["requests"],
        "reload_failed": tally["errors"] + sum(figures["problems"].values()),
        "reload_slow": tally["slow"],
        "reload_late_share": round(tally["late_share"], 4),
        "reload_p99_ms": round(tally["p99_ms"], 1),
        "reload_max_ms": round(tally["max_ms"], 1),
        "reload_seconds": [round(second, 2) for second in seconds],
        "reload_promotion_s": [round(promotion["promoted"] - promotion["began"], 2) for promotion in promotions],
    }


def get_next_version() -> str:
    """Return the version after the active one, in turn, so that a few promotions never bring back an earlier version."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT version, status FROM training_modelversion ORDER BY id").fetchall()
    [active] = [index for index, (_version, status) in enumerate(rows) if status == "active"]
    return str(rows[(active + 1) % len(rows)][0])


def promote(version: str) -> dict[str, Any]:
    """Promote a version in its own process, with the priority of the worker that trains; return the moments and the previously active version."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT version FROM training_modelversion WHERE status = 'active'").fetchone()
    assert row is not None
    from config.management.commands.up import BACKGROUND_NICENESS

    command = [sys.executable, "-m", "benchmarks.serving_shop", "--folder", ".", "--promote", version]
    promotion = run_json_program(["nice", "-n", str(BACKGROUND_NICENESS), *command])
    log(f"promoted {version} in {promotion['promoted'] - promotion['began']:.1f} s")
    return promotion | {"before": row[0]}


def run_soak(arguments: argparse.Namespace, record: dict[str, Any]) -> dict[str, Any]:
    """Run a mix of requests at RATE with promotions and price changes; return errors, latencies and the growth of memory."""
    with run_web_server(arguments, record) as shop:
        mix = SOAK_MIX if has_search(shop) else SOAK_MIX.rpartition(",")[0]
        run_load(shop, mix, seconds=WARM_SECONDS, seed=99)
        load = run_load(shop, mix, seconds=arguments.soak, rate=RATE, seed=70, background=True)
        samples = [measure_memory(shop)]
        run_background_actions(shop, load, samples, arguments.soak)
        figures = json.loads(load.communicate()[0])
        samples.append(measure_memory(shop))
    megabytes = [sample["workers_mb"] for sample in samples]
    hours = max(arguments.soak - SAMPLE_EVERY, SAMPLE_EVERY) / 3600
    return {
        "benchmark": "soak",
        "seconds": arguments.soak,
        "requests": figures["all"]["requests"],
        "errors": sum(tally["errors"] for tally in figures["scenarios"].values()),
        "problems": figures["problems"],
        **{name: round(figures["all"][name], 2) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")},
        "slow": figures["all"]["slow"],
        "late_share": round(max(tally["late_share"] for tally in figures["scenarios"].values()), 5),
        "versions": len(figures["versions"]),
        "workers_mb": megabytes,
        "workers_private_mb": [sample["workers_private_mb"] for sample in samples],
        "valkey_mb": [sample["valkey_mb"] for sample in samples],
        "mb_per_hour": round((megabytes[-1] - megabytes[min(1, len(megabytes) - 2)]) / hours, 1),
        "minutes": [{name: round(value, 2) for name, value in minute.items()} for minute in figures["minutes"]],
        "load_average": round(os.getloadavg()[0], 2),
        "notes": f"open loop, {RATE:.0f} requests/s of {mix}; a promotion every {PROMOTION_EVERY:.0f} s, a price every "
        f"{PRICE_EVERY:.0f} s; mb_per_hour from the first minute to the end",
    }


def run_background_actions(
    shop: ShopServer, load: subprocess.Popen[str], samples: list[dict[str, float]], seconds: float
) -> None:
    """Change prices, take memory samples and promote versions at their intervals until the load has ended."""
    started = time.monotonic()
    actions: list[tuple[float, Callable[[int], object]]] = [
        (PRICE_EVERY, change_price),
        (SAMPLE_EVERY, lambda number: samples.append(measure_memory(shop))),
        (PROMOTION_EVERY, lambda _number: promote(get_next_version())),
    ]
    counts = [0] * len(actions)
    while load.poll() is None and time.monotonic() - started < seconds:
        for index, (interval, act) in enumerate(actions):
            if time.monotonic() - started >= (counts[index] + 1) * interval:
                counts[index] += 1
                act(counts[index])
        time.sleep(0.1)


def change_price(number: int) -> None:
    """Raise the price of one of the first 200 products by a cent, so that the product index must be updated."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(
            "UPDATE catalog_product SET price = price + 0.01, updated_at = clock_timestamp() WHERE id = "
            "(SELECT id FROM catalog_product ORDER BY id OFFSET %s LIMIT 1)",
            [number * 37 % 200],
        )


def change_prices(count: int) -> None:
    """Raise the prices of the newest products by a cent, in one statement as an import does."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(
            "UPDATE catalog_product SET price = price + 0.01, updated_at = clock_timestamp() WHERE id IN "
            "(SELECT id FROM catalog_product ORDER BY id DESC LIMIT %s)",
            [count],
        )


def change_rule() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("UPDATE merchandising_rule SET factor = factor + 0.01 WHERE action = 'boost'")


def run_json_program(command: list[str]) -> dict[str, Any]:
    """Run a program and return the JSON of the last line that it prints."""
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(process.stdout.splitlines()[-1]))


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
