"""The sentiment benchmark: its file, its errors and the whole command."""

import csv
import json
import sys
from pathlib import Path

import pytest

from benchmarks import sentiment
from customers.feedback.sentiment.labeled_files import LabeledFileError, read_labeled_texts


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    sentiment.main()


def write_file(
    path: Path, rows: list[tuple[object, str]], *, encoding: str = "utf-8", header: str = "label,review"
) -> Path:
    with path.open("w", encoding=encoding, newline="") as stream:
        stream.write(f"{header}\n")
        csv.writer(stream).writerows(rows)
    return path


def test_the_command_prints_one_line_that_beats_the_majority(tmp_path, monkeypatch, capsys):
    rows = [(number % 2, f"{'很好吃，推荐' if number % 2 else '很难吃，失望'}{number % 7}") for number in range(400)]
    run(monkeypatch, write_file(tmp_path / "reviews.csv", rows))
    line = json.loads(capsys.readouterr().out)
    assert line["accuracy"] == 1
    assert line["f1"] == 1
    assert line["baseline_accuracy"] < 0.7
    assert line["test_texts"] == 80
    assert line["fit_s"] > 0
    assert line["texts_per_s"] > 0


def test_texts_in_gb18030_with_other_columns_are_read(tmp_path):
    path = write_file(
        tmp_path / "a.csv",
        [("1", "好吃", "x"), ("0", "  ", "y"), ("0", "难吃", "z")],
        encoding="gb18030",
        header="Label,REVIEW,shop",
    )  # type: ignore[list-item]
    labeled = read_labeled_texts(path)
    assert labeled.texts == ["好吃", "难吃"]
    assert labeled.is_positive == [True, False]
    assert labeled.empty == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("stars,review\n1,good\n", "no column label"),
        ("", "no column label and review"),
        ("label,review\n5,good\n", "line 2: the label must be 0 or 1, got 5"),
        ("label,review\n", "has no texts"),
        ("label,review\n" + "1,good\n" * 30, "only one label"),
        ("label,review\n1,good\n0,bad\n", "has 2 texts"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_problem(tmp_path, monkeypatch, content, problem):
    path = tmp_path / "reviews.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises((SystemExit, LabeledFileError), match=problem):
        run(monkeypatch, path)


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="no-such-file"):
        run(monkeypatch, tmp_path / "no-such-file.csv")
