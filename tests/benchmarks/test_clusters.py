"""The benchmark of clusters: the whole command on few customers."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import clusters


@pytest.fixture(autouse=True)
def run_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the steps in this process, to save the seconds that starting a process takes."""

    def run(name: str, folder: str, arguments: argparse.Namespace) -> dict[str, Any]:
        return json.loads(json.dumps(clusters.RUNS[name](Path(folder), arguments)))

    monkeypatch.setattr(clusters, "run", run)


def test_customers_are_clustered_by_us_and_by_scikit_learn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", "--customers", "3000"])
    clusters.main()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"seconds", "assign_s", "peak_mb", "silhouette", "stability", "ratio", "sklearn_seconds", "notes"} <= set(
        line
    )
    assert 3 <= line["k"] <= 10
    assert line["inertia_ratio"] == pytest.approx(1.0, abs=0.02)
    assert line["kept_names"] > 0.9


def test_too_few_customers_are_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", "--customers", "5"])
    clusters.main()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["seconds"] is None
    assert "too_few_customers" in line["notes"]


def test_synthetic_customers_are_skewed_and_have_missing_values() -> None:
    features, kinds = clusters.make_customers(4_000, 1)
    assert 0.03 < np.isnan(features).mean() < 0.07
    assert np.nanmean(features[:, 3]) > np.nanmedian(features[:, 3])
    assert set(kinds.tolist()) == set(range(clusters.TYPES))
