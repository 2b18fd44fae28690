"""The texts about propensities are about the model that serves, at the level at which it serves."""

from typing import Any

import pytest
from django.utils.translation import override

from customers.lifecycle.backoffice.labels.clv_labels import describe_probability
from customers.lifecycle.backoffice.labels.propensity_labels import (
    describe_choice,
    describe_difference,
    describe_propensity_accuracy,
)
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.levels import read_level

PERIODS = [
    {"at": 2, "customers": 900, "rate": 0.30, "predicted": 0.268},
    {"at": 1, "customers": 800, "rate": 0.25, "predicted": 0.26},
]


def make_score_model(**changed: Any) -> ScoreModel:
    figures = {
        "winner": "boosting",
        "compared_winner": "boosting",
        "why": "best_candidate",
        "baseline": "purchase_model",
        "rate": 0.3,
        "candidates": [
            {"name": "boosting", "auc": 0.99, "brier": 0.011},
            {"name": "purchase_model", "auc": 0.98, "brier": 0.022},
        ],
        "quality": {"customers": 900, "auc": 0.81, "brier": 0.1405},
        "level": {
            "adjustment": "platt",
            "shift": 0.2,
            "periods": PERIODS,
            "options": [
                {"candidate": "boosting", "adjustment": "platt", "brier": [0.1405, 0.15], "serves": True},
                {"candidate": "purchase_model", "adjustment": "none", "brier": [0.152, 0.16], "serves": False},
            ],
        },
    }
    return ScoreModel(kind=ScoreModel.Kind.PURCHASE_30, algorithm="boosting", figures=figures | changed)


@pytest.fixture(autouse=True)
def english() -> Any:
    with override("en"):
        yield


def test_the_accuracy_is_that_of_the_recalibrated_model_that_serves() -> None:
    assert describe_propensity_accuracy(make_score_model()) == (
        "Model: gradient boosting (recalibrated (Platt)). On 900 customers of a later date: AUC 0.810, Brier score 0.141. "
        "Purchase model without adjustment: 0.152."
    )


def test_without_earlier_dates_the_model_serves_without_adjustment() -> None:
    level = {"adjustment": "none", "shift": 0.4, "periods": [], "options": []}
    text = describe_propensity_accuracy(make_score_model(level=level))
    assert text == "Model: gradient boosting (no adjustment). On 900 held-out customers: AUC 0.810, Brier score 0.141."


def test_a_purchase_model_that_serves_is_not_compared_with_itself() -> None:
    options = [{"candidate": "purchase_model", "adjustment": "none", "brier": [0.14, 0.16], "serves": True}]
    level = {"adjustment": "none", "shift": 0.2, "periods": PERIODS, "options": options}
    text = describe_propensity_accuracy(make_score_model(winner="purchase_model", level=level))
    assert text.startswith("Model: purchase model (no adjustment).")
    assert "Purchase model without adjustment" not in text


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, "Gradient boosting was significantly better than the baseline, so it is used."),
        (
            {"why": "baseline_not_beaten", "winner": "recency", "compared_winner": "recency"},
            "No model was significantly better than the baseline, so the baseline is used.",
        ),
        (
            {"why": "purchase_model_later", "winner": "purchase_model"},
            "Gradient boosting was the best model in the comparison, but the purchase model was more accurate on the latest dates, "
            "so the purchase model is used.",
        ),
        ({"why": ""}, ""),
    ],
)
def test_the_decision_of_the_training_is_in_words(changed: dict[str, str], text: str) -> None:
    assert describe_choice(make_score_model(**changed)) == text


def test_the_difference_of_earlier_rates_is_stated() -> None:
    assert describe_difference(read_level(make_score_model())) == (
        "On 2 earlier dates, predicted and actual rates differed by at most 3.2 percentage points."
    )
    unknown = make_score_model(level={"adjustment": "none", "shift": 0.4, "periods": [], "options": []})
    assert describe_difference(read_level(unknown)) == ""


def test_the_probability_of_an_interval_is_stated_where_it_is_not_80_percent() -> None:
    assert describe_probability(0.8) == ""
    assert describe_probability(0.802) == ""
    assert describe_probability(0.93) == "93%"
    assert describe_probability(None) == ""
