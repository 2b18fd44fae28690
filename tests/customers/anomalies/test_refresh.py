"""From orders in the database to anomalies with their explanation, on the pages and on Home."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from config.backoffice.home.attention import check_anomalies
from customers.analytics.models import Annotation
from customers.anomalies.backoffice.listing import show_anomalies, summarize_latest
from customers.anomalies.backoffice.texts import AnomalyTexts, load_texts
from customers.anomalies.facts.base import FactDays
from customers.anomalies.facts.order_lines import read_lines
from customers.anomalies.facts.orders import ORDERS, read_orders
from customers.anomalies.facts.visits import read_visits
from customers.anomalies.metrics import find_metric
from customers.anomalies.models import Anomaly, AnomalyRun, MetricDay
from customers.anomalies.refresh import NO_DATA, find_anomalies
from customers.orders.models import Order
from customers.warehouse.export import export_warehouse
from tests.customers.analytics.event_logs import Happening, make_tables
from tests.makers import make_source

DAYS = 130
LAST = date(2026, 11, 24)  # a Tuesday
AS_OF = datetime(2026, 11, 25, 5, 40, tzinfo=UTC)
NEW_ORDERS = 30


def make_orders(*, drop: float = 1.0) -> None:
    """Make 60 orders a day, half of them by paid search, of which on the last day only a share is left."""
    source, random = make_source(), np.random.default_rng(3)
    rows = []
    for back in range(DAYS, -1, -1):
        day = LAST - timedelta(days=back)
        for channel in ("Paid search", "Email"):
            count = random.poisson(NEW_ORDERS * (drop if back == 0 and channel == "Paid search" else 1))
            for number in range(count):
                at = datetime.combine(day, time(number % 24, 30), UTC)
                rows.append(
                    Order(
                        source=source,
                        order_id=f"{day}-{channel}-{number}",
                        placed_at=at,
                        currency="EUR",
                        total=10 + number % 7,
                        channel=channel,
                    )
                )
    # today: a few orders of a day that has not ended
    at = datetime.combine(LAST + timedelta(days=1), time(1), UTC)
    rows.append(Order(source=source, order_id="today", placed_at=at, currency="EUR", total=10))
    Order.objects.bulk_create(rows)


@pytest.fixture
def shop(settings: Any, tmp_path: Any, db: None) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    make_orders(drop=0.1)
    export_warehouse(started_at=AS_OF)


@pytest.mark.usefixtures("shop")
def test_a_drop_is_explained_shown_and_noted(admin_client: Client) -> None:
    run = find_anomalies(as_of=AS_OF)
    assert (run.problem, run.last_day) == ("", LAST)
    found = {(row.metric, row.day): row for row in Anomaly.objects.all()}
    assert {("orders", LAST), ("revenue", LAST)} <= set(found)
    assert not [day for _metric, day in found if day != LAST]
    orders = found["orders", LAST]
    text = load_texts([orders]).describe(orders)
    assert text.startswith(f"The number of orders on Tue, Nov 24 was {orders.value:.0f}, expected between ")
    assert "Mostly by channel: Paid search (−" in text
    with override("zh-hans"):
        assert "11月24日周二" in load_texts([orders]).describe(orders)
    stored = list(MetricDay.objects.order_by("metric", "day").values_list("metric", "day", "value", "low", "high"))
    keys = set(Anomaly.objects.values_list("pk", "metric", "day"))

    find_anomalies(as_of=AS_OF)  # as after a crash
    assert set(Anomaly.objects.values_list("pk", "metric", "day")) == keys
    again = list(MetricDay.objects.order_by("metric", "day").values_list("metric", "day", "value", "low", "high"))
    assert again == stored

    assert "Paid search" in next(check_anomalies(AS_OF)).text
    page = admin_client.get(reverse("anomalies:list"))
    assert "Mostly by channel: Paid search" in page.text
    url = reverse("anomalies:anomaly", args=[orders.pk])
    assert "<strong>Paid search</strong>" in admin_client.get(url).text
    assert admin_client.get(reverse("anomalies:metric", args=["orders"])).status_code == 200
    assert admin_client.get(reverse("anomalies:metric", args=["nothing"])).status_code == 404

    admin_client.post(reverse("anomalies:reason", args=[orders.pk]), {"text": "Ads paused"})
    assert Annotation.objects.get().day == LAST
    assert not list(check_anomalies(AS_OF))
    assert "Known reason: Ads paused" in admin_client.get(reverse("anomalies:list")).text
    # what is found on this day later, as after late data, has the same reason
    found["revenue", LAST].delete()
    find_anomalies(as_of=AS_OF)
    late = Anomaly.objects.get(metric="revenue", day=LAST)
    assert (late.annotation, late.noted_by) == (Annotation.objects.get(), Anomaly.objects.get(pk=orders.pk).noted_by)
    assert not list(check_anomalies(AS_OF))
    admin_client.post(reverse("anomalies:reason", args=[orders.pk]), {"action": "remove"})
    assert not Annotation.objects.exists()


@pytest.mark.usefixtures("shop")
def test_missing_orders_are_no_drop() -> None:
    Order.objects.filter(placed_at__date__gte=LAST).exclude(order_id="today").delete()
    export_warehouse(started_at=AS_OF)
    find_anomalies(as_of=AS_OF)
    anomaly = Anomaly.objects.get()
    assert (anomaly.kind, anomaly.day) == (Anomaly.Kind.MISSING, LAST)
    assert load_texts([anomaly]).describe(anomaly).startswith("No orders arrived on Tue, Nov 24.")


@pytest.mark.django_db
def test_an_anomaly_stays_on_home_for_three_days_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    at = datetime(2026, 11, 25, 20, tzinfo=UTC)  # November 26 in the shop
    anomaly = Anomaly.objects.create(
        metric="orders", day=date(2026, 11, 22), kind=Anomaly.Kind.MISSING, value=0, computed_at=at
    )
    assert not list(check_anomalies(at))
    Anomaly.objects.filter(pk=anomaly.pk).update(day=date(2026, 11, 23))
    assert len(list(check_anomalies(at))) == 1


@pytest.mark.parametrize(
    ("kind", "value", "low", "text"),
    [
        ("low", -800, -120, "was -$800, expected between -$120 and $900."),
        ("high", 1400, -120, "was $1,400, expected at most $900."),
        ("high", 1400, 0, "was $1,400, expected at most $900."),
    ],
)
def test_a_sentence_names_the_bound_that_was_passed(kind: str, value: float, low: float, text: str) -> None:
    anomaly = Anomaly(metric="revenue", day=LAST, kind=kind, value=value, expected=300, low=low, high=900)
    assert AnomalyTexts("USD").describe_deviation(anomaly) == f"Revenue on Tue, Nov 24 {text}"


@pytest.mark.django_db
def test_chinese_sentences_on_anomalies_have_no_spaces_between_them() -> None:
    explanation = {"dimension": "", "segments": [], "tables": {"channel": []}}
    for metric in ("orders", "revenue"):
        figures: dict[str, Any] = {"value": 31, "expected": 60, "low": 48, "high": 71, "p_value": 0.001}
        Anomaly.objects.create(
            metric=metric, day=LAST, kind=Anomaly.Kind.LOW, explanation=explanation, computed_at=AS_OF, **figures
        )
    with override("zh-hans"):
        summary = summarize_latest(as_of=AS_OF)
        assert summary is not None
        assert summary[0].count("。") == 3
        assert "。 " not in summary[0]
        html = render_to_string("admin/anomalies/rows.html", {"shown": show_anomalies(list(Anomaly.objects.all()))})
    assert "没有单一维度" in html
    assert "。 " not in html


def test_a_new_shop_has_an_empty_page(settings: Any, tmp_path: Any, admin_client: Client) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    assert "Every morning" in admin_client.get(reverse("anomalies:list")).text
    assert find_anomalies(as_of=AS_OF).problem == NO_DATA
    assert AnomalyRun.objects.get().anomalies == 0
    assert "Every morning" in admin_client.get(reverse("anomalies:list")).text


def test_the_average_order_value_is_net_revenue_by_orders_in_the_same_currency() -> None:
    at = datetime(2026, 3, 2, 13, tzinfo=UTC)
    orders = [
        {"placed_at": at, "total": 100, "currency": "USD"},
        {"placed_at": at, "total": 100, "currency": "USD", "refunded": 20},
        {"placed_at": at, "total": 100, "currency": "EUR"},
        {"placed_at": at, "total": 100, "currency": "EUR"},
        {"placed_at": at, "total": 30, "currency": "USD", "kind": "return"},
    ]
    days = FactDays(date(2026, 3, 1), date(2026, 3, 10), date(2026, 3, 1))
    rows = read_orders(make_tables(orders=orders, currency="USD"), days).to_pylist()
    totals = {name: sum(row[name] for row in rows) for name in ORDERS.measures}
    assert totals == {"revenue": 150, "orders": 4, "priced_orders": 2, "new_customers": 0, "returns": 1}
    metric = find_metric("order_value")
    assert metric is not None
    assert totals[metric.numerator] / totals[metric.denominator] == 75


def test_a_visitor_counts_once_a_day_with_what_happened_first() -> None:
    events = [
        Happening(1, "Product Viewed", 0),
        Happening(1, "Product Added", 5),
        Happening(2, "Product Viewed", 0),
        Happening(2, "Product Viewed", 24 * 60),
    ]
    order = {"customer_id": 1, "placed_at": datetime(2026, 3, 2, 13, tzinfo=UTC), "currency": "EUR", "total": 5}
    tables = make_tables(events, orders=[order])
    days = FactDays(date(2026, 3, 1), date(2026, 3, 10), date(2026, 3, 1))
    rows = read_visits(tables, days).to_pylist()
    totals = {
        day: [sum(row[name] for row in rows if row["day"] == day) for name in ("visitors", "carts", "converted")]
        for day in {row["day"] for row in rows}
    }
    first = (date(2026, 3, 2) - date(1970, 1, 1)).days
    assert totals == {first: [2, 1, 1], first + 1: [1, 0, 0]}
    assert {row["customer"] for row in rows} == {"new"}


def test_the_revenue_of_products_that_explains_a_day_is_net_of_returns_and_refunds() -> None:
    noon = datetime(2026, 3, 5, 12, tzinfo=UTC)
    orders: tuple[dict[str, Any], ...] = (
        {"total": 100},
        {"total": 100, "status": "refunded"},
        {"total": 200, "status": "partly_refunded", "refunded": 50},
        {"total": 10, "kind": "return"},
    )
    lines = [
        {"order_pk": number, "product_id": "tea", "quantity": 1, "placed_at": noon}
        | {name: value for name, value in order.items() if name != "refunded"}
        for number, order in enumerate(orders, 1)
    ]
    tables = make_tables(orders=[{"placed_at": noon, **order} for order in orders], lines=lines)
    day = noon.date()
    [row] = read_lines(tables, FactDays(since=day, until=day, detailed_since=day)).to_pylist()
    assert (row["product"], row["revenue"]) == ("tea", 240)
