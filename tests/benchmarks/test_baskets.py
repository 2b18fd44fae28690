"""The benchmark of next baskets: its files, its protocol, and the whole command on a small shop."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import baskets
from recommendations.engine.data.weighting import DAY


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    baskets.main()


def read(monkeypatch: pytest.MonkeyPatch, *arguments: object):
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    return baskets.read_files(baskets.parse_arguments())


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def write_shop(folder: Path) -> tuple[Path, Path]:
    """Write 60 customers with ten baskets of three of their own five products and one of forty others."""
    draws = np.random.default_rng(4)
    lines: dict[str, list[str]] = {"history": ["user_id,order_number,product_id"], "future": ["user_id,product_id"]}
    for user in range(60):
        own = draws.choice(40, 5, replace=False)
        for number in range(10):
            items = {*draws.choice(own, 3, replace=False).tolist(), int(draws.integers(40))}
            lines["history"] += [f"{user},{number},p{item}" for item in sorted(items)]
        lines["future"] += [f"{user},p{item}" for item in draws.choice(own, 3, replace=False)]
    return tuple(write(folder / f"{name}.csv", "\n".join(rows) + "\n") for name, rows in lines.items())


def test_the_best_algorithm_is_reported_beside_the_personal_top_frequency(monkeypatch, tmp_path, capsys) -> None:
    run(
        monkeypatch, *write_shop(tmp_path), "--budget", 0.2, "--algorithms", "popularity", "repeat", "repeat-ranker", "tifu-knn",
    )  # fmt: skip
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    algorithms = line["algorithms"]
    assert set(algorithms) == {"popularity", "repeat", "repeat-ranker", "tifu-knn", "blend", "top-frequency"}
    assert algorithms["repeat-ranker"]["recall@10"] > algorithms["popularity"]["recall@10"]
    assert line["top_frequency_recall@10"] == algorithms["top-frequency"]["recall@10"] > 0.9
    assert line["top_frequency_ndcg@10"] == algorithms["top-frequency"]["ndcg@10"]
    assert line["ndcg@10"] == algorithms[line["algorithm"]]["ndcg@10"]
    assert {"recall@10", "ndcg@10", "validation_ndcg@10", "fit_s", "recommend_s", "tune_s", "parameters"} <= set(line)
    assert {"peak_mb", "customers", "items", "test_customers"} <= set(line)
    assert "validation_ndcg@10" not in algorithms["top-frequency"]


def test_numbered_baskets_end_on_the_same_day(monkeypatch, tmp_path) -> None:
    history = write(tmp_path / "history.csv", "user,order,item\na,1,x\na,5,x\na,5,x\nb,7,y\n")
    future = write(tmp_path / "future.csv", "user,item\na,z\nnobody,x\n")
    train, user, item = read(monkeypatch, history, future)
    lines = zip(train.user.tolist(), train.item.tolist(), (train.order / DAY).tolist(), strict=True)
    assert [(train.users.get_id(u), train.items.get_id(i), day) for u, i, day in lines] == [
        ("a", "x", 0.0), ("a", "x", 1.0), ("b", "y", 1.0),
    ]  # fmt: skip
    task = baskets.Task.of(train, user, item)
    assert len(task.histories) == 1  # nobody has no basket in HISTORY
    assert [train.items.get_id(row) for row in task.relevant.indices] == ["z"]  # z counts, though HISTORY lacks it


@pytest.mark.parametrize(
    "dates",
    [
        ("2024-01-31", "2024-02-01"),
        ("20240131", "20240201"),
        ("31.01.2024", "01.02.2024"),
        ("2024-01-31 09:30:00", "2024-02-01 09:30:00"),
    ],
)
def test_dates_are_read_in_usual_layouts(monkeypatch, tmp_path, dates: tuple[str, str]) -> None:
    text = "\n".join(["Customer ID,InvoiceDate,StockCode", *(f"a,{day},x" for day in dates)])
    future = write(tmp_path / "future.csv", "Customer ID,StockCode\na,x\n")
    train, _user, _item = read(monkeypatch, write(tmp_path / "history.csv", text), future)
    assert np.diff(np.sort(train.order)).tolist() == [DAY]
    assert train.order.min() > 1.7e9


def test_the_last_basket_is_held_out_of_customers_with_two(monkeypatch, tmp_path) -> None:
    history = write(tmp_path / "history.csv", "user,order,item\na,1,x\na,2,y\na,2,z\nb,1,x\n")
    train, _user, _item = read(monkeypatch, history, write(tmp_path / "future.csv", "user,item\na,x\n"))
    task = baskets.hold_out_last_baskets(train, 100)
    assert task.histories.user.tolist() == [train.users.get_row("a")]
    assert sorted(train.items.get_id(row) for row in task.relevant.indices) == ["y", "z"]
    assert sorted(train.items.get_id(row) for row in task.train.item) == ["x", "x"]
    assert task.train.as_of == train.as_of


@pytest.mark.parametrize(
    ("history", "future", "message"),
    [
        ("user,order\na,1\n", "user,item\na,x\n", "no column is recognized as item; name it with --item"),
        ("user,order,item\na,soon,x\n", "user,item\na,x\n", "numbers or all be dates"),
        ("user,order,item\na,,x\n", "user,item\na,x\n", "1 lines have no order"),
        ("user,order,item\na,1,x\n", "user,item\nb,x\n", "none of its customers"),
        ("user,order,item\n", "user,item\na,x\n", "no lines"),
        ("", "user,item\na,x\n", "cannot be read as CSV"),
    ],
)
def test_wrong_files_are_named_with_the_fix(monkeypatch, tmp_path, history: str, future: str, message: str) -> None:
    paths = write(tmp_path / "history.csv", history), write(tmp_path / "future.csv", future)
    with pytest.raises(SystemExit, match=message):
        read(monkeypatch, *paths)


def test_a_chosen_column_that_is_missing_is_named(monkeypatch, tmp_path) -> None:
    history = write(tmp_path / "history.csv", "user,order,item\na,1,x\n")
    with pytest.raises(SystemExit, match=r"'sku' \(--item\); it has user, order, item"):
        read(monkeypatch, history, history, "--item", "sku")


def test_without_second_baskets_nothing_can_be_tuned(monkeypatch, tmp_path) -> None:
    history = write(tmp_path / "history.csv", "user,order,item\na,1,x\n")
    with pytest.raises(SystemExit, match="two baskets"):
        run(monkeypatch, history, write(tmp_path / "future.csv", "user,item\na,x\n"))
