"""The sentences of the Lifecycle pages, with figures worked out by hand."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from customers.lifecycle.backoffice.labels.verdicts import (
    describe_clusters,
    describe_next_category,
    describe_prediction,
    describe_rfm,
    describe_stage_changes,
    describe_stages,
    describe_value,
    is_unreliable,
)
from customers.lifecycle.models import ScoreModel

# 10 customers: 4 stay loyal, 1 loyal becomes at risk, 1 active becomes churned, 1 dormant comes back, 1 stays churned,
# 1 prospect stays and 1 new customer was not known before. With orders: 9, of whom 4 + 1 + 1 = 6 order as usual.
FLOWS = [
    {"from_stage": "loyal", "to_stage": "loyal", "customers": 4},
    {"from_stage": "loyal", "to_stage": "at_risk", "customers": 1},
    {"from_stage": "active", "to_stage": "churned", "customers": 1},
    {"from_stage": "dormant", "to_stage": "reactivated", "customers": 1},
    {"from_stage": "churned", "to_stage": "churned", "customers": 1},
    {"from_stage": "prospect", "to_stage": "prospect", "customers": 1},
    {"from_stage": "", "to_stage": "new", "customers": 1},
]
BACKTEST = {
    "as_of": "2026-09-25T12:00:00+00:00",
    "customers": 500,
    "rate": 0.3,
    "low": 0.26,
    "high": 0.34,
    "mean_predicted": 0.31,
    "auc": 0.8,
}
CURVE = {
    "predicted": [0.1, 0.64],
    "actual": [0.11, 0.66],
    "low": [0.0, 0.5],
    "high": [0.3, 0.8],
    "customers": [100, 100],
}
QUALITY = {"auc": 0.8, "customers": 200, "curve": CURVE}


def make_score_model(kind: str, *, algorithm: str = "ensemble", reason: str = "", **figures: Any) -> ScoreModel:
    return ScoreModel(kind=kind, algorithm=algorithm, reason=reason, figures=figures)


def change_actual(actual: float, **changes: Any) -> dict[str, Any]:
    return {**QUALITY, "curve": {**CURVE, "actual": [0.11, actual]}, **changes}


def test_stages_count_customers_with_orders_and_those_lost_and_won_back() -> None:
    assert describe_stages(FLOWS, first_day=date(2026, 10, 30)) == (
        "67% of 9 customers with orders are new, active, loyal or won back; since Oct 30, 2026, 2 became at risk, dormant or churned "
        "and 1 came back."
    )
    assert describe_stages(FLOWS[5:6], first_day=date(2026, 10, 30)) == "No customer has ordered yet."
    with override("zh-hans"):
        assert describe_stages(FLOWS, first_day=date(2026, 10, 30)) == (
            "在 9 位有订单的客户中，67% 处于新客、活跃、忠诚或回流阶段；自 2026年10月30日以来，2 位转为流失风险、沉睡或已流失，1 位恢复正常下单。"
        )


def test_stage_changes_count_newly_known_customers_apart() -> None:
    assert describe_stage_changes(FLOWS) == (
        "3 of 9 customers are in another stage than at the beginning of this period: 2 became at risk, dormant or churned, and 1 came "
        "back. 1 customer was new in this period."
    )
    assert describe_stage_changes(FLOWS[:1]) == "No customer is in another stage than at the beginning of this period."
    arrived = [{"from_stage": "", "to_stage": "visitor", "customers": 1200}]
    assert describe_stage_changes([*FLOWS[:1], *arrived]) == (
        "No customer is in another stage than at the beginning of this period. 1,200 customers were new in this period."
    )


def test_rfm_names_the_group_with_the_most_revenue_and_what_lapsed_customers_brought() -> None:
    groups = {
        "champions": {"customers": 2, "revenue": Decimal(500)},
        "cant_lose": {"customers": 1, "revenue": Decimal(200)},
        "at_risk": {"customers": 1, "revenue": Decimal(50)},
        "hibernating": {"customers": 6, "revenue": Decimal(250)},
    }
    assert describe_rfm(groups) == (
        "The RFM group with the most revenue is Champions: 20% of customers, 50% of revenue; another 25% comes from At risk (RFM) and "
        "Can't lose them, who ordered less recently than most other customers."
    )
    groups["cant_lose"]["revenue"] = Decimal(600)
    assert describe_rfm(groups) == (
        "The RFM group with the most revenue is Can't lose them: 10% of customers, 43% of revenue."
    )
    returned = {group: {**row, "revenue": Decimal(-1)} for group, row in groups.items()}
    assert describe_rfm(returned) == "The largest RFM group is Hibernating with 60% of customers."
    assert describe_rfm({group: {"customers": 0, "revenue": Decimal(0)} for group in groups}) == ""


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({"held_out": {"bg_nbd": {"total_ratio": 1.25}}}, "are reliable: actual orders were 80% of those predicted."),
        (
            {"held_out": {"bg_nbd": {"total_ratio": 0.5}}},
            "are not reliable: actual orders were 200% of those predicted.",
        ),
        (
            {"held_out": {"bg_nbd": {"total_ratio": None}}},
            "are not tested yet, because the order history is too short.",
        ),
        ({}, "are not tested yet, because the order history is too short."),
        (
            {"backtests": [{"ratio": 0.96, "low": 0.9, "high": 1.02}]},
            "are reliable: actual orders were 96% of those predicted.",
        ),
        (
            {"backtests": [{"ratio": 0.96, "low": 0.9, "high": 1.0}, {"ratio": 0.6, "low": 0.5, "high": 0.7}]},
            "are not reliable: actual orders were 60% of those predicted.",
        ),
        (
            {"held_out": {"bg_nbd": {"total_ratio": 0.5, "low": 1.6, "high": 2.4}}},
            "are not reliable: actual orders were 200% of those predicted.",
        ),
        (
            {"held_out": {"bg_nbd": {"total_ratio": 1.25, "low": 0.7, "high": 0.9}}},
            "are reliable: actual orders were 80% of those predicted.",
        ),
    ],
)
def test_value_judges_the_predicted_orders_as_the_alerts_do(figures: dict[str, Any], text: str) -> None:
    score_model = make_score_model("purchase_model", algorithm="bg_nbd", **figures)
    assert describe_value(score_model) == f"Predictions of orders {text}"
    deciles = [{"value": Decimal(value)} for value in (55, *[5] * 9)]
    sentence = describe_value(score_model, deciles)
    assert sentence.startswith("The top 10% of customers account for 55% of the predicted value")
    assert sentence.endswith(f"the predictions {text}")
    assert describe_value(score_model, deciles[:9]) == f"Predictions of orders {text}"


@pytest.mark.parametrize(
    ("figures", "ratio"),
    [
        ({"backtests": [{"ratio": 0.42, "low": 0.004, "high": 0.83}]}, "42%"),
        ({"held_out": {"bg_nbd": {"total_ratio": 0.625, "low": 0.9, "high": 2.3}}}, "160%"),
        ({"held_out": {"bg_nbd": {"total_ratio": 0.5, "low": 1.2, "high": 2.8}}}, "200%"),
        ({"backtests": [{"ratio": 1.0, "low": 0.4, "high": 1.6}]}, "100%"),
    ],
)
def test_few_orders_are_neither_reliable_nor_unreliable(figures: dict[str, Any], ratio: str) -> None:
    score_model = make_score_model("purchase_model", algorithm="bg_nbd", **figures)
    assert describe_value(score_model) == (
        f"There are too few orders to test predictions of orders precisely: actual orders were {ratio} of those predicted, which can "
        "be chance."
    )
    deciles = [{"value": Decimal(value)} for value in (55, *[5] * 9)]
    assert describe_value(score_model, deciles) == (
        "The top 10% of customers account for 55% of the predicted value, but there are too few orders to test the predictions precisely: "
        f"actual orders were {ratio} of those predicted, which can be chance."
    )


@pytest.mark.parametrize(
    ("kind", "figures", "random_gap", "sentence"),
    [
        (
            "churn",
            {"quality": QUALITY},
            0.05,
            "Churn predictions are reliable: 66% of customers with a churn risk around 64% left, the largest difference among 2 groups.",
        ),
        (
            "churn",
            {"quality": change_actual(0.8)},
            0.05,
            "Churn predictions are not reliable: 80% of customers with a churn risk around 64% left, the largest difference among 2 groups.",
        ),
        (  # 16 points, but chance explains 20
            "purchase_30",
            {"quality": change_actual(0.8)},
            0.2,
            "Purchase within 30 days: there are too few customers to test predictions precisely; 80% of customers with a probability "
            "around 64% ordered, which can be chance; it is the largest difference among 2 groups.",
        ),
        (
            "purchase_30",
            {"quality": change_actual(0.8)},
            None,
            "Purchase within 30 days: predictions are not reliable; 80% of customers with a probability around 64% ordered, the largest "
            "difference among 2 groups.",
        ),
        (
            "churn",
            {"quality": change_actual(0.66, auc=0.52)},
            0.05,
            "Churn: predictions are hardly better than random, so don't select customers based on them.",
        ),
        (
            "churn",
            {"quality": QUALITY, "backtests": [BACKTEST | {"auc": 0.51}]},
            0.05,
            "Churn: predictions are hardly better than random, so don't select customers based on them.",
        ),
        (
            "churn",
            {"quality": QUALITY, "backtests": [BACKTEST, BACKTEST | {"mean_predicted": 0.5}]},
            0.05,
            "Churn: predictions are not reliable; the mean prediction of Sep 25, 2026 was 50%, but the actual rate was 30%.",
        ),
        ("churn", {}, None, "Churn: predictions are not tested yet."),
    ],
)
def test_a_prediction_is_judged_by_alerts_and_by_the_group_with_the_largest_difference(
    kind: str, figures: dict[str, Any], random_gap: float | None, sentence: str
) -> None:
    assert describe_prediction(make_score_model(kind, **figures), random_gap=random_gap) == sentence


def test_predictions_that_were_wrong_before_are_unreliable_even_without_a_test_of_the_new_model() -> None:
    score_model = make_score_model("churn", backtests=[BACKTEST | {"mean_predicted": 0.5}])
    assert "are not reliable" in describe_prediction(score_model)
    assert is_unreliable(score_model)
    assert not is_unreliable(make_score_model("churn", backtests=[BACKTEST]))


def test_a_prediction_of_earlier_names_the_day_in_the_time_zone_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    backtest = BACKTEST | {"mean_predicted": 0.5, "as_of": "2026-09-24T18:00:00+00:00"}
    assert "the mean prediction of Sep 25, 2026 was" in describe_prediction(
        make_score_model("churn", backtests=[backtest])
    )


def test_a_prediction_in_chinese() -> None:
    with override("zh-hans"):
        assert describe_prediction(make_score_model("churn", quality=QUALITY), random_gap=0.05) == (
            "流失预测可靠：流失风险约 64%的客户中，实际流失 66%，这已是 2 组中最大的偏差。"
        )


def test_the_next_category_is_compared_with_the_better_simple_rule() -> None:
    judged = {"history": {"hit_1": 0.45}, "last": {"hit_1": 0.3}, "popularity": {"hit_1": 0.2}}
    assert describe_next_category(make_score_model("next_category", judged=judged)) == (
        "The most likely category was right for 45% of customers, against 30% with the better of two simple rules."
    )
    assert describe_next_category(make_score_model("next_category")) == "The predicted category is not tested yet."


def test_clusters_name_the_largest_one_and_warn_if_they_are_not_stable() -> None:
    clusters = [
        {"id": 1, "name": [["high", "orders"]], "customers": 30, "share": 0.3},
        {"id": 2, "name": [["low", "orders"]], "customers": 70, "share": 0.7},
    ]
    score_model = ScoreModel(kind="clusters", parameters={"words": {"clusters": clusters, "stable": True}})
    assert describe_clusters(score_model) == "Customers form 2 clusters; the largest (few orders) has 70% of them."
    clusters[1]["name"] = [["low", "tenure_days"]]
    assert "(newer customers)" in describe_clusters(score_model), "compared with the other clusters, not new"
    clusters[1]["name"] = [["low", "orders"]]
    score_model.parameters["words"]["stable"] = False
    assert describe_clusters(score_model) == (
        "Customers form 2 clusters, which are not stable: use them with care; the largest (few orders) has 70% of customers."
    )
