"""The benchmark of a whole refresh: the simulated shop alone, and the whole command on a small one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lifecycle_shop import DAYS, START, draw_categories, simulate_shop_orders
from benchmarks.serving_shop import simulate_catalog
from tests.migrated_servers import copy_migrated_servers

ROOT = Path(__file__).parents[2]
PARTS = ("features_s", "fit_s", "score_s", "write_s", "choose_s")


def test_every_customer_of_the_simulated_shop_has_ordered_within_its_days():
    orders = simulate_shop_orders(500)
    assert len(np.unique(orders.customer)) == 500
    days = (orders.at - START.timestamp() * 1e6) / 86_400e6
    assert days.min() >= 0
    assert days.max() < DAYS
    assert len(orders.at) > 750, "some more than once"


def test_customers_of_the_simulated_shop_have_their_own_categories():
    draws = np.random.default_rng(3)
    catalog = simulate_catalog(600, draws)
    categories = draw_categories(catalog, np.full(1000, 7), draws)
    counts = np.sort(np.bincount(categories))[::-1]
    assert counts[:3].sum() > 600
    assert (counts > 0).sum() > 10


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.skipif("BENCHMARK_TESTS" not in os.environ, reason="a minute: set BENCHMARK_TESTS=1")
def test_a_small_shop_is_refreshed_twice_and_measured(tmp_path: Path):
    copy_migrated_servers(tmp_path / "1000" / "var")
    command = [sys.executable, "-m", "benchmarks.lifecycle", "--customers", "1000", "--folder", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "VALKEY_URL")}
    process = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert process.returncode == 0, process.stderr
    [line] = process.stdout.splitlines()
    figures = json.loads(line)
    for prefix in ("", "nightly_"):
        assert all(figures[f"{prefix}{name}"] > 0 for name in PARTS)
        assert sum(figures[f"{prefix}{name}"] for name in PARTS) < figures[f"{prefix}refresh_s"]
        assert figures[f"{prefix}peak_mb"] > 50
    assert 900 < sum(figures["stages"].values()) <= sum(figures["nightly_stages"].values()) <= 1000
    assert figures["checksum"] != figures["nightly_checksum"]
    assert figures["orders"] < figures["lines"]
    true, estimated = figures["true_parameters"], figures["found_parameters"]
    assert 0.3 < estimated["r"] / estimated["alpha"] * true["alpha"] / true["r"] < 3
    assert estimated["spend"]["q"] > 1
    assert figures["lifetimes_fit_s"] > 0
    assert figures["lifetimes_log_likelihood"] <= figures["compared_log_likelihood"] + 0.1
