"""Alerts on the home page when a score model is no longer accurate."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.translation import override

from customers.lifecycle.alerts import find_model_alerts
from customers.lifecycle.backoffice.labels.alert_messages import format_alert
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.refresh.score_models import load_latest_score_models
from customers.lifecycle.rfm.queries import get_profiles_run
from customers.lifecycle.summary import summarize_lifecycle
from tests.makers import NOON

pytestmark = pytest.mark.django_db
PAGE = "/admin/lifecycle/customerprofile/lifecycle/predictions/"
BACKTEST = {
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


def make_score_model(kind: str, **figures: Any) -> ScoreModel:
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
def test_a_propensity_raises_an_alert_when_it_differs_from_the_actual_rate(
    change: dict[str, Any], codes: list[str]
) -> None:
    make_score_model("churn", backtests=[BACKTEST | change], drift=None)
    alerts = find_model_alerts()
    assert [alert.code for alert in alerts] == codes
    for alert in alerts:
        message = format_alert(alert)
        assert message.url == f"{PAGE}?prediction=churn"
        assert message.text.startswith("Churn:")


def test_scores_whose_distribution_drifted_since_training_raise_an_alert() -> None:
    drift = {"trained_at": NOON.isoformat(), "customers": 500, "score": 0.4, "score_level": "large", "features": []}
    make_score_model("purchase_30", backtests=[], drift=drift)
    assert [alert.code for alert in find_model_alerts()] == ["drift"]
    with override("zh-hans"):
        assert "2026年11月24日" in format_alert(find_model_alerts()[0]).text


def test_an_alert_names_the_day_of_the_refresh_in_the_time_zone_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    make_score_model("churn", backtests=[BACKTEST | {"mean_predicted": 0.5, "as_of": "2026-09-24T18:00:00+00:00"}])
    assert "Churn: the mean prediction of Sep 25, 2026 was 50%" in format_alert(find_model_alerts()[0]).text


def test_the_home_page_links_to_the_inaccurate_model(admin_client: Client) -> None:
    make_score_model("churn", backtests=[BACKTEST | {"mean_predicted": 0.5}], drift=None)
    page = admin_client.get("/admin/").content.decode()
    assert "Churn: the mean prediction of Sep 25, 2026 was 50%, but the actual rate is 30%." in page
    assert f'href="{PAGE}?prediction=churn"' in page


def test_the_models_are_those_of_the_last_refresh_even_of_a_past_day() -> None:
    for as_of in (NOON, NOON - timedelta(days=30)):
        run = LifecycleRun.objects.create(as_of=as_of, started_at=NOON, status=LifecycleRun.Status.DONE)
        ScoreModel.objects.create(run=run, kind="churn", algorithm="ensemble")
    assert load_latest_score_models()["churn"].run == get_profiles_run() == run
    assert summarize_lifecycle(since=NOON - timedelta(days=3), until=NOON)["as_of"] == run.as_of
