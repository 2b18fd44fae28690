"""The benchmark of placements: the whole command on a small shop."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import scenarios
from tests.recommendations.trainings import make_counted_budget

DAY = 86_400


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that runs the command and its child in this process, and returns its status; trainings count instead of measuring."""
    before: dict[str, str] = {}

    def run_child(command: list[str], *, env: dict[str, str], check: bool) -> subprocess.CompletedProcess[str]:
        assert dict(os.environ) == before, "only that of the child differs"
        assert command[:3] == [sys.executable, "-m", "benchmarks.scenarios"]
        assert (env["DJANGO_SETTINGS_MODULE"], Path(env["PERENNIAL_VAR"]).is_absolute()) == ("config.settings", True)
        monkeypatch.setattr(sys, "argv", command[2:])
        scenarios.main()
        return subprocess.CompletedProcess(command, 0)

    def run_command(*arguments: object) -> int:
        before.update(os.environ)
        monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            scenarios.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    monkeypatch.setattr(scenarios, "TrainingBudget", make_counted_budget)
    monkeypatch.setattr(scenarios.subprocess, "run", run_child)
    return run_command


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


def test_every_placement_has_figures_for_itself_and_its_fallback(
    tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    write_shop(tmp_path)
    assert run("--data", "retailrocket", "--files", tmp_path, "--seconds", 5) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
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


def test_the_files_option_belongs_to_retailrocket(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", "retailrocket") == 2
    assert "--files" in capsys.readouterr().err
