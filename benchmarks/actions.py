"""The nightly choice of the next best action for all customers, on an embedded PostgreSQL in a temporary folder.

    python -m benchmarks.actions [--customers N] [--assignments N] [--runs N] [--folder F]

The shop is generated in the database: two past campaigns, a flow and an on-site offer with a holdout group share the assignments. Each
customer is scored for all of them. refresh_s: the whole job; features_s: reading past customers with what was known about them then;
margins_s: what an order after each action earned; fit_s: learning; candidates_s: who could get each action now; score_s: counting the
present features of all customers and predicting; write_s: replacing all rows. Each figure is from the fastest run. peak_mb: of this process;
loaded_mb: before the first run. floor_s: a bare COPY of the written rows out of the table and into an empty one without indexes, in the same
run; ratio: write_s ÷ floor_s, refresh_ratio: refresh_s ÷ floor_s. page_p95_ms, rest_p95_ms: of 50 requests of the uplift page, and of one
customer's next action over REST, through all of Django's middleware. --folder keeps the shop and reuses it.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.actions_shop import make_shop
from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import get_peak_mb, log
from benchmarks.segments import NOW

PARTS = ("features", "margins", "fit", "candidates", "score", "write")
REQUESTS = 50


def main() -> None:
    arguments = parse_arguments()
    with run_embedded_servers("actions", report=log, folder=arguments.folder, TWO_FACTOR_REQUIRED="false"):
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from customers.identity.models import Customer

        call_command("migrate", verbosity=0)
        if not Customer.objects.exists():
            make_shop(arguments.customers, arguments.assignments)
        print(json.dumps(measure(arguments.runs)))
        connection.close()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000, metavar="N")
    parser.add_argument("--assignments", type=int, metavar="N", help="default: a fifth of the customers")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the shop here, and reuse it")
    arguments = parser.parse_args()
    if arguments.assignments is None:
        arguments.assignments = arguments.customers // 5
    if not 10_000 <= arguments.assignments <= arguments.customers or arguments.runs < 1:
        parser.error("--assignments must be between 10,000 and --customers, and --runs at least 1")
    return arguments


def measure(runs: int) -> dict[str, Any]:
    from recommendations.uplift.models import CustomerAction
    from recommendations.uplift.refresh import refresh_actions

    loaded = get_peak_mb()
    load_before = os.getloadavg()[0]
    seconds, parts = [], []
    for _run in range(runs):
        started = time.perf_counter()
        model = refresh_actions(as_of=NOW)
        seconds.append(time.perf_counter() - started)
        parts.append(sum_parts(model.figures["seconds"]))
        log(f"{seconds[-1]:.1f} s: {parts[-1]}; {model.figures['choice']}")
    peak = get_peak_mb()
    fastest = int(np.argmin(seconds))
    floor = measure_floor()
    requests = measure_requests()
    return {
        "customers": CustomerAction.objects.count(),
        "assignments": count_assignments(),
        "refresh_s": round(seconds[fastest], 2),
        **{f"{name}_s": parts[fastest][name] for name in PARTS},
        "peak_mb": peak,
        "loaded_mb": loaded,
        "floor_s": floor,
        "ratio": round(parts[fastest]["write"] / floor, 2),
        "refresh_ratio": round(seconds[fastest] / floor, 1),
        **requests,
        "actions": model.figures["actions"],
        "load": [round(load_before, 1), round(os.getloadavg()[0], 1)],
    }


def sum_parts(seconds: dict[str, float]) -> dict[str, float]:
    """Return the seconds of each part, over messages and offers."""
    return {
        part: round(sum(value for name, value in seconds.items() if name.split("_")[-1] == part), 2) for part in PARTS
    }


def count_assignments() -> int:
    from recommendations.measurement.models import Assignment
    from recommendations.offers.models import OfferExposure

    return Assignment.objects.count() + OfferExposure.objects.count()


def measure_floor() -> float:
    """Return the seconds of copying the rows out and into an empty table."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE copied (LIKE uplift_customeraction)")
        buffer = BytesIO()
        started = time.perf_counter()
        with cursor.copy("COPY uplift_customeraction TO STDOUT (FORMAT binary)") as out:
            for block in out:
                buffer.write(block)
        with cursor.copy("COPY copied FROM STDIN (FORMAT binary)") as into:
            into.write(buffer.getvalue())
        return round(time.perf_counter() - started, 2)


def measure_requests() -> dict[str, float]:
    """Return the server times of the page and of REST, in milliseconds."""
    from django.contrib.auth.models import User
    from django.test import Client

    admin, _is_new = User.objects.get_or_create(username="admin", defaults={"is_staff": True, "is_superuser": True})
    client = Client(SERVER_NAME="localhost")
    client.force_login(admin)
    numbers = np.random.default_rng(1).integers(1, count_customers(), REQUESTS)
    return {
        "page_p95_ms": time_requests(lambda _number: client.get("/admin/campaigns/uplift/"), numbers),
        "rest_p95_ms": time_requests(lambda number: client.get(f"/api/v1/customers/u{number}/next-action/"), numbers),
    }


def count_customers() -> int:
    from customers.identity.models import Customer

    return Customer.objects.count()


def time_requests(send: Callable[[int], Any], numbers: "np.ndarray") -> float:
    send(1)
    times = []
    for number in numbers:
        started = time.perf_counter()
        response = send(int(number))
        times.append(time.perf_counter() - started)
        assert response.status_code == 200, response.status_code
    return round(1000 * float(np.quantile(times, 0.95)), 1)


if __name__ == "__main__":
    main()
