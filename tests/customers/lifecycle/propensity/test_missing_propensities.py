"""Propensities with too little data to train on.

The purchase model predicts them, or a reason is shown.
"""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils.translation import override

from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.propensity.models import PROPENSITY_KINDS
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.customers.lifecycle.sample_shop import make_sample_shop
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db

PAGE = "/admin/lifecycle/customerprofile/lifecycle/predictions/"


@pytest.fixture(autouse=True)
def limit_training_customers() -> None:
    """Train on all customers."""


def get_score_models() -> dict[str, ScoreModel]:
    return {score_model.kind: score_model for score_model in LifecycleRun.objects.latest("id").score_models.all()}


@pytest.mark.parametrize(
    ("days", "reason", "algorithm"),
    [
        ([], "history_too_short", ""),
        ([5], "history_too_short", ""),
        ([400, 300, 200], "few_positives", ""),
        ([0.001], "history_too_short", ""),
        ([25_000, 300, 2], "few_positives", ""),
    ],
)
def test_a_missing_propensity_is_explained_on_the_page(
    admin_client: Client, db: None, days: list[float], reason: str, algorithm: str
) -> None:
    customer = make_customer("only", first_seen_at=NOON - timedelta(days=1))
    for ago in days:
        make_order(customer, placed_at=NOON - timedelta(days=ago), total=Decimal(10))
        make_order(None, placed_at=NOON - timedelta(days=ago), total=Decimal(10))
    refresh_profiles(as_of=NOON, started_at=NOON)
    profile = build_customer_profile(customer_id=customer.pk)
    assert profile is not None
    for kind, propensity in zip(PROPENSITY_KINDS, profile["propensities"], strict=True):
        score_model = get_score_models()[kind]
        assert (
            score_model.reason in ("history_too_short", "few_positives", "few_negatives"),
            score_model.algorithm,
        ) == (True, "")
        assert propensity["probability"] is None
        assert propensity["reason"] == (score_model.reason if days else "no_order")
    assert get_score_models()["purchase_30"].reason == reason
    for language in ("en", "zh-hans"):
        url = f"/admin/lifecycle/customerprofile/customer/{customer.pk}/"
        text = admin_client.get(url, {"tab": "predictions"}, headers={"accept-language": language}).content.decode()
        with override(language):
            localized = build_customer_profile(customer_id=customer.pk)
        assert localized is not None
        assert localized["propensities"][0]["reason_name"] in text
        # the words of the page, because a random token may contain these letters
        assert "nan" not in re.findall(r"[a-z]+", re.sub(r"<[^>]*>", " ", text.lower()))


def test_with_too_few_customers_the_purchase_model_is_the_fallback(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    make_sample_shop()
    monkeypatch.setattr("customers.lifecycle.propensity.scoring.MAX_TRAINING_CUSTOMERS", 40)
    refresh_profiles(as_of=NOON, started_at=NOON)
    score_model = get_score_models()["purchase_30"]
    assert (score_model.algorithm, score_model.reason, score_model.arrays) == ("purchase_model", "few_positives", None)
    inactive = CustomerProfile.objects.filter(p_alive__lt=0.3).first()
    assert inactive is not None
    assert inactive.purchase_30 < inactive.p_alive
    profile = build_customer_profile(customer_id=inactive.pk)
    assert profile is not None
    propensity = profile["propensities"][2]
    assert (propensity["fallback"], propensity["reasons"], propensity["algorithm"]) == (True, [], "purchase_model")
    assert propensity["reason_name"]


def test_without_orders_the_page_explains_why_there_are_no_propensities(admin_client: Client) -> None:
    refresh_profiles(as_of=NOON, started_at=NOON)
    page = admin_client.get(PAGE).content.decode()
    assert "Not enough data to train a model" in page
