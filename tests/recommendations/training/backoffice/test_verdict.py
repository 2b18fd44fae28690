"""The sentence on how good the active recommendation model is."""

import pytest
from django.test import Client
from django.urls import reverse

from recommendations.training.backoffice.labels.verdict import describe_evaluation
from recommendations.training.models import EvaluationRun, ModelVersion


def describe(model: float, baseline: float) -> str:
    run = EvaluationRun(
        model_version=ModelVersion(algorithm="blend"),
        test_users=1352,
        figures={
            "blend": {"hit_rate@10": {"value": model}},
            "popularity": {"hit_rate@10": {"value": baseline}},
        },
    )
    return describe_evaluation(run)


def test_a_good_model_is_compared_with_best_sellers() -> None:
    assert describe(0.89, 0.66) == (
        "Recommendations are better than best sellers: of 1,352 test customers, 89% later bought one of their 10 recommended "
        "products; with the 10 best sellers, it would be 66%."
    )


def test_a_model_without_a_gain_is_reported() -> None:
    assert describe(0.5, 0.5).startswith("Recommendations are not better than best sellers")


@pytest.mark.django_db
def test_without_a_model_the_page_says_what_placements_show(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:training_modelversion_changelist"))
    assert "No model is trained yet. Until then, placements show the newest or most popular products." in page.text
