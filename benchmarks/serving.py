"""Recommendations under load: a made shop on embedded servers of its own; web, database, Valkey and load share the machine.

Without --products for 12,000 and for 100,000 products one after the other; the figures of the second end in _100k. Each kind of request
(20 products, filters by category and price, reasons; 200 products to rank) first by 8 connections in a closed loop, the best of the
rounds, then (open_…) in an open loop of 500 requests a second with exponential gaps, whose latencies count from the moment a request was due.
The floors give out the bytes of a for-you answer on the same Granian: a Django view without middleware, and a view of Django REST
framework without authentication. cpu_us is what the web workers compute for a request: it hardly depends on what else the machine does.

--reload promotes copies of the model under the open loop, --soak SECONDS runs a mix with promotions and changes of prices instead of
all that. --folder keeps the made shop, and takes it from there when it is already made.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil
import psycopg
import redis

from benchmarks.ingest import ask, running
from config.embedded.server_process import free_port
from config.embedded.servers import EmbeddedServers

SIZES = (12_000, 100_000)
CUSTOMERS = 1_000_000
SECONDS, ROUNDS, OPEN_SECONDS = 10.0, 3, 15.0
CONNECTIONS, RATE = 8, 500.0
WARM_SECONDS = 2.0
RELOADS, RELOAD_SECONDS, PROMOTION_TAKES = 3, 30.0, 6.0
SCENARIOS = ("for-you", "for-you-any-price", "similar", "cart", "rank", "search")
SOAK_MIX = "for-you:70,similar:10,cart:10,rank:5,search:5"
PROMOTION_EVERY, PRICE_EVERY, SAMPLE_EVERY = 60.0, 5.0, 60.0
COPIES = 3
SEARCH_PATIENCE = 30.0


@dataclass(frozen=True)
class Shop:
    """A made shop whose web server answers on the port. pid: of the program that was started."""

    folder: Path
    port: int
    pid: int
    told: dict[str, Any]

    @property
    def key(self) -> str:
        return str(self.told["api_key"])


def main() -> None:
    arguments = parse()
    sizes = [arguments.products] if arguments.products else SIZES[:1] if arguments.soak else SIZES
    lines = []
    for size in sizes:
        with made_shop(arguments, size) as told:
            lines.append(soak(arguments, told) if arguments.soak else measure(arguments, told))
    first, *others = lines
    for other in others:
        first |= {f"{name}_100k": value for name, value in other.items()}
        first["growth_for_you_p50"] = round(other["for_you_p50_ms"] / first["for_you_p50_ms"], 2)
        first["growth_exponent"] = round(math.log(first["growth_for_you_p50"]) / math.log(SIZES[1] / SIZES[0]), 2)
    print(json.dumps(first))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=0, help="only a shop of so many")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each round of the closed loop")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="the best counts")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="separated by commas")
    parser.add_argument("--whole", action="store_true", help="worker and beat run too")
    parser.add_argument("--reload", action="store_true", help="promote copies of the model under load too")
    parser.add_argument("--soak", type=float, default=0.0, metavar="SECONDS", help="run a mix for so long instead")
    parser.add_argument("--folder", type=Path, help="keep the made shop here")
    arguments = parser.parse_args()
    if arguments.seconds <= 0 or arguments.rounds < 1 or arguments.soak < 0 or arguments.customers < 100:
        parser.error("--seconds must be above 0, --rounds at least 1, --soak at least 0, --customers at least 100")
    if arguments.products and arguments.products < 200:
        parser.error("--products must be at least 200: so many are ranked in one request")
    if unknown := set(arguments.scenarios.split(",")) - set(SCENARIOS):
        parser.error(f"--scenarios: {', '.join(sorted(unknown))} is none of {', '.join(SCENARIOS)}")
    return arguments


@contextmanager
def made_shop(arguments: argparse.Namespace, products: int) -> Iterator[dict[str, Any]]:
    """Servers with a shop in them; the environment names them meanwhile."""
    with tempfile.TemporaryDirectory(prefix="perennial-serving-") as name:
        folder = (arguments.folder or Path(name)) / f"{products}x{arguments.customers}"
        folder.mkdir(parents=True, exist_ok=True)
        for part in (folder, folder.parent):
            part.chmod(0o711)  # PostgreSQL runs as another user
        servers = EmbeddedServers(folder / "var", say=say)
        before = dict(os.environ)
        try:
            addresses = servers.ensure(postgres=True, valkey=True)
            os.environ |= {
                "DATABASE_URL": str(addresses.postgres),
                "VALKEY_URL": str(addresses.valkey),
                "PERENNIAL_VAR": str(folder / "var"),
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
            yield prepared(arguments, products, folder)
        finally:
            servers.release()
            os.environ.clear()
            os.environ.update(before)


def prepared(arguments: argparse.Namespace, products: int, folder: Path) -> dict[str, Any]:
    record = folder / "shop.json"
    if not record.exists():
        command = [sys.executable, "-m", "benchmarks.serving_shop", "--folder", str(folder), "--copies", str(COPIES)]
        told = json_of([*command, "--products", str(products), "--customers", str(arguments.customers)])
        record.write_text(json.dumps(told | {"folder": str(folder), "products": products}), encoding="utf-8")
    wait_for_valkey()
    return dict(json.loads(record.read_text(encoding="utf-8")))


def wait_for_valkey() -> None:
    """Until its file is rewritten: that is not what is measured."""
    with redis.Redis.from_url(os.environ["VALKEY_URL"]) as valkey:
        while True:
            told = valkey.info("persistence")
            if not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"] or told["loading"]):
                return
            time.sleep(0.2)


def measure(arguments: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"products": told["products"], "customers": arguments.customers, "rules": told["rules"]}
    notes = [f"best of {arguments.rounds} rounds; open loop with exponential gaps, by {RATE:.0f} requests/s"]
    with web_server(arguments, told) as shop:
        generate(shop, "for-you:1", seconds=min(WARM_SECONDS, arguments.seconds), seed=99)
        for scenario in arguments.scenarios.split(","):
            name = scenario.replace("-", "_")
            if scenario == "search" and not has_search(shop):
                found |= {f"{name}_{figure}": None for figure in ("requests_per_s", "p50_ms", "p95_ms", "p99_ms")}
                notes.append("search is null: /api/v1/search/ does not answer")
                continue
            found |= {f"{name}_{figure}": value for figure, value in under_load(shop, arguments, scenario).items()}
        if arguments.reload:
            found |= reload(shop)
        found |= memory(shop)
        (shop.folder / "floor.json").write_bytes(for_you_answer(shop))
    found |= floors(arguments, told)
    found["ratio_to_bare"] = ratio(found["bare_requests_per_s"], found.get("for_you_requests_per_s"))
    found["ratio_to_drf"] = ratio(found["drf_requests_per_s"], found.get("for_you_requests_per_s"))
    steps = {name: value for name, value in told.items() if name.endswith("_s")}
    return found | steps | {"load_average": round(os.getloadavg()[0], 2), "notes": "; ".join(notes)}


def ratio(floor: float, reached: float | None) -> float | None:
    return round(floor / reached, 2) if reached else None


@contextmanager
def web_server(arguments: argparse.Namespace, told: dict[str, Any]) -> Iterator[Shop]:
    """The web server as `up` starts it, or with --whole everything that `up` starts."""
    port = free_port()
    if arguments.whole:
        command = [sys.executable, "manage.py", "up", "--port", str(port), "--grace", "5"]
    else:
        command = granian(port)
    with running(command, port) as pid:
        yield Shop(Path(told["folder"]), port, pid, told)


def granian(port: int) -> list[str]:
    import django

    django.setup()
    from config.management.commands.up import chosen_programs

    options = {"host": "127.0.0.1", "web_workers": 2, "no_web": False, "no_worker": True, "no_beat": True}
    [program] = chosen_programs(options, port)
    return list(program.command)


def under_load(shop: Shop, arguments: argparse.Namespace, scenario: str) -> dict[str, Any]:
    """Both loops over one kind of request."""
    rounds = []
    for number in range(1, arguments.rounds + 1):
        rounds.append(watched(shop, f"{scenario}:1", seconds=arguments.seconds, seed=number))
        say(f"{scenario}, round {number}: {rounds[-1]['requests_per_s']:,.0f} requests/s")
    best = max(rounds, key=lambda one: one["requests_per_s"])
    open_loop = watched(
        shop, f"{scenario}:1", seconds=OPEN_SECONDS * min(1.0, arguments.seconds / SECONDS), rate=RATE, seed=50
    )
    say(f"{scenario}, open loop: p99 {open_loop['all']['p99_ms']:.1f} ms, max {open_loop['all']['max_ms']:.1f} ms")
    one = best["scenarios"][scenario]
    found = {"requests_per_s": round(best["requests_per_s"])}
    found |= {name: round(one[name], 2) for name in ("p50_ms", "p95_ms", "p99_ms")}
    found |= {f"open_{name}": round(open_loop["all"][name], 2) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")}
    found |= {"open_behind_p99_ms": round(open_loop["behind_p99_ms"], 2), "open_slow": open_loop["all"]["slow"]}
    found |= {name: round(one[name], 4) for name in ("fallback_share", "late_share", "short_share")}
    found |= {"open_late_share": round(open_loop["scenarios"][scenario]["late_share"], 4)}
    found |= {"served_ms": round(one["served_ms"], 2), "kb": round(one["kb"], 1)}
    found |= {"errors": sum(each["scenarios"][scenario]["errors"] for each in [*rounds, open_loop])}
    found |= {name: round(best[name], 2) for name in ("web_cores", "valkey_cores", "generator_cpu")}
    found |= {"cpu_us": min(round(each["web_us"]) for each in rounds)}
    found |= {"valkey_us": min(round(each["valkey_us"]) for each in rounds)}
    return found


def generate(
    shop: Shop, mix: str, *, seconds: float, rate: float = 0.0, seed: int = 1, background: bool = False
) -> Any:
    """What benchmarks.serving_load found, or its process."""
    command = [sys.executable, "-m", "benchmarks.serving_load", "--port", str(shop.port), "--key", shop.key]
    command += ["--folder", str(shop.folder), "--mix", mix, "--connections", str(CONNECTIONS)]
    command += ["--seconds", str(seconds), "--rate", str(rate), "--seed", str(seed)]
    if background:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return json_of(command)


def watched(shop: Shop, mix: str, *, seconds: float, rate: float = 0.0, seed: int = 1) -> dict[str, Any]:
    """The same, with the processors that the servers used."""
    before, began = cpu_seconds(shop), time.perf_counter()
    found: dict[str, Any] = generate(shop, mix, seconds=seconds, rate=rate, seed=seed)
    took, after = time.perf_counter() - began, cpu_seconds(shop)
    requests = max(found["all"]["requests"], 1)
    for name in before:
        used = after[name] - before[name]
        found |= {f"{name}_cores": used / min(took, found["seconds"]), f"{name}_us": used / requests * 1e6}
    return found


def cpu_seconds(shop: Shop) -> dict[str, float]:
    valkey = psutil.Process(valkey_pid()).cpu_times()
    times = [process.cpu_times() for process in web_processes(shop)]
    return {"web": sum(one.user + one.system for one in times), "valkey": valkey.user + valkey.system}


def web_processes(shop: Shop) -> list[psutil.Process]:
    top = psutil.Process(shop.pid)
    every = [top, *top.children(recursive=True)]
    return [process for process in every if "granian" in " ".join(process.cmdline())]


def valkey_pid() -> int:
    with redis.Redis.from_url(os.environ["VALKEY_URL"]) as valkey:
        return int(valkey.info("server")["process_id"])


def memory(shop: Shop) -> dict[str, float]:
    """Megabytes of all web processes together, what they share counted once."""
    infos = [process.memory_full_info() for process in web_processes(shop)]
    return {
        "workers_mb": round(sum(info.pss for info in infos) / 1e6),
        "workers_private_mb": round(sum(info.uss for info in infos) / 1e6),
        "valkey_mb": round(psutil.Process(valkey_pid()).memory_info().rss / 1e6),
    }


def has_search(shop: Shop) -> bool:
    """Whether it answers; a search that has to be made ready first is waited for."""
    deadline = time.monotonic() + SEARCH_PATIENCE
    while True:
        try:
            ask(shop.port, "/api/v1/search/?q=tea", {"Authorization": f"Bearer {shop.key}"})
            return True
        except HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
                time.sleep(0.5)
            elif error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
                return False
            else:
                raise


def for_you_answer(shop: Shop) -> bytes:
    first = json.loads((shop.folder / "for-you.jsonl").open(encoding="utf-8").readline())
    return json.dumps(ask(shop.port, first[1], {"Authorization": f"Bearer {shop.key}"}), separators=(",", ":")).encode()


def floors(arguments: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Requests a second of views that do nothing, and what they cost."""
    folder = Path(told["folder"])
    os.environ["FLOOR_BODY"] = str(folder / "floor.json")
    port = free_port()
    command = [*granian(port)[:-1], "benchmarks.serving_floor:application"]
    found: dict[str, Any] = {}
    with running(command, port) as pid:
        shop = Shop(folder, port, pid, told)
        for name, path in (("bare", "/bare/"), ("drf", "/rest/")):
            rounds = [
                watched(shop, f"floor:{path}", seconds=arguments.seconds / 2, seed=number)
                for number in range(arguments.rounds)
            ]
            best = max(rounds, key=lambda one: one["requests_per_s"])
            found[f"{name}_requests_per_s"] = round(best["requests_per_s"])
            found[f"{name}_p99_ms"] = round(best["all"]["p99_ms"], 2)
            found[f"{name}_cpu_us"] = min(round(one["web_us"]) for one in rounds)
            say(f"{name}: {best['requests_per_s']:,.0f} requests/s")
    return found


def reload(shop: Shop) -> dict[str, Any]:
    """Promotions of copies while the open loop runs: what failed, what was slow, how long until no answer is of the version before."""
    seconds_of_load = RELOAD_SECONDS + RELOADS * PROMOTION_TAKES  # so that the last promotion is under load too
    load = generate(shop, "for-you:1", seconds=seconds_of_load, rate=RATE, seed=70, background=True)
    told = []
    for _promotion in range(RELOADS):
        time.sleep(RELOAD_SECONDS / (RELOADS + 1))
        told.append(promote(next_version()))
    found = json.loads(load.communicate()[0])
    seconds = [
        seen_last - one["promoted"]
        for one in told
        for version, (_first, seen_last, _requests) in found["versions"].items()
        if version == one["before"]
    ]
    one = found["scenarios"]["for-you"]
    return {
        "reload_requests": one["requests"],
        "reload_failed": one["errors"] + sum(found["problems"].values()),
        "reload_slow": one["slow"],
        "reload_late_share": round(one["late_share"], 4),
        "reload_p99_ms": round(one["p99_ms"], 1),
        "reload_max_ms": round(one["max_ms"], 1),
        "reload_seconds": [round(second, 2) for second in seconds],
        "reload_promotion_s": [round(one["promoted"] - one["began"], 2) for one in told],
    }


def next_version() -> str:
    """The one after the one that serves, round and round: none of a few promotions brings back what served before them."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT version, status FROM training_modelversion ORDER BY id").fetchall()
    [serves] = [place for place, (_version, status) in enumerate(rows) if status == "active"]
    return str(rows[(serves + 1) % len(rows)][0])


def promote(version: str) -> dict[str, Any]:
    """In a process of its own, as a training would; with the version that served before."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT version FROM training_modelversion WHERE status = 'active'").fetchone()
    assert row is not None
    told = json_of([sys.executable, "-m", "benchmarks.serving_shop", "--folder", ".", "--promote", version])
    say(f"promoted {version} in {told['promoted'] - told['began']:.1f} s")
    return told | {"before": row[0]}


def soak(arguments: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """A mix of requests at RATE with promotions and changes of prices: is anything lost, slow, or growing?"""
    with web_server(arguments, told) as shop:
        mix = SOAK_MIX if has_search(shop) else SOAK_MIX.rpartition(",")[0]
        generate(shop, mix, seconds=WARM_SECONDS, seed=99)
        load = generate(shop, mix, seconds=arguments.soak, rate=RATE, seed=70, background=True)
        samples = [memory(shop)]
        follow(shop, load, samples, arguments.soak)
        found = json.loads(load.communicate()[0])
        samples.append(memory(shop))
    megabytes = [one["workers_mb"] for one in samples]
    hours = max(arguments.soak - SAMPLE_EVERY, SAMPLE_EVERY) / 3600
    return {
        "benchmark": "soak",
        "seconds": arguments.soak,
        "requests": found["all"]["requests"],
        "errors": sum(one["errors"] for one in found["scenarios"].values()),
        "problems": found["problems"],
        **{name: round(found["all"][name], 2) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")},
        "slow": found["all"]["slow"],
        "late_share": round(max(one["late_share"] for one in found["scenarios"].values()), 5),
        "versions": len(found["versions"]),
        "workers_mb": megabytes,
        "workers_private_mb": [one["workers_private_mb"] for one in samples],
        "valkey_mb": [one["valkey_mb"] for one in samples],
        "mb_per_hour": round((megabytes[-1] - megabytes[min(1, len(megabytes) - 2)]) / hours, 1),
        "minutes": [{name: round(value, 2) for name, value in minute.items()} for minute in found["minutes"]],
        "load_average": round(os.getloadavg()[0], 2),
        "notes": f"open loop, {RATE:.0f} requests/s of {mix}; a promotion every {PROMOTION_EVERY:.0f} s, a price every "
        f"{PRICE_EVERY:.0f} s; mb_per_hour from the first minute to the end",
    }


def follow(shop: Shop, load: subprocess.Popen[str], samples: list[dict[str, float]], seconds: float) -> None:
    """Promotes, changes prices and takes samples in their turns until the load has ended."""
    began = time.monotonic()
    turns: list[tuple[float, Callable[[int], object]]] = [
        (PRICE_EVERY, change_price),
        (SAMPLE_EVERY, lambda number: samples.append(memory(shop))),
        (PROMOTION_EVERY, lambda _number: promote(next_version())),
    ]
    done = [0] * len(turns)
    while load.poll() is None and time.monotonic() - began < seconds:
        for place, (every, act) in enumerate(turns):
            if time.monotonic() - began >= (done[place] + 1) * every:
                done[place] += 1
                act(done[place])
        time.sleep(0.1)


def change_price(number: int) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(
            "UPDATE catalog_product SET price = price + 0.01, updated_at = clock_timestamp() WHERE id = "
            "(SELECT id FROM catalog_product ORDER BY id OFFSET %s LIMIT 1)",
            [number * 37 % 200],
        )


def json_of(command: list[str]) -> dict[str, Any]:
    """The last line that a program prints."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
