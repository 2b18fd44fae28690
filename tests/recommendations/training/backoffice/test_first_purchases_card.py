"""The model card's sentences about products new to the customer."""

import pytest
from django.utils import translation

from recommendations.training.backoffice.first_purchases_card import describe_first_purchases
from recommendations.training.models import EvaluationRun, ModelVersion


def make_run(**people: int) -> EvaluationRun:
    values = {"hit_rate_new@10": 0.2, "hit_rate_limited@10": 0.3, "hit_rate@10": 0.4}
    figures = {name: {"value": value} for name, value in values.items()}
    return EvaluationRun(model_version=ModelVersion(algorithm="popularity"), figures={"popularity": figures | people})


@pytest.mark.parametrize(
    ("people", "sentences"),
    [
        ({"people_new": 30, "people_limited": 30}, 2),
        ({"people_new": 29, "people_limited": 30}, 1),
        ({"people_new": 1, "people_limited": 29}, 0),
        ({}, 0),
    ],
)
def test_a_sentence_is_about_at_least_30_customers(people: dict[str, int], sentences: int) -> None:
    with translation.override("en"):
        assert len(describe_first_purchases(make_run(**people))) == sentences
