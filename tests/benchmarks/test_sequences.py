"""The files of the sequences benchmark, and the whole command on a small one."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import sequences
from benchmarks.sequence_files import DAY, WrongFileError, read_sequences


def test_lines_become_histories_that_end_on_the_same_day(tmp_path):
    path = tmp_path / "sequences.txt"
    path.write_text("u1 7 3 5\nu2 3 9\n\n", encoding="utf-8")
    sequences_read = read_sequences(path)
    interactions = sequences_read.interactions
    histories = [interactions.build_histories([interactions.users.get_row(user)]) for user in ("u1", "u2")]
    assert [interactions.items.get_ids(history.item) for history in histories] == [["7", "3", "5"], ["3", "9"]]
    assert [history.order.tolist() for history in histories] == [[-2 * DAY, -DAY, 0], [-DAY, 0]]
    assert sequences_read.products is None


def test_attributes_become_products_in_the_order_of_the_items(tmp_path):
    (tmp_path / "sequences.txt").write_text("u1 7 3 5\n", encoding="utf-8")
    (tmp_path / "attributes.json").write_text('{"7": [1, 2], "3": ["red"], "8": [4]}', encoding="utf-8")
    sequences_read = read_sequences(tmp_path / "sequences.txt", tmp_path / "attributes.json")
    texts = dict(
        zip(sequences_read.interactions.items.get_ids(), sequences_read.products.texts["attributes"], strict=True)
    )
    assert texts == {"7": "1, 2", "3": "red", "5": ""}


@pytest.mark.parametrize(("text", "message"), [("u1 5\nu2\n", "line 2"), ("\n", "empty")])
def test_an_invalid_file_is_rejected_with_its_line_number(tmp_path, text, message):
    (tmp_path / "sequences.txt").write_text(text, encoding="utf-8")
    with pytest.raises(WrongFileError, match=message):
        read_sequences(tmp_path / "sequences.txt")


def test_order_lines_become_first_purchases_of_customers_with_five_products(tmp_path):
    codes = ["10001", "10002", "10003", "10004", "10005"]
    rows = [("1", code, 1, 3.0, 17.0, day) for day, code in zip((5, 4, 3, 2, 1), codes, strict=True)]
    rows += [("1", "10001", 1, 3.0, 17.0, 9), ("1", "POST", 1, 3.0, 17.0, 6), ("C2", "10006", -1, 3.0, 17.0, 7)]
    rows += [("3", "10006", 1, 0.0, 17.0, 7), ("4", "10006", 1, 1.0, None, 7), ("5", "10001", 1, 1.0, 18.0, 8)]
    invoice, code, quantity, price, customer, day = zip(*rows, strict=True)
    lines = pa.table(
        {
            "Invoice": invoice,
            "StockCode": code,
            "Description": [f"product {each}" for each in code],
            "Quantity": quantity,
            "InvoiceDate": [f"2010-01-0{each} 10:00:00" for each in day],
            "Price": price,
            "Customer ID": customer,
        }
    )
    pq.write_table(lines, tmp_path / "lines.parquet")
    sequences_read = read_sequences(tmp_path / "lines.parquet")
    assert sequences_read.interactions.users.get_ids() == ["17"]
    assert sequences_read.interactions.items.get_ids(sequences_read.interactions.build_histories().item) == codes[::-1]
    assert sequences_read.products.texts["title"] == [f"product {each}" for each in codes]


def test_repeat_purchases_are_kept_once_per_time_if_requested(tmp_path):
    codes = ["10001", "10002", "10003", "10004", "10005", "10001", "10001", "10002"]
    days = [1, 1, 2, 2, 3, 3, 3, 4]
    lines = pa.table(
        {
            "Invoice": [str(day) for day in days],
            "StockCode": codes,
            "Description": codes,
            "Quantity": [1] * 8,
            "InvoiceDate": [f"2010-01-0{day} 10:00:00" for day in days],
            "Price": [1.0] * 8,
            "Customer ID": [7.0] * 8,
        }
    )
    pq.write_table(lines, tmp_path / "lines.parquet")
    for repeats, expected in ((False, codes[:5]), (True, [*codes[:6], "10002"])):
        interactions = read_sequences(tmp_path / "lines.parquet", repeats=repeats).interactions
        assert interactions.items.get_ids(interactions.build_histories().item) == expected


def test_cyclic_purchases_are_predicted(monkeypatch, tmp_path, capsys):
    draws = np.random.default_rng(1)
    lines = []
    for person in range(150):
        cycle, position = draws.integers(0, 4), draws.integers(0, 12)
        lines.append(
            f"u{person} " + " ".join(f"i{cycle}-{(position + step) % 12}" for step in range(draws.integers(5, 9)))
        )
    lines.append("u150 i0-1 i0-2 i0-3 i0-4 i0-1")
    (tmp_path / "sequences.txt").write_text("\n".join(lines), encoding="utf-8")
    attributes = {f"i{cycle}-{position}": [f"circle {cycle}"] for cycle in range(4) for position in range(12)}
    (tmp_path / "attributes.json").write_text(json.dumps(attributes), encoding="utf-8")
    command = ["benchmark", tmp_path / "sequences.txt", "--attributes", tmp_path / "attributes.json", "--budget", 3]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    sequences.main()
    line = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert line["hr@5"] > 0.95
    assert line["ndcg@10"] > line["algorithms"]["popularity"]["ndcg@10"] + 0.3
    assert set(line["algorithms"]) == {*sequences.SPACES, "blend"} - {"repeat"}
    assert line["ndcg@10_low"] <= line["ndcg@10"] <= line["ndcg@10_high"]
    assert line["not_refitted"]["hr@10"] > 0.9
    assert "transitions without similarity" in line["ablation"]
    assert (line["people"], line["seen_before"]) == (151, 1)
    for figures in (line, line["not_refitted"], line["ids_only"], line["ids_only"]["not_refitted"]):
        assert 0.9 < figures["hr@10"] <= 150 / 151 + 1e-5  # the user who buys a product again counts as a miss
    weights = line["ids_only"]["parameters"].get("weights", {line["ids_only"]["algorithm"]: 1.0})
    assert "content" not in weights
