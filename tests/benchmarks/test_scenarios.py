"""The benchmark of places: the whole command on a small shop."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import scenarios

DAY = 86_400


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    scenarios.main()


def write_shop(folder: Path) -> None:
    """70 people look every week at both of one of 20 pairs, and buy both of another within minutes."""
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


def test_every_place_has_its_figures_and_those_of_what_takes_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shop(tmp_path)
    run(monkeypatch, "--data", "retailrocket", "--files", tmp_path, "--seconds", 20)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
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


def test_files_belong_to_retailrocket(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "--data", "retailrocket")
    assert "--files" in capsys.readouterr().err
