"""How good the guesses are, on the Lifecycle page and as alarms."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from customers.lifecycle.alerts import find_model_alerts
from customers.lifecycle.backoffice.labels.alert_messages import format_alert
from customers.lifecycle.backoffice.panels.propensity_panel import build_propensity_panel
from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.customers.lifecycle.trade import make_trade
from tests.makers import NOON

pytestmark = pytest.mark.django_db
PAGE = "/admin/lifecycle/customerprofile/lifecycle/"
LOOKED_BACK = {
    "as_of": (NOON - timedelta(days=60)).isoformat(),
    "days": 30,
    "algorithm": "ensemble",
    "customers": 500,
    "positives": 150,
    "rate": 0.3,
    "low": 0.26,
    "high": 0.34,
    "mean_predicted": 0.31,
    "auc": 0.8,
    "brier": 0.15,
}


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customers.lifecycle.propensity.scoring.MAX_TRAINING_CUSTOMERS", 20_000)
    make_trade()
    refresh_profiles(as_of=NOON, started_at=NOON)


def score_model(kind: str, **figures: Any) -> ScoreModel:
    run = LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    return ScoreModel.objects.create(run=run, kind=kind, algorithm="ensemble", figures=figures)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, []),
        ({"mean_predicted": 0.5}, ["propensity_miscalibrated"]),
        ({"mean_predicted": 0.5, "low": 0.2, "high": 0.55}, []),
        ({"mean_predicted": 0.39}, []),
        ({"auc": 0.51}, ["propensity_low_auc"]),
        ({"auc": 0.51, "customers": 150}, []),
        ({"auc": None}, []),
    ],
)
def test_a_propensity_alarms_when_what_it_said_did_not_come(change: dict[str, Any], codes: list[str]) -> None:
    score_model("churn", looking_back=[LOOKED_BACK | change], drift=None)
    found = find_model_alerts()
    assert [alarm.code for alarm in found] == codes
    for alarm in found:
        shown = format_alert(alarm)
        assert shown.url.endswith("#churn")
        assert shown.text.startswith("Churn:")


def test_scores_that_are_spread_otherwise_than_when_they_were_learnt_alarm() -> None:
    drift = {"trained_at": NOON.isoformat(), "customers": 500, "score": 0.4, "score_level": "large", "features": []}
    score_model("purchase_30", looking_back=[], drift=drift)
    assert [alarm.code for alarm in find_model_alerts()] == ["drift"]
    with override("zh-hans"):
        assert "2026年11月24日" in format_alert(find_model_alerts()[0]).text


def test_the_home_page_leads_to_what_is_wrong(admin_client: Client) -> None:
    score_model("churn", looking_back=[LOOKED_BACK | {"mean_predicted": 0.5}], drift=None)
    page = admin_client.get("/admin/").content.decode()
    assert "Churn: 50 % was said on average on Sept. 25, 2026, 30 % came." in page
    assert f'href="{PAGE}#churn"' in page


def test_every_bar_of_probabilities_leads_to_its_people(learnt: None, admin_client: Client) -> None:
    targets = {target["key"]: target for target in build_propensity_panel()["targets"]}
    assert list(targets) == ["churn", "purchase_7", "purchase_30", "purchase_90"]
    told = CustomerProfile.objects.filter(churn__isnull=False).count()
    rows = targets["churn"]["now_rows"]
    assert sum(row["customers"] for row in rows) == told > 0
    for row in rows:
        page = admin_client.get(row["url"])
        assert page.context["pages"].paginator.count == row["customers"]
        assert "Save as segment" in page.content.decode()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_tells_models_calibration_lift_and_rules(learnt: None, admin_client: Client, language: str) -> None:
    with override(language):
        targets = build_propensity_panel()["targets"]
        page = admin_client.get(PAGE, headers={"accept-language": language}).content.decode()
    learnt_ones = [target for target in targets if not target["fallback"]]
    assert learnt_ones
    for target in learnt_ones:
        assert sum(row["serves"] for row in target["candidates"]) == 1
        assert len(target["calibration"]["said"]) == len(target["quality"]["rows"]) >= 5
        assert len(target["lift"]["traces"][0]["y"]) == 10
        assert target["rules"]
        assert f'id="{target["key"]}-calibration"' in page
        assert str(target["rules"][0]["probability"]) in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_without_an_order_the_page_says_why_nothing_is_told(admin_client: Client) -> None:
    refresh_profiles(as_of=NOON, started_at=NOON)
    page = admin_client.get(PAGE).content.decode()
    assert "Too little to learn from" in page


@pytest.mark.parametrize(
    "asked", ["kind=churn", "kind=churn&low=x", "kind=age&low=0.1", "kind=churn&low=2", "kind=churn&low=nan"]
)
def test_an_address_that_names_no_probability_says_so(admin_client: Client, asked: str) -> None:
    page = admin_client.get(f"{reverse('admin:lifecycle_drilldown')}?figure=probability&{asked}")
    assert "names no probability" in page.content.decode()
