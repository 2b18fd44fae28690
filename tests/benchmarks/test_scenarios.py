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
            viewed_pair, bought_pair = draws.integers(20, size=2).tolist()
            at = int((week * 7 + draws.random() * 6) * DAY)
            rows += [(user, 2 * viewed_pair + side, "view", at + 60 * side) for side in (0, 1)]
            rows += [(user, 2 * bought_pair + side, "buy", at + 20_000 + 60 * side) for side in (0, 1)]
    names = ("user", "item", "behavior", "ts")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), folder / "train.parquet")


def test_every_placement_has_figures_for_itself_and_its_fallback(tmp_path: Path) -> None:
    write_shop(tmp_path)
    before = dict(os.environ)
    process = run("--data", "retailrocket", "--files", tmp_path, "--seconds", 20)
    assert process.returncode == 0, process.stderr
    assert dict(os.environ) == before
    line = json.loads(process.stdout.splitlines()[-1])
    placements = line["scenarios"]
    for name in ("similar", "cart"):
        row = placements[name]
        assert row["on"]
        assert row["low"] <= row["value"] <= row["high"]
        assert row["difference"] == pytest.approx(row["value"] - row["fallback_value"], abs=1e-5)
        assert row["difference_low"] > 0
        assert {"evaluated", "metric", "difference_high", "why", "weights"} <= row.keys()
    assert not placements["trending"]["on"]
    assert placements["categories"]["evaluated"] == 0


def test_the_files_option_belongs_to_retailrocket() -> None:
    process = run("--data", "retailrocket")
    assert process.returncode == 2
    assert "--files" in process.stderr
