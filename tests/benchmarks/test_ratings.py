"""The files of the ratings benchmark, and the whole command on a small one."""

import json
import sys

import numpy as np
import pytest

from benchmarks import rating_files, ratings
from benchmarks.rating_files import read_ratings


def run(monkeypatch: pytest.MonkeyPatch, module: object, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    module.main()


@pytest.mark.parametrize(
    "text",
    [
        "7\t3\t4\t880000001\n8\t3\t1\t880000002\n",
        "7::3::4::880000001\n8::3::1::880000002\n",
        "userId,movieId,rating,timestamp\n7,3,4.0,880000001\n8,3,1.0,880000002\n",
    ],
    ids=["tabs", "colons", "csv"],
)
def test_shapes_of_movielens_are_the_same_ratings(tmp_path, text):
    (tmp_path / "file").write_text(text, encoding="utf-8")
    found = read_ratings(tmp_path / "file")
    assert found.users.ids(found.user) == ["7", "8"]
    assert found.items.ids(found.item) == ["3", "3"]
    assert found.weight.tolist() == [4, 1]
    assert found.order.tolist() == [880_000_001, 880_000_002]


@pytest.mark.parametrize(("text", "said"), [("1\t2\tgood\t3\n", "line 1"), ("", "no rating")])
def test_file_that_holds_no_rating_is_refused(tmp_path, text, said):
    (tmp_path / "file").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=said):
        read_ratings(tmp_path / "file")


def test_latent_tastes_are_predicted_better_than_by_the_mean(monkeypatch, tmp_path, capsys):
    file = tmp_path / "u.data"
    run(monkeypatch, rating_files, file, "--people", 200, "--items", 300, "--ratings", 8000)
    made = read_ratings(file)
    assert len(made) == 8000
    assert set(np.unique(made.weight)) <= {1, 2, 3, 4, 5}
    capsys.readouterr()
    run(monkeypatch, ratings, file, "--budget", 0.2, "--folds", 2)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = line["algorithms"]
    assert set(found) == {*ratings.SPACES, "rating-blend", "person-mean"}
    assert found["rating-blend"]["rmse"] < found["person-mean"]["rmse"]
    assert found["rating-baseline"]["rmse"] < found["person-mean"]["rmse"]
    assert line["rmse"] == found[line["algorithm"]]["rmse"]
    assert {"mae", "precision@10", "recall@10", "f1@10", "seconds", "peak_mb"} <= set(line)
