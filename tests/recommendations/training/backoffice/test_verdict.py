"""The sentence on how good the active recommendation model is."""

import pytest
from django.test import Client
from django.urls import reverse

from recommendations.training.backoffice.labels.verdict import describe_evaluation
from recommendations.training.models import EvaluationRun, ModelVersion


def describe(model: float, baseline: float, limited: float | None = None) -> str:
    run = EvaluationRun(
        model_version=ModelVersion(algorithm="blend"),
        test_users=1352,
        figures={
            "blend": {"hit_rate@10": {"value": model}, "hit_rate_limited@10": {"value": limited}},
            "popularity": {"hit_rate@10": {"value": baseline}},
        },
    )
    return describe_evaluation(run)


def test_a_good_model_is_compared_with_best_sellers() -> None:
    assert describe(0.89, 0.66) == (
        "Recommendations are better than best sellers: of 1,352 test customers, 89% later bought at least one of their 10 "
        "recommended products; with the 10 best sellers, it would be 66%."
    )


def test_the_products_are_those_that_for_you_shows_with_its_limit_of_purchased_ones() -> None:
    assert "80% later bought at least one of their 10 recommended products" in describe(0.85, 0.66, limited=0.8)
    assert describe(0.7, 0.66, limited=0.6).startswith("Recommendations are not better than best sellers")


def test_a_model_without_a_gain_is_reported() -> None:
    assert describe(0.5, 0.5).startswith("Recommendations are not better than best sellers")


@pytest.mark.django_db
def test_without_a_model_the_page_says_what_placements_show(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:training_modelversion_changelist"))
    assert (
        "No model has been trained yet. Until the first training, placements show the newest or most popular products."
        in page.text
    )
