"""The session benchmark: its files, and the whole command on a small shop."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sessions


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    sessions.main()


def write_visits(path: Path, *, visits: int, seed: int) -> list[str]:
    """Visitors walk along one of 40 shelves of 10 products, mostly to the right."""
    draws = np.random.default_rng(seed)
    lines = []
    for _ in range(visits):
        shelf, position = draws.integers(40), draws.integers(10)
        steps = np.cumsum(draws.choice([1, 1, 1, 2, -1, 0], draws.integers(1, 6)))
        lines.append(" ".join(f"p{shelf * 10 + (position + step) % 10}" for step in [0, *steps]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def test_pairs_of_prefix_and_label_are_read_unchanged(tmp_path):
    path = tmp_path / "test.txt"
    path.write_text("a b\tc\na\tb\n", encoding="utf-8")
    assert sessions.read_prefixes(path) == ([["a", "b"], ["a"]], ["c", "b"])
    path.write_text("a b c\nd\n", encoding="utf-8")
    assert sessions.read_prefixes(path) == ([["a"], ["a", "b"]], ["b", "c"])


@pytest.mark.parametrize(
    ("text", "problem"), [("a b\tc d\n", ":1:"), ("\tc\n", "prefix<TAB>label"), ("a\n", "no prefix"), ("", "no prefix")]
)
def test_invalid_lines_are_named(tmp_path, text, problem):
    path = tmp_path / "test.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=problem):
        sessions.read_prefixes(path)


def test_clicks_on_unknown_items_are_not_evaluated(tmp_path):
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_text("b a\n\na c\n", encoding="utf-8")
    test.write_text("a new b\tc\nnew\tc\na\tnew\n", encoding="utf-8")
    data = sessions.read(train, test)
    assert data.dropped == 2
    items = data.interactions.items
    assert items.get_ids(data.test.histories.item) == ["a", "b"]
    assert items.get_ids(data.test.label) == ["c"]
    assert data.interactions.users.get_ids(data.interactions.user) == ["0", "0", "1", "1"]
    assert data.interactions.order.tolist() == [0.0, 0.5, 1.0, 1.5]


def test_walks_along_shelves_are_predicted(monkeypatch, tmp_path, capsys):
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    write_visits(train, visits=1500, seed=1)
    write_visits(test, visits=100, seed=2)
    run(
        monkeypatch, train, test, "--budget", 0.3, "--prefixes", 200,
        "--algorithms", "popularity", "transitions", "session-knn",
    )  # fmt: skip
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    algorithms = line["algorithms"]
    assert set(algorithms) == {"popularity", "transitions", "session-knn", "blend"}
    assert algorithms["session-knn"]["hr@20"] > 0.95 > algorithms["popularity"]["hr@20"]
    assert algorithms["transitions"]["mrr@20"] > 0.3
    assert line["hr@20"] == algorithms[line["algorithm"]]["hr@20"]
    assert line["hr@20_low"] <= line["hr@20"] <= line["hr@20_high"]
    assert {"mrr@20", "fit_s", "p50_ms", "peak_mb", "parameters"} <= set(line)
    assert algorithms["blend"]["validation_ndcg@20"] >= 0
