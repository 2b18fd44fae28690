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
        "7\t3\t4\t880000001\n8\t3\t1.5\t880000002\n",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n7\t3\t4\t880000001\n8\t3\t1.5\t880000002\n",
        "7::3::4::880000001\n8::3::1.5::880000002\n",
        "userId,movieId,rating,timestamp\n7,3,4.0,880000001\n8,3,1.5,880000002\n",
        '\ufeff"timestamp","rating","userId","movieId"\r\n880000001,4,"7",3\r\n880000002,1.5,"8",3\r\n\r\n',
        "7,3,4.0,880000001\n8,3,1.5,880000002\n",
    ],
    ids=["tabs", "tabs with types", "colons", "csv", "csv in another order", "csv without header"],
)
def test_all_movielens_formats_give_the_same_ratings(tmp_path, text):
    (tmp_path / "file").write_text(text, encoding="utf-8", newline="")
    interactions = read_ratings(tmp_path / "file")
    assert interactions.users.get_ids(interactions.user) == ["7", "8"]
    assert interactions.items.get_ids(interactions.item) == ["3", "3"]
    assert interactions.weight.tolist() == [4, 1.5]
    assert interactions.order.tolist() == [880_000_001, 880_000_002]


def test_lines_without_a_time_keep_their_order(tmp_path):
    (tmp_path / "file").write_text("user,item,rating\n7,3,4\n8,3,1\n", encoding="utf-8")
    assert read_ratings(tmp_path / "file").order.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t2\tgood\t3\n", r"line 1.*'1\\t2\\tgood\\t3' is not user, item, rating, time"),
        (
            "userId,movieId,rating,timestamp\n1,2,5,3\n1,2\n",
            "line 3: '1,2' is not user, item, rating, time separated by ','",
        ),
        ("rating,userId,movieId\n5,1,2\nnan,1,2\n", "line 3: 'nan,1,2' is not rating, user, item"),
        ("1\t2\t-3\t4\n", "line 1.*at least 0"),
        ("1::2::3::yesterday\n", "line 1.*seconds"),
        ("\t2\t3\t4\n", "line 1"),
        ("", "no rating"),
        ("userId,movieId,rating,timestamp\n", "no rating"),
    ],
)
def test_an_invalid_ratings_file_is_rejected(tmp_path, text, message):
    (tmp_path / "file").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        read_ratings(tmp_path / "file")


def test_a_missing_or_binary_file_is_rejected(tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        read_ratings(tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SystemExit, match="UTF-8"):
        read_ratings(tmp_path / "binary")


def test_models_of_latent_tastes_beat_the_mean(monkeypatch, tmp_path, capsys):
    file = tmp_path / "u.data"
    run(monkeypatch, rating_files, file, "--people", 200, "--items", 300, "--ratings", 8000)
    simulated = read_ratings(file)
    assert len(simulated) == 8000
    assert set(np.unique(simulated.weight)) <= {1, 2, 3, 4, 5}
    capsys.readouterr()
    run(monkeypatch, ratings, file, "--budget", 0.05, "--folds", 2)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    algorithms = line["algorithms"]
    assert set(algorithms) == {*ratings.SPACES, "rating-blend", "person-mean"}
    assert algorithms["rating-blend"]["rmse"] < algorithms["person-mean"]["rmse"]
    assert algorithms["rating-baseline"]["rmse"] < algorithms["person-mean"]["rmse"]
    assert line["rmse"] == algorithms[line["algorithm"]]["rmse"]
    assert {"mae", "precision@10", "recall@10", "f1@10", "seconds", "peak_mb"} <= set(line)
