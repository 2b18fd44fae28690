"""The weight of a page in benchmarks.pages, and the copies of customers."""

from datetime import timedelta

import brotli
import pytest
from django.db import connection

from benchmarks.pages import weigh
from benchmarks.pages_shop import MAX_ORDERS, multiply_customers
from customers.identity.models import Customer, Identifier
from customers.lifecycle.models import CustomerProfile
from customers.orders.models import Order, OrderLine
from tests.child_processes import get_test_database_url
from tests.makers import NOON, make_customer, make_order, make_product, make_profile


@pytest.fixture(autouse=True)
def quick_compression(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compress Plotly in a tenth of a second instead of eight; the bounds below hold for this too."""
    compress = brotli.compress
    monkeypatch.setattr(brotli, "compress", lambda content, **_options: compress(content, quality=1))


def test_a_page_weighs_what_it_refers_to_and_plotly_only_with_a_chart() -> None:
    script = '<script src="/static/backoffice/charts.js" data-plotly="/static/plotly/plotly.min.js" defer></script>'
    without_chart = weigh(script)
    assert 1 < without_chart < 10
    assert weigh(f'{script}<div data-chart="x"></div>') > 1000


def test_fonts_of_style_sheets_count() -> None:
    html = '<link href="/static/unfold/fonts/material-symbols/styles.css" rel="stylesheet">'
    assert 250 < weigh(html) < 350


@pytest.mark.django_db(transaction=True)
def test_customers_are_copied_with_their_own_identifiers_orders_and_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", get_test_database_url())
    product = make_product("tea")
    for name in ("anna", "ben"):
        customer = make_customer(name)
        make_profile(customer, orders=5)
        for number in range(5):
            make_order(customer, placed_at=NOON - timedelta(days=number), products=[product])
    indexes = count_indexes()
    multiply_customers(6)
    assert Customer.objects.count() == CustomerProfile.objects.count() == 6
    assert Identifier.objects.values("value").distinct().count() == 6
    copied = Customer.objects.order_by("-pk").first()
    assert Order.objects.filter(customer=copied).count() == MAX_ORDERS
    assert OrderLine.objects.filter(order__customer=copied).count() == MAX_ORDERS
    assert count_indexes() == indexes
    make_order(make_customer("next"), products=[product])  # the sequences go on after the copies


def count_indexes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'")
        return int(cursor.fetchone()[0])
