"""The benchmark of serving: the simulated shop alone, and the whole command on a small one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving_shop import PER_CUSTOMER, companion, make_deeds, make_recent, make_shelf, product_id

ROOT = Path(__file__).parents[2]
SCENARIOS = ("for_you", "for_you_any_price", "similar", "cart", "rank", "search")
FIGURES = ("requests_per_s", "p50_ms", "p95_ms", "p99_ms", "open_p99_ms", "cpu_us")


def test_simulated_customers_have_tastes_and_products_follow_a_power_law():
    draws = np.random.default_rng(3)
    shelf = make_shelf(1200, draws)
    deeds = make_deeds(shelf, 4000, PER_CUSTOMER, draws)
    assert len(np.unique(deeds.user)) == 4000
    assert 6 < len(deeds.user) / 4000 < 9
    same = deeds.user[1:] == deeds.user[:-1]
    assert (np.diff(deeds.ago)[same] <= 0).all(), "the oldest first"
    categories = shelf.category[deeds.item]
    together = (categories[1:] == categories[:-1])[same].mean()
    by_chance = np.square(np.bincount(categories) / len(categories)).sum()
    assert together > 3 * by_chance
    counts = np.sort(np.bincount(deeds.item, minlength=len(shelf)))[::-1]
    assert counts[: len(shelf) // 10].sum() > 0.4 * counts.sum()
    assert 0.15 < deeds.bought.mean() < 0.45
    new = make_recent(shelf, deeds, 4000, draws)
    assert (new.ago < 0).all(), "since the model"


def test_complements_are_in_the_same_category():
    draws = np.random.default_rng(3)
    shelf = make_shelf(1200, draws)
    rows = np.arange(len(shelf))
    assert (shelf.category[companion(shelf, rows, draws)] == shelf.category[rows]).all()
    assert [product_id(row) for row in (0, 1199)] == ["p000000", "p001199"]
    assert len(set(shelf.titles)) > 1000


@pytest.mark.acceptance
@pytest.mark.slow
def test_a_small_shop_is_simulated_served_and_measured(tmp_path):
    command = [sys.executable, "-m", "benchmarks.serving", "--products", "300", "--customers", "500"]
    command += ["--seconds", "0.3", "--rounds", "1"]
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "VALKEY_URL")}
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    for scenario in SCENARIOS:
        for figure in FIGURES:
            assert found[f"{scenario}_{figure}"] > 0, (scenario, figure)
        assert found[f"{scenario}_errors"] == 0
        assert found[f"{scenario}_late_share"] <= found[f"{scenario}_fallback_share"] <= 0.5
    assert min(found["bare_requests_per_s"], found["drf_requests_per_s"]) > 0
    assert found["workers_mb"] > found["workers_private_mb"] > 0
    assert (found["products"], found["customers"], found["rules"]) == (300, 500, 10)
