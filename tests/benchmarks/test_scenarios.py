"""The benchmark of placements: the whole command on a small shop."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DAY = 86_400


ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the whole command as a user does."""
    command = [sys.executable, "-m", "benchmarks.scenarios", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def write_shop(folder: Path) -> None:
    """70 users view one of 20 pairs of products every week and buy both of another pair within minutes."""
    draws = np.random.default_rng(4)
    rows = []
    for user in range(70):
        for week in range(20):
            looked, bought = draws.integers(20, size=2).tolist()
            at = int((week * 7 + draws.random() * 6) * DAY)
            rows += [(user, 2 * looked + side, "view", at + 60 * side) for side in (0, 1)]
            rows += [(user, 2 * bought + side, "buy", at + 20_000 + 60 * side) for side in (0, 1)]
    names = ("user", "item", "behavior", "ts")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), folder / "train.parquet")


def test_every_placement_has_figures_for_itself_and_its_fallback(tmp_path: Path) -> None:
    write_shop(tmp_path)
    before = dict(os.environ)
    done = run("--data", "retailrocket", "--files", tmp_path, "--seconds", 20)
    assert done.returncode == 0, done.stderr
    assert dict(os.environ) == before
    line = json.loads(done.stdout.splitlines()[-1])
    found = line["scenarios"]
    for name in ("similar", "cart"):
        row = found[name]
        assert row["on"]
        assert row["low"] <= row["value"] <= row["high"]
        assert row["difference"] == pytest.approx(row["value"] - row["fallback_value"], abs=1e-5)
        assert row["difference_low"] > 0
        assert {"judged", "metric", "difference_high", "why", "weights"} <= row.keys()
    assert not found["trending"]["on"]
    assert found["categories"]["judged"] == 0


def test_the_files_option_belongs_to_retailrocket() -> None:
    done = run("--data", "retailrocket")
    assert done.returncode == 2
    assert "--files" in done.stderr
