"""Anomalies of simulated shops with a known truth: false alarms, planted drops that are found, and time.

    python -m benchmarks.anomalies [--shops N] [--seed S]

Each shop has nine metrics for a year; the last 90 days are evaluated, each against the days before it (customers.anomalies.detection).

alarms_per_month: anomalies of all nine metrics together in a shop where nothing happened, per 30 days. alarm_days_per_month: days with at
least one. found_30, found_50: share of one-day drops of orders by 30% and 50% on which revenue, orders or the conversion rate is an
anomaly, by orders per day. false_alarms: mean of alarms_per_month over the sizes. seconds: to evaluate one shop's last day. growth: time for
twice as many days ÷ time.
"""

import argparse
import json
import time

import numpy as np

from benchmarks.anomalies_shops import SimulatedShops, measure_shops, simulate
from customers.anomalies.detection.detector import evaluate_days

SIZES = (3, 30, 300, 3_000)
TIMED_DAYS = (365, 730)
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=int, default=100, help="number of shops of each size")
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    sizes = {str(size): measure_shops(orders=size, shops=arguments.shops, seed=arguments.seed + size) for size in SIZES}
    seconds = [measure_time(days, arguments.seed) for days in TIMED_DAYS]
    result = {
        "benchmark": "anomalies",
        "shops": arguments.shops,
        "seed": arguments.seed,
        "by_orders_per_day": sizes,
        "false_alarms": round(float(np.mean([figures["alarms_per_month"] for figures in sizes.values()])), 3),
        "seconds": round(seconds[0], 4),
        "growth": round(seconds[1] / seconds[0], 2),
    }
    print(json.dumps(result))


def measure_time(days: int, seed: int) -> float:
    """Return the shortest of several times to evaluate the last day of one shop."""
    panel = simulate(SimulatedShops(np.array([300.0]), days), seed)
    times = []
    for _repeat in range(REPEATS):
        started = time.perf_counter()
        evaluate_days(panel, [days - 1])
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    main()
