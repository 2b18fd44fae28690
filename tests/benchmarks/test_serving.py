"""The benchmark of serving: the simulated shop alone, and the whole command on a small one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving_shop import (
    INTERACTIONS_PER_CUSTOMER,
    draw_complements,
    format_product_id,
    simulate_behavior,
    simulate_catalog,
    simulate_recent_views,
)
from tests.migrated_servers import copy_migrated_servers

ROOT = Path(__file__).parents[2]
SCENARIOS = ("for_you", "rank", "search", "autocomplete")  # each with an endpoint of its own
FIGURES = ("requests_per_s", "p50_ms", "p95_ms", "p99_ms", "open_p99_ms", "cpu_us")


def test_simulated_customers_have_tastes_and_products_follow_a_power_law():
    draws = np.random.default_rng(3)
    catalog = simulate_catalog(1200, draws)
    behavior = simulate_behavior(catalog, 4000, INTERACTIONS_PER_CUSTOMER, draws)
    assert len(np.unique(behavior.user)) == 4000
    assert 6 < len(behavior.user) / 4000 < 9
    same = behavior.user[1:] == behavior.user[:-1]
    assert (np.diff(behavior.ago)[same] <= 0).all(), "the oldest first"
    categories = catalog.category[behavior.item]
    share_in_same_category = (categories[1:] == categories[:-1])[same].mean()
    random_share = np.square(np.bincount(categories) / len(categories)).sum()
    assert share_in_same_category > 3 * random_share
    counts = np.sort(np.bincount(behavior.item, minlength=len(catalog)))[::-1]
    assert counts[: len(catalog) // 10].sum() > 0.4 * counts.sum()
    assert 0.15 < behavior.bought.mean() < 0.45
    new = simulate_recent_views(catalog, behavior, 4000, draws)
    assert (new.ago < 0).all(), "since the model"


def test_complements_are_in_the_same_category():
    draws = np.random.default_rng(3)
    catalog = simulate_catalog(1200, draws)
    rows = np.arange(len(catalog))
    assert (catalog.category[draw_complements(catalog, rows, draws)] == catalog.category[rows]).all()
    assert [format_product_id(row) for row in (0, 1199)] == ["p000000", "p001199"]
    assert len(set(catalog.titles)) > 1000


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.skipif("BENCHMARK_TESTS" not in os.environ, reason="a minute: set BENCHMARK_TESTS=1")
def test_a_small_shop_is_simulated_served_and_measured(tmp_path: Path):
    copy_migrated_servers(tmp_path / "300x2000" / "var")
    command = [sys.executable, "-m", "benchmarks.serving", "--products", "300", "--customers", "2000"]
    command += ["--seconds", "0.3", "--rounds", "1", "--folder", str(tmp_path)]
    command += ["--scenarios", ",".join(scenario.replace("_", "-") for scenario in SCENARIOS)]
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "VALKEY_URL")}
    process = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert process.returncode == 0, process.stderr
    [line] = process.stdout.splitlines()
    figures = json.loads(line)
    for scenario in SCENARIOS:
        for figure in FIGURES:
            assert figures[f"{scenario}_{figure}"] > 0, (scenario, figure)
        assert figures[f"{scenario}_errors"] == 0
        assert figures[f"{scenario}_late_share"] <= figures[f"{scenario}_fallback_share"] <= 0.5
    assert min(figures["bare_requests_per_s"], figures["drf_requests_per_s"]) > 0
    assert figures["workers_mb"] > figures["workers_private_mb"] > 0
    assert figures["model_answer_s"] >= figures["first_answer_s"] > figures["first_request_s"] > 0
    assert (figures["reload_errors"], figures["reload_worst_ms"] > 0) == (0, True)
    assert (figures["products"], figures["customers"], figures["rules"]) == (300, 2000, 10)
