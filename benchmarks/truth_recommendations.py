"""Scores recommendations by the true probability that the customer's next line is one of the products shown."""

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.truth_shop import ShopTruth, parse_rows
from config.foundation.array_types import Floats

SHOWN = 10


def score_recommendations(truth: ShopTruth, as_of: datetime, seconds: float) -> dict[str, Any]:
    """Train, recommend ten products to everyone, and return the mean true probability of these, the best and the most popular ten."""
    from django.core.management import call_command

    from recommendations.training.train import train

    version = train(as_of=as_of, started_at=as_of, seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lists.jsonl"
        call_command("export_recommendations", "--n", SHOWN, "--format", "jsonl", "--output", path, verbosity=0)
        lists = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    products = truth.read("products")
    numbers = {customer: row for row, customer in enumerate(truth.customers["customer_id"])}
    lists = [line for line in lists if line["user_id"] in numbers]
    rows = np.array([numbers[line["user_id"]] for line in lists])
    likes = truth.taste[rows][:, products["cluster"]] * products["share"]  # shape (lists, m)
    popular = truth.taste.mean(axis=0)[products["cluster"]] * products["share"]
    best_of_all = np.argsort(-popular)[:SHOWN]
    shown = [parse_rows([item["product_id"] for item in line["items"]]) for line in lists]
    favorite = truth.taste[rows].argmax(axis=1)
    return {
        "version": version.status,
        "algorithm": version.explanation,
        "customers": len(lists),
        "probability": float(np.mean([likes[row, items].sum() for row, items in enumerate(shown)])),
        "oracle_probability": mean_of_best(likes),
        "popular_probability": float(likes[:, best_of_all].sum(axis=1).mean()),
        "in_favorite_cluster": float(
            np.mean([(products["cluster"][items] == favorite[row]).mean() for row, items in enumerate(shown)])
        ),
    }


def mean_of_best(likes: Floats) -> float:
    return float(np.partition(likes, -SHOWN, axis=1)[:, -SHOWN:].sum(axis=1).mean())
