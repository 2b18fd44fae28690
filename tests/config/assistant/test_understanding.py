"""Questions in words, in English and Chinese, are mapped to metrics, days, groupings and filters without a model."""

from datetime import date

import pytest

from config.assistant.ask.understanding import MAX_CHARACTERS, understand
from config.assistant.metrics.registry import METRICS

TODAY = date(2026, 11, 28)  # a Saturday
SEGMENTS = {"gold": "Gold members", "vip": "VIP", "new-customers": "New customers", "laohuiyuan": "老会员"}
CASES = [
    ("churn last month by city", "churned_customers", "2026-10-01", "2026-10-31", {"group_by": "city"}),
    ("上月各城市流失", "churned_customers", "2026-10-01", "2026-10-31", {"group_by": "city"}),
    ("revenue by week this year", "revenue", "2026-01-01", "2026-11-28", {"interval": "week"}),
    ("今年每周销售额", "revenue", "2026-01-01", "2026-11-28", {"interval": "week"}),
    ("how many VIP customers", "customers", None, None, {"segment": "vip"}),
    ("who is at risk", "customers_at_risk", None, None, {}),
    ("谁有流失风险", "customers_at_risk", None, None, {}),
    ("best sellers last 30 days", "best_sellers", "2026-10-30", "2026-11-28", {"group_by": "product"}),
    ("最近30天畅销商品", "best_sellers", "2026-10-30", "2026-11-28", {"group_by": "product"}),
    ("What was our average order value in October?", "average_order_value", "2026-10-01", "2026-10-31", {}),
    ("10月客单价", "average_order_value", "2026-10-01", "2026-10-31", {}),
    ("去年3月新客", "new_customers", "2025-03-01", "2025-03-31", {}),
    ("今年3月销售额", "revenue", "2026-03-01", "2026-03-31", {}),
    ("revenue in March last year", "revenue", "2025-03-01", "2025-03-31", {}),
    ("last year's orders in October", "orders", "2025-10-01", "2025-10-31", {}),
    ("12月新客", "new_customers", "2025-12-01", "2025-12-31", {}),
    ("2025年12月新客", "new_customers", "2025-12-01", "2025-12-31", {}),
    ("new customers last quarter", "new_customers", "2026-07-01", "2026-09-30", {}),
    ("retention by month", "retention", None, None, {"interval": "month"}),
    ("repeat rate of Gold members last year", "retention", "2025-01-01", "2025-12-31", {"segment": "gold"}),
    ("老会员上季度复购率", "retention", "2026-07-01", "2026-09-30", {"segment": "laohuiyuan"}),
    ("customers by stage", "customers", None, None, {"group_by": "stage"}),
    ("how many dormant customers are there", "customers", None, None, {"stage": "dormant"}),
    ("沉睡客户有多少", "customers", None, None, {"stage": "dormant"}),
    ("orders since 2026-11-01", "orders", "2026-11-01", "2026-11-28", {}),
    ("orders 2026-11-01 to 2026-11-10 by channel", "orders", "2026-11-01", "2026-11-10", {"group_by": "channel"}),
    ("what should we reorder", "restock", None, None, {}),
    ("下个月需求预测", "expected_demand", None, None, {}),
    ("conversion rate in the last 3 months", "conversion_rate", "2026-08-01", "2026-10-31", {}),
    ("revenue yesterday", "revenue", "2026-11-27", "2026-11-27", {"interval": ""}),
    ("近7天每日订单", "orders", "2026-11-22", "2026-11-28", {"interval": "day"}),
    ("sales last 7 days", "revenue", "2026-11-22", "2026-11-28", {"interval": "day"}),
    ("revenue in October", "revenue", "2026-10-01", "2026-10-31", {"interval": ""}),
    (
        "which campaign has the best click rate last month",
        "click_rate",
        "2026-10-01",
        "2026-10-31",
        {"group_by": "campaign"},
    ),
    ("上月各城市流失率", "churn_rate", "2026-10-01", "2026-10-31", {"group_by": "city"}),
    ("revenue 2026-03", "revenue", "2026-03-01", "2026-03-31", {"interval": ""}),
    ("revenue in 2026-11", "revenue", "2026-11-01", "2026-11-28", {}),
    ("2025-03销售额", "revenue", "2025-03-01", "2025-03-31", {}),
    ("2025年 3 月销售额", "revenue", "2025-03-01", "2025-03-31", {}),
    ("2026年3月销售额", "revenue", "2026-03-01", "2026-03-31", {}),
    ("revenue on 2026-03-15", "revenue", "2026-03-15", "2026-03-15", {}),
    ("orders since 2026-03", "orders", "2026-03-01", "2026-11-28", {}),
    ("orders 2026-01 to 2026-03", "orders", "2026-01-01", "2026-03-31", {}),
    ("revenue by month in the last 12 months", "revenue", "2025-12-01", "2026-11-28", {"interval": "month"}),
    ("近12个月销售额", "revenue", "2025-12-01", "2026-11-28", {}),
    ("近一年销售额", "revenue", "2025-12-01", "2026-11-28", {}),
    ("销售额 最近三个月", "revenue", "2026-08-01", "2026-10-31", {}),
    ("销售额 最近3个月", "revenue", "2026-08-01", "2026-10-31", {}),
    ("revenue in the last three months", "revenue", "2026-08-01", "2026-10-31", {}),
    ("最近一个月销售额", "revenue", "2026-10-01", "2026-10-31", {}),
    ("近1个月销售额", "revenue", "2026-10-01", "2026-10-31", {}),
    ("revenue of the past month", "revenue", "2026-10-01", "2026-10-31", {}),
    ("最近一周订单", "orders", "2026-11-16", "2026-11-22", {}),
    ("最近1周订单", "orders", "2026-11-16", "2026-11-22", {}),
    ("orders of the past week", "orders", "2026-11-16", "2026-11-22", {}),
    ("orders in the last four weeks", "orders", "2026-10-26", "2026-11-22", {}),
    ("近四个星期订单", "orders", "2026-10-26", "2026-11-22", {}),
    ("近十五天订单", "orders", "2026-11-14", "2026-11-28", {}),
    ("orders in the last thirty days", "orders", "2026-10-30", "2026-11-28", {}),
    ("最近1年销售额", "revenue", "2025-12-01", "2026-11-28", {}),
    ("revenue in the last two years", "revenue", "2024-11-01", "2026-10-31", {}),
    ("近两个季度销售额", "revenue", "2026-04-01", "2026-09-30", {}),
    ("双11销售额", "revenue", "2026-11-11", "2026-11-11", {}),
    ("去年双十一销售额", "revenue", "2025-11-11", "2025-11-11", {}),
    ("2025双11销售额", "revenue", "2025-11-11", "2025-11-11", {}),
    ("2024年618订单", "orders", "2024-06-18", "2024-06-18", {}),
    ("revenue on Black Friday 2025", "revenue", "2025-11-28", "2025-11-28", {}),
    ("who is at risk of churn", "customers_at_risk", None, None, {}),
    ("average order value of VIP customers", "average_order_value", None, None, {"segment": "vip"}),
    ("new customers' average order value", "average_order_value", None, None, {"segment": "new-customers"}),
    ("新客的客单价", "average_order_value", None, None, {"segment": "new-customers"}),
    ("customers who order last 28 days", "active_customers", "2026-11-01", "2026-11-28", {"interval": ""}),
    ("最近28天客单价", "average_order_value", "2026-11-01", "2026-11-28", {"interval": ""}),
    ("customers who order by day last 28 days", "active_customers", "2026-11-01", "2026-11-28", {"interval": "day"}),
    ("customers who order", "active_customers", None, None, {"interval": "month"}),
    ("ＮＰＳ 去年", "nps", "2025-01-01", "2025-12-31", {}),
]


@pytest.mark.parametrize(("text", "metric", "since", "until", "more"), CASES)
def test_a_question_names_metric_days_grouping_and_filter(
    text: str, metric: str, since: str | None, until: str | None, more: dict[str, str]
) -> None:
    found = understand(text, today=TODAY, segments=SEGMENTS, metrics=METRICS.values())
    assert found.metric is not None
    assert found.metric.key == metric
    if since is None:
        assert found.days is None
    else:
        assert found.days is not None
        assert (found.days.since.isoformat(), found.days.until.isoformat()) == (since, until)
    assert {name: getattr(found, name) for name in more} == more
    assert (found.list_left_out(), found.ignored) == ([], ())


# the question, its metric, its days, and the words that name a second metric, period or grouping
MORE_THAN_ONE = [
    ("average order value of VIP customers in October", "average_order_value", "2026-10-01", ["VIP customers"]),
    ("VIP客户的客单价 10月", "average_order_value", "2026-10-01", ["VIP客户"]),
    ("revenue and orders last month", "revenue", "2026-10-01", ["orders"]),
    ("churn of VIP customers last month", "churned_customers", "2026-10-01", ["VIP customers"]),
    ("上月VIP客户流失", "churned_customers", "2026-10-01", ["VIP客户"]),
    ("orders this week vs last week", "orders", "2026-11-23", ["last week"]),
    ("本周 vs 上周 订单", "orders", "2026-11-23", ["上周"]),
    ("10月 vs 9月 销售额", "revenue", "2026-10-01", ["9月"]),
    ("revenue in October vs September", "revenue", "2026-10-01", ["September"]),
    ("revenue last month by city and by channel", "revenue", "2026-10-01", ["by channel"]),
    ("best sellers by revenue last month", "best_sellers", "2026-10-01", []),
]


@pytest.mark.parametrize(("text", "metric", "since", "left_out"), MORE_THAN_ONE)
def test_a_second_metric_or_period_is_named_as_left_out(
    text: str, metric: str, since: str, left_out: list[str]
) -> None:
    found = understand(text, today=TODAY, segments={}, metrics=METRICS.values())
    assert found.metric is not None
    assert found.days is not None
    assert (found.metric.key, found.days.since.isoformat(), found.list_left_out()) == (metric, since, left_out)


def test_days_are_ignored_by_metrics_of_the_present() -> None:
    for text, ignored in (("VIP customers in October", ("in October",)), ("how many VIP customers today", ())):
        assert understand(text, today=TODAY, segments={}, metrics=METRICS.values()).ignored == ignored


def test_unknown_words_are_not_cut_into_pieces() -> None:
    for text, unknown in (("删除所有客户", ("删除",)), ("双13销售额", ("双13",)), ("今年双12销售额", ("双12",))):
        assert understand(text, today=TODAY, segments={}, metrics=METRICS.values()).unknown == unknown


def test_what_is_not_understood_is_named_and_the_nearest_metrics_are_suggested() -> None:
    found = understand("revenu of unicorns", today=TODAY, segments={}, metrics=METRICS.values())
    assert found.metric is None
    assert found.unknown == ("revenu", "unicorns")
    assert "revenue" in [metric.key for metric in found.suggestions]
    partly = understand("revenue by moon phase", today=TODAY, segments={}, metrics=METRICS.values())
    assert partly.metric is not None
    assert partly.unknown == ("moon", "phase")
    ignored = understand("expected demand by city", today=TODAY, segments={}, metrics=METRICS.values())
    assert (ignored.group_by, ignored.ignored) == ("", ("city",))


def test_a_month_of_this_year_that_has_not_begun_is_named_as_not_understood() -> None:
    found = understand("revenue in December this year", today=TODAY, segments={}, metrics=METRICS.values())
    assert found.days is not None
    assert (found.days.since, found.days.until, found.unknown) == (date(2026, 1, 1), TODAY, ("december",))


def test_without_days_a_question_is_about_twelve_months() -> None:
    query = understand("revenue", today=TODAY, segments={}, metrics=METRICS.values()).to_query(TODAY)
    assert (query.since, query.until) == (date(2025, 12, 1), TODAY)


def test_a_metric_that_the_reader_may_not_see_is_not_found() -> None:
    found = understand("churn last month", today=TODAY, segments={}, metrics=[METRICS["revenue"]])
    assert found.metric is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\0",
        "11-11 revenue",
        "a" * 100_000,
        "по-русски",
        "'; DROP TABLE x; --",
        "{{7*7}}",
        "2026-13-45",
        "0月",
        "last 0 days",
    ],
)
def test_any_text_is_answered(text: str) -> None:
    found = understand(text, today=TODAY, segments=SEGMENTS, metrics=METRICS.values())
    assert len("".join(found.unknown)) <= MAX_CHARACTERS
