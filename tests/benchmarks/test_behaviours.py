"""The benchmark of several behaviours: its files, its peers, and the whole command on a small shop."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import behaviours
from recommendations.engine import KIND_CODES, Interactions
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    behaviours.main()


def write_shop(folder: Path) -> tuple[Path, Path]:
    """120 users look at anything and buy products of one colour of six; the last purchase of each is the test set."""
    draws = np.random.default_rng(4)
    train, test = [], []
    for user in range(120):
        colour = draws.integers(6)
        purchases = colour * 15 + draws.choice(15, 6, replace=False)
        for step, item in enumerate(purchases[:-1]):
            train += [(user, int(draws.integers(90)), "view", 100 * step + step_number) for step_number in range(4)]
            train += [
                (user, int(item), "addtocart", 100 * step + 50),
                (user, int(item), "transaction", 100 * step + 51),
            ]
        test.append((user, int(purchases[-1])))
    hidden = set(test)
    train = [event for event in train if event[:2] not in hidden]
    for name, rows, columns in (("train", train, ("user", "item", "behavior", "ts")), ("test", test, ("user", "item"))):
        pq.write_table(pa.table(dict(zip(columns, zip(*rows, strict=True), strict=True))), folder / f"{name}.parquet")
    return folder / "train.parquet", folder / "test.parquet"


def test_the_best_algorithm_is_reported_with_its_lead_over_the_others(monkeypatch, tmp_path, capsys):
    train, test = write_shop(tmp_path)
    names = ("popularity", "user-knn", "item-knn", "implicit-cosine")
    run(monkeypatch, train, test, "--budget", 1, "--algorithms", *names)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    algorithms = line["algorithms"]
    assert set(algorithms) == {*names, "blend"}
    assert algorithms["item-knn"]["hr@10"] > 0.5 > algorithms["popularity"]["hr@10"]
    assert algorithms["item-knn"]["parameters"]["view"] < 1.0
    assert line["algorithm"] != "implicit-cosine"
    assert "implicit-cosine" in line["against"]
    mean, low, high = line["against"]["implicit-cosine"]["hr@10"]
    assert low <= mean <= high
    assert line["ndcg@10_low"] <= line["ndcg@10"] <= line["ndcg@10_high"]
    assert {"hr@5", "ndcg@5", "hr@10", "ndcg@10", "validation_ndcg@10", "fit_s", "recommend_s", "tune_s"} <= set(line)
    assert {"peak_mb", "parameters"} <= set(line)


def test_peers_never_recommend_seen_products():
    draws = np.random.default_rng(5)
    train = Interactions.from_ids(
        user_ids=draws.integers(0, 50, 2000),
        item_ids=draws.integers(0, 80, 2000),
        order=draws.random(2000) * 86_400,
        kind=draws.choice([KIND_CODES["view"], KIND_CODES["purchase"]], 2000),
    )
    histories = train.build_histories()
    for name in behaviours.PEERS:
        peer = behaviours.ImplicitModel(name, {"view": 0.0, "history_view": 0.0, "half_life_days": 3.0})
        peer.fit(train)
        items = peer.recommend_items(histories)
        assert items.shape == (train.n_users, behaviours.N)
        assert (items >= 0).any()
        assert not find_hits(items, histories.get_seen_items()).any()


def test_parameters_are_split_into_three_groups():
    training, scoring, rest = behaviours.split_parameters(
        {
            "view": 0.1,
            "half_life_days": 7.0,
            "history_cart": 3.0,
            "history_half_life_days": None,
            "k": 5,
            "history_weighting": "log",
        }
    )
    assert (dict(training.kinds), training.half_life_days) == ({"view": 0.1}, 7.0)
    assert (dict(scoring.kinds), scoring.half_life_days) == ({"cart": 3.0}, None)
    assert rest == {"k": 5, "history_weighting": "log"}


def test_missing_columns_and_unknown_behaviours_are_named(tmp_path):
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"user": [1], "item": [2], "ts": [3]}), path)
    with pytest.raises(SystemExit, match="'behavior'"):
        behaviours.read(path, with_kinds=True)
    pq.write_table(pa.table({"user": [1], "item": [2], "ts": [3], "behavior": ["sniff"]}), path)
    with pytest.raises(SystemExit, match="'sniff'"):
        behaviours.read(path, with_kinds=True)
