"""The files of the top-n benchmark, and the whole command on a small one."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import topn, topn_files, topn_tuning
from benchmarks.topn_files import read_lists


def run(monkeypatch: pytest.MonkeyPatch, module: object, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    module.main()


def read_pairs(path: Path) -> set[tuple[str, str]]:
    return set(zip(*read_lists(path), strict=True))


def test_order_lines_become_two_files_that_share_no_pair(monkeypatch, tmp_path):
    lines = pa.table(
        {
            "Customer ID": [7.0] * 6 + [8.0, None, 9.0],
            "StockCode": ["a", "b", "b ", "c", "d", "e", "a", "a", "a"],
            "InvoiceDate": [f"2010-01-0{day} 10:00:00" for day in (5, 1, 2, 3, 4, 6, 1, 1, 1)],
            "Quantity": [1, 1, 2, 1, 1, 1, 1, 1, -1],
        }
    )
    pq.write_table(lines, tmp_path / "lines.parquet")
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    run(monkeypatch, topn_files, "orders", tmp_path / "lines.parquet", train, test, "--newest", "--share", 0.4)
    assert read_pairs(test) == {("7", "a"), ("7", "e")}
    assert read_pairs(train) == {("7", "b"), ("7", "c"), ("7", "d"), ("8", "a")}
    run(monkeypatch, topn_files, "orders", tmp_path / "lines.parquet", train, test, "--share", 0.4)
    assert len(read_pairs(test)) == 2
    assert not read_pairs(test) & read_pairs(train)


def test_sequences_keep_their_order_for_the_newest(monkeypatch, tmp_path):
    (tmp_path / "sequences.txt").write_text("u1 5 4 5 3 2 1\nu2 9\n\n", encoding="utf-8")
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    run(monkeypatch, topn_files, "sequences", tmp_path / "sequences.txt", train, test, "--newest")
    assert train.read_text(encoding="utf-8") == "u1 5 4 3 2\nu2 9\n"
    assert test.read_text(encoding="utf-8") == "u1 1\n"


def make_rhythm(path: Path) -> None:
    """Thirty users who buy five products of their own again every ten days, and one new one."""
    rows = [
        (user, f"own-{user}-{item}", 10 * visit + 1) for user in range(30) for visit in range(9) for item in range(5)
    ]
    rows += [(user, f"new-{visit}", 10 * visit + 1) for user in range(30) for visit in range(9)]
    users, codes, days = zip(*rows, strict=True)
    timestamps = np.datetime64("2020-01-01T10:00:00") + np.array(days) * np.timedelta64(1, "D")
    lines = {
        "Customer ID": np.array(users, float),
        "StockCode": codes,
        "InvoiceDate": timestamps,
        "Quantity": [1] * len(rows),
    }
    pq.write_table(pa.table(lines), path)


def test_the_split_keeps_repeat_purchases_only_if_requested(monkeypatch, tmp_path):
    make_rhythm(tmp_path / "lines.parquet")
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    run(
        monkeypatch, topn_files, "orders", tmp_path / "lines.parquet", train, test, "--cut", "--share", 0.3, "--repeats"
    )
    assert read_lists(train)[1].count("own-3-1") == 6
    assert ("3", "own-3-1") in read_pairs(test)
    assert read_lists(test)[1].count("own-3-1") == 1
    run(monkeypatch, topn_files, "orders", tmp_path / "lines.parquet", train, test, "--cut", "--share", 0.1)
    assert read_lists(train)[1].count("own-3-1") == 1
    assert not read_pairs(test) & read_pairs(train)
    with pytest.raises(SystemExit):
        run(monkeypatch, topn_files, "orders", tmp_path / "lines.parquet", train, test, "--repeats")


def test_repeat_buyers_are_best_served_by_their_most_frequent_products(monkeypatch, tmp_path, capsys):
    make_rhythm(tmp_path / "lines.parquet")
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    inner = ("--validation", tmp_path / "inner_train.txt", tmp_path / "inner_test.txt")
    cut = ("--cut", "--share", 0.3, "--repeats", *inner)
    run(monkeypatch, topn_files, "orders", tmp_path / "lines.parquet", train, test, *cut)
    assert read_lists(inner[1])[1].count("own-3-1") == 4
    assert read_pairs(inner[1]) < read_pairs(train)
    names = ("popularity", "repeat", "item-knn", "implicit-cosine")
    run(monkeypatch, topn, train, test, "--repeats", *inner, "--budget", 4, "--algorithms", *names)
    algorithms = json.loads(capsys.readouterr().out.splitlines()[-1])["algorithms"]
    assert set(algorithms) == {*names, "blend"}
    # five of the eight products that a user buys later are repeat purchases; nobody has bought the three new ones before
    assert algorithms["repeat"]["recall@20"] == 0.625
    assert algorithms["popularity"]["recall@20"] < 0.3
    run(monkeypatch, topn, train, test, "--budget", 4, "--algorithms", "popularity", "repeat")
    assert "repeat" not in json.loads(capsys.readouterr().out.splitlines()[-1])["algorithms"]


def test_a_file_without_pairs_is_rejected(tmp_path):
    (tmp_path / "empty.txt").write_text("u1\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="user item item"):
        read_lists(tmp_path / "empty.txt")


def test_customers_with_few_tastes_are_served_better_than_by_popularity(monkeypatch, tmp_path, capsys):
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    generated = ("--people", 400, "--items", 800, "--interactions", 6000)
    run(monkeypatch, topn_files, "generated", train, test, *generated)
    assert len(read_pairs(train) | read_pairs(test)) == 6000
    names = ("popularity", "item-knn", "graph-filter", "implicit-cosine")
    capsys.readouterr()
    run(monkeypatch, topn, train, test, "--budget", 4, "--algorithms", *names)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    algorithms = line["algorithms"]
    assert set(algorithms) == {*names, "blend"}
    for figures in algorithms.values():
        assert figures["recall@20_low"] <= figures["recall@20"] <= figures["recall@20_high"]
    assert algorithms["graph-filter"]["recall@20"] > algorithms["popularity"]["recall@20"]
    assert line["recall@20"] == algorithms[line["algorithm"]]["recall@20"]
    own = [name for name in algorithms if name != "implicit-cosine"]
    assert line["validation_ndcg@20"] == max(algorithms[name]["validation_ndcg@20"] for name in own)
    assert {"fit_s", "peak_mb", "parameters"} <= set(line)


def test_an_algorithm_that_is_too_slow_is_not_tried_on_all_users(monkeypatch, tmp_path, capsys):
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    run(monkeypatch, topn_files, "generated", train, test, "--people", 200, "--items", 800, "--interactions", 3000)
    slow = topn_tuning.Probe(value=0.9, seconds=1e9)
    monkeypatch.setattr(
        topn_tuning, "probe", lambda name, *_: slow if name == "clusters" else topn_tuning.Probe(0.1, 0.0)
    )
    capsys.readouterr()
    names = ("popularity", "clusters", "graph-filter", "rp3beta")
    run(monkeypatch, topn, train, test, "--budget", 4, "--algorithms", *names)
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])["algorithms"]) == {*names, "blend"} - {"clusters"}


def test_without_time_every_algorithm_keeps_its_start_parameters(monkeypatch, tmp_path, capsys):
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    run(monkeypatch, topn_files, "generated", train, test, "--people", 200, "--items", 800, "--interactions", 3000)
    capsys.readouterr()
    run(monkeypatch, topn, train, test, "--budget", 0, "--algorithms", "popularity", "graph-filter", "item-knn")
    algorithms = json.loads(capsys.readouterr().out.splitlines()[-1])["algorithms"]
    assert {name: figures["tried"] for name, figures in algorithms.items() if name != "blend"} == dict.fromkeys(
        ("popularity", "graph-filter", "item-knn"), 1
    )
    assert algorithms["graph-filter"]["parameters"] == topn_tuning.STARTS["graph-filter"]


def test_the_minimum_share_leaves_every_customer_training_data(monkeypatch, tmp_path):
    (tmp_path / "sequences.txt").write_text("".join(f"u{user} 1 {user}\n" for user in range(2, 40)), encoding="utf-8")
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    run(monkeypatch, topn_files, "sequences", tmp_path / "sequences.txt", train, test, "--share", 0.9)
    users, counts = np.unique(read_lists(train)[0], return_counts=True)
    assert len(users) == 38
    assert (counts == 1).all()
