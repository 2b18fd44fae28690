"""Twenty questions on the page Ask have the figures that independent SQL gives."""

import csv
import html
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.access.grants import Grant
from config.assistant.caller import AssistantCaller
from config.assistant.metrics.metric import MetricQuery
from config.assistant.metrics.registry import METRICS
from config.foundation.number_formats import format_money
from customers.lifecycle.models import LifecycleRun
from tests.config.assistant.sample_shop import compute_results, make_shop, start_month
from tests.makers import NOON

pytestmark = pytest.mark.django_db
ORDERS = "SELECT {what} FROM orders_order o WHERE o.placed_at >= %(last)s AND o.placed_at < %(this)s"
LINES = (
    "SELECT p.title, sum(l.total)::float FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id JOIN catalog_product p "
    "ON p.id = l.product_id WHERE o.placed_at >= %(last)s AND o.placed_at < %(this)s GROUP BY 1"
)
ENTERED = (
    "SELECT count(DISTINCT customer_id)::float FROM lifecycle_stagetransition WHERE to_stage = '{stage}' AND at >= %(last)s "
    "AND at < %(this)s"
)
PROFILES = "SELECT count(*)::float FROM lifecycle_customerprofile p JOIN identity_customer c ON c.id = p.customer_id WHERE {where}"
RETAINED = """
SELECT avg((EXISTS (SELECT FROM orders_order n WHERE n.customer_id = b.customer_id AND n.placed_at >= %(last)s
    AND n.placed_at < %(this)s))::int)::float
FROM (SELECT DISTINCT customer_id FROM orders_order WHERE placed_at >= %(before)s AND placed_at < %(last)s) b
"""
SENT = """
SELECT {what} FROM sending_delivery d JOIN campaigns_campaignrun r ON r.id = d.origin_id JOIN campaigns_campaign c ON c.id = r.campaign_id
WHERE d.origin_kind = 'campaign' AND d.sent_at >= %(last)s AND d.sent_at < %(this)s
"""
# all eighteen were customers at the start: those whose stage changed were active before
CHURN_RATE = """
SELECT (SELECT count(*) FROM lifecycle_stagetransition WHERE to_stage = 'churned' AND at >= %(last)s AND at < %(this)s)::float
    / count(*) FROM lifecycle_customerprofile
"""
# the question, and SQL with the same figures: one number, or labels with numbers
QUESTIONS: list[tuple[str, str]] = [
    ("revenue last month", ORDERS.format(what="sum(o.total)::float")),
    ("上月销售额", ORDERS.format(what="sum(o.total)::float")),
    ("how many orders last month", ORDERS.format(what="count(*)::float")),
    ("上个月活跃客户", ORDERS.format(what="count(DISTINCT o.customer_id)::float")),
    ("average order value last month", ORDERS.format(what="avg(o.total)::float")),
    ("revenue per customer last month", ORDERS.format(what="sum(o.total)::float / count(DISTINCT o.customer_id)")),
    ("orders last month by channel", ORDERS.format(what="o.channel, count(*)::float") + " GROUP BY 1"),
    ("retention last month", RETAINED),
    ("上月复购率", RETAINED),
    ("churn last month", ENTERED.format(stage="churned")),
    ("new customers last month", ENTERED.format(stage="new")),
    ("customers who became at risk last month", ENTERED.format(stage="at_risk")),
    ("how many customers", PROFILES.format(where="true")),
    ("who is at risk", PROFILES.format(where="p.stage = 'at_risk'")),
    ("how many VIP customers", PROFILES.format(where="p.rfm_group = 'champions'")),
    ("沉睡客户有多少", PROFILES.format(where="p.stage = 'dormant'")),
    ("high churn risk", PROFILES.format(where="p.churn >= 0.5")),
    ("customers by country", "SELECT country, count(*)::float FROM identity_customer GROUP BY 1"),
    ("predicted value", "SELECT sum(value)::float FROM lifecycle_customerprofile"),
    ("best sellers last month", LINES),
    ("messages sent last month", SENT.format(what="count(*)::float")),
    (
        "open rate last month by campaign",
        SENT.format(what="c.name, count(d.opened_at)::float / count(*)") + " GROUP BY 1",
    ),
    ("上月点击率", SENT.format(what="count(d.clicked_at)::float / count(*)")),
    ("churn rate last month", CHURN_RATE),
    ("上月流失率", CHURN_RATE),
    ("average churn risk", "SELECT avg(churn)::float FROM lifecycle_customerprofile"),
]


@pytest.fixture
def shop(settings: Any, tmp_path: Any) -> None:
    make_shop(settings, tmp_path)


def read_sql(query: str) -> dict[str, float]:
    days = {"before": start_month(2), "last": start_month(1), "this": start_month(0)}
    with connection.cursor() as cursor:
        cursor.execute(query, days)
        rows = cursor.fetchall()
    return {"" if len(row) == 1 else row[0]: row[-1] for row in rows}


def read_csv(client: Client, **parameters: str) -> dict[str, float]:
    response = client.get(reverse("assistant:csv"), parameters)
    assert response.status_code == 200, (parameters, response.text)
    rows = csv.DictReader(io.StringIO(response.text))
    return {row["group"]: float(row["value"]) for row in rows if float(row["value"])}


@pytest.mark.usefixtures("shop")
def test_questions_have_the_figures_that_sql_gives(admin_client: Client, settings: Any) -> None:
    for text, _query in QUESTIONS:
        admin_client.get(reverse("assistant:csv"), {"q": text})
    compute_results()
    for text, query in QUESTIONS:
        assert read_csv(admin_client, q=text) == pytest.approx(read_sql(query)), text
    settings.SHOP_CURRENCY = "USD"  # no order has it: amounts stay in the currency of the orders
    check_days(admin_client)
    cities = read_csv(admin_client, q="上月各城市流失")
    assert sum(cities.values()) == read_sql(ENTERED.format(stage="churned"))[""]
    assert not {"Ulm"} & set(cities)  # too few customers: the city would tell who they are
    assert {"Berlin": 8.0, "Hamburg": 6.0}.items() <= read_csv(admin_client, q="customers by city").items()


def check_days(client: Client) -> None:
    """Days that are no whole week or month have the figures of just these days, by day or added up."""
    first = start_month(1).date()
    last = first + timedelta(days=9)
    text = f"revenue {first} to {last}"
    client.get(reverse("assistant:csv"), {"q": text})
    compute_results()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (placed_at AT TIME ZONE 'Europe/Berlin')::date::text, sum(total)::float FROM orders_order "
            "WHERE (placed_at AT TIME ZONE 'Europe/Berlin')::date BETWEEN %s AND %s GROUP BY 1",
            [first, last],
        )
        expected = dict(cursor.fetchall())
    rows = csv.DictReader(io.StringIO(client.get(reverse("assistant:csv"), {"q": text}).text))
    assert {row["period"]: float(row["value"]) for row in rows if float(row["value"])} == expected
    total = sum(expected.values())
    assert read_csv(client, q=text, interval="") == {"": total}
    assert f": {format_money(total, 'EUR')}." in client.get(reverse("assistant:ask"), {"q": text}).text
    check_one_period(client, str(first), str(last))
    rates = read_csv(client, q="churn rate last month by city")
    assert rates == pytest.approx(
        {"Berlin": 1 / 8, "Hamburg": 1 / 6, "Cities with fewer than 5 of these customers": 0.5}
    )


def check_one_period(client: Client, first: str, last: str) -> None:
    """Figures that do not add up are those of all days, and not those of the last one."""
    figures = {
        "customers who order": "count(DISTINCT customer_id)",
        "average order value": "avg(total)",
        "revenue per customer": "sum(total) / count(DISTINCT customer_id)",
        "orders per customer": "count(*)::numeric / count(DISTINCT customer_id)",
    }
    for name in figures:
        client.get(reverse("assistant:csv"), {"q": f"{name} {first} to {last}"})
    compute_results()
    for name, formula in figures.items():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT ({formula})::float FROM orders_order "
                "WHERE (placed_at AT TIME ZONE 'Europe/Berlin')::date BETWEEN %s AND %s",
                [first, last],
            )
            (expected,) = cursor.fetchone()
        assert read_csv(client, q=f"{name} {first} to {last}") == {"": pytest.approx(expected)}, name
        page = client.get(reverse("assistant:ask"), {"q": f"{name} {first} to {last}"}).text
        assert "latest complete period" not in page
        assert (f'href="{reverse("analytics:trends")}?ask=' in page) is (name == "customers who order")
        assert ("Open the weeks that contain these days" in page) is (name != "customers who order")


def read_linked_total(client: Client, question: str) -> str:
    """Return the first total of the trend to which the answer to a question links."""
    page = client.get(reverse("assistant:ask"), {"q": question}).text
    link = re.search(rf'href="({reverse("analytics:trends")}\?ask=[^"]+)"', page)
    assert link, question
    url = html.unescape(link[1])
    client.get(url)
    compute_results()
    sentence = re.search(r"([\d,]+) in the whole period", client.get(url).text)
    assert sentence, url
    return sentence[1]


@pytest.mark.usefixtures("shop")
def test_the_page_to_which_days_link_has_the_same_figures(admin_client: Client) -> None:
    first = start_month(1).date()
    days = f"{first} to {first + timedelta(days=9)}"
    for question in (f"orders {days}", f"customers who order {days}"):
        admin_client.get(reverse("assistant:csv"), {"q": question})
        compute_results()
        answer = read_csv(admin_client, q=question, interval="")
        assert f"{answer['']:,.0f}" == read_linked_total(admin_client, question) != "0", question


@pytest.mark.usefixtures("shop")
def test_churn_of_a_segment_is_counted_by_month_and_by_group(admin_client: Client) -> None:
    days = {"period": "custom", "since": str(start_month(2).date()), "until": str(start_month(0).date())}
    values = {"metric": "churned_customers", **days, "interval": "month"}
    champions = "customer_id IN (SELECT customer_id FROM lifecycle_customerprofile WHERE rfm_group = 'champions')"
    text = admin_client.get(reverse("assistant:csv"), {**values, "segment": "vip"}).text
    counts = [float(row["value"]) for row in csv.DictReader(io.StringIO(text))]
    assert counts == [0, read_sql(f"{ENTERED.format(stage='churned')} AND {champions}")[""], 0] == [0, 1, 0]
    with CaptureQueriesContext(connection) as queries:
        rates = read_csv(admin_client, q="churn rate last month", group_by="country")
    assert rates == {"AT": 3 / 6}
    assert not [query for query in queries if query["sql"].startswith('SELECT "identity_customer"."id"')]
    groups = read_csv(admin_client, q="churn rate last month", group_by="segment", segment="vip")
    assert groups == pytest.approx({"Members": 1 / 4, "Others": 2 / 14})
    assert read_csv(admin_client, q="churn rate last month", segment="vip") == {"": 1 / 4}


@pytest.mark.usefixtures("shop")
def test_the_page_says_how_it_understood_and_computes_in_the_background(admin_client: Client) -> None:
    url = reverse("assistant:ask")
    assert "Your question" in admin_client.get(url).text
    waiting = admin_client.get(url, {"q": "revenue by city last month"})
    assert "The result is being computed" in waiting.text
    assert 'hx-trigger="load delay:2s"' in waiting.text
    assert admin_client.get(reverse("assistant:csv"), {"q": "revenue by city last month"}).status_code == 409
    compute_results()
    page = admin_client.get(url, {"q": "revenue by city last month"}).text
    assert '<option value="city" selected>' in page
    assert '<option value="last_month" selected>' in page
    assert "Berlin" in page
    changed = admin_client.get(
        url, {"q": "revenue by city last month", "metric": "orders", "group_by": "", "period": "last_week"}
    )
    assert '<option value="orders" selected>' in changed.text
    assert '<option value="last_week" selected>' in changed.text
    unknown = admin_client.get(url, {"q": "weather tomorrow"}).text
    assert "This question is not understood" in unknown
    assert "Did you mean" in unknown
    partly = admin_client.get(url, {"q": "revenue by moon phase <b>"}).text
    assert "left out: moon, phase, b" in partly
    assert "Left out: Orders, 上周." in admin_client.get(url, {"q": "revenue last month, Orders 上周"}).text
    assert "Left out" not in admin_client.get(url, {"q": "revenue last month, Orders", "metric": "orders"}).text
    series = admin_client.get(url, {"q": "churn by month"})
    assert series.status_code == 200
    for text in (
        "metric=nope",
        "metric=revenue&group_by=nope",
        "metric=revenue&period=custom&since=x",
        "metric=revenue&segment=nope",
        "metric=revenue&segment=%00",
        "metric=revenue&period=custom&since=9999-12-01&until=9999-12-31",
        "q=revenue+9999-12-01+to+9999-12-31",
    ):
        assert admin_client.get(f"{url}?{text}").status_code == 200


@pytest.mark.usefixtures("shop")
def test_a_role_sees_only_its_metrics(client: Client) -> None:
    user = User.objects.create_user("mia", is_staff=True)
    client.force_login(user)
    url = reverse("assistant:ask")
    assert client.get(url).status_code == 403
    user.groups.add(Group.objects.get(name="Merchandiser"))
    assert "This question is not understood" in client.get(url, {"q": "how many customers"}).text
    assert client.get(url, {"q": "expected demand"}).status_code == 200
    assert client.get(reverse("assistant:csv"), {"metric": "customers"}).status_code == 404


@pytest.mark.parametrize("metric", ["customers", "churned_customers", "churn_rate"])
def test_figures_of_profiles_state_the_time_of_the_run_that_wrote_them(metric: str) -> None:
    """Someone has refreshed the profiles again as of an earlier day."""
    for as_of in (NOON, NOON - timedelta(days=3)):
        LifecycleRun.objects.create(as_of=as_of, started_at=NOON, status=LifecycleRun.Status.DONE)
    query = MetricQuery(metric=metric, since=NOON.date() - timedelta(days=30), until=NOON.date())
    caller = AssistantCaller(RequestFactory().get("/"), Grant(caller="", name="", scopes=frozenset()))
    assert METRICS[metric].compute(query, caller).as_of == NOON - timedelta(days=3)
