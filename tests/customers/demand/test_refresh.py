"""The nightly forecast and the restock list, from orders in the database to page, CSV and REST."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Category, Product
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.progress import PublishedProgress
from customers.demand import refresh, series_reading
from customers.demand.models import DemandForecast, DemandRun, DemandSettings, RestockItem
from customers.demand.refresh import refresh_demand
from customers.demand.restock_list import summarize_restock
from customers.demand.series_reading import build_local_day
from customers.orders.models import Order, OrderLine
from customers.warehouse.export import export_warehouse
from tests.customers.demand.makers import make_forecast, make_restock_item, make_run
from tests.makers import make_product, make_source

pytestmark = pytest.mark.django_db
AS_OF = datetime(2026, 6, 1, 4, tzinfo=UTC)
DAYS = 150
MODELS = ("seasonal_naive", "tsb")
WEEK_PROFILE = (2, 4, 4, 4, 6, 8, 0)


@pytest.fixture(autouse=True)
def own_warehouse(settings: Any, tmp_path: Path) -> None:
    """Export to a folder that no other process of the test run writes to."""
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def count_units(day: int) -> int:
    """Return the units of a day: about 30 a week, one more on every third day, none on Sundays."""
    profile = WEEK_PROFILE[(AS_OF + timedelta(days=day - DAYS)).weekday()]
    return profile + (day % 3 == 0) if profile else 0


def make_sales() -> list[Product]:
    """Make three products, of which the second sells twice as much; the last is in no category."""
    products = [
        make_product("kettle", category="Kitchen", stock=5, cost=Decimal(6)),
        make_product("pan", category="Kitchen", stock=900, cost=Decimal(6)),
        make_product("sock"),
    ]
    source = make_source()
    start = AS_OF - timedelta(days=DAYS)
    orders = Order.objects.bulk_create(
        Order(source=source, order_id=f"o{day}", placed_at=start + timedelta(days=day), currency="EUR", total=1)
        for day in range(DAYS)
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            line_number=number,
            product=product,
            quantity=units,
            unit_price=10,
            total=units * 10,
        )
        for day, order in enumerate(orders)
        for number, (product, factor) in enumerate(zip(products, (1, 2, 1), strict=True))
        if (units := factor * count_units(day))
    )
    Order.objects.create(
        source=source, order_id="cancelled", placed_at=AS_OF - timedelta(days=3), status="cancelled", currency="EUR"
    ).lines.create(line_number=0, product=products[0], quantity=999, unit_price=10, total=9990)
    Order.objects.create(
        source=source, order_id="return", placed_at=AS_OF - timedelta(days=3), kind="return", currency="EUR"
    ).lines.create(line_number=0, product=products[0], quantity=-2, unit_price=10, total=-20)
    return products


def test_forecasts_and_restock_list_reach_page_file_and_rest(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    kettle, pan, _sock = make_sales()
    export_warehouse(started_at=AS_OF - timedelta(days=1))  # what is newer comes from PostgreSQL
    run = refresh_demand(as_of=AS_OF, models=MODELS)
    assert run.problem == ""
    assert run.status == DemandRun.Status.DONE
    assert (run.products, run.categories) == (3, 1)
    assert run.quality["mase"] is not None
    forecasts = {str(row): row for row in DemandForecast.objects.all()}
    assert forecasts["kettle"].start == date(2026, 6, 1)
    assert forecasts["kettle"].history[-7:] == [
        count_units(day) for day in range(DAYS - 7, DAYS)
    ]  # neither the cancelled order nor the return
    assert sum(forecasts["kettle"].mean) == pytest.approx(4 * 30, rel=0.1)
    parts = np.array(forecasts["kettle"].mean) + forecasts["pan"].mean
    np.testing.assert_allclose(parts, forecasts["Kitchen"].mean, atol=0.002)  # stored with three decimals
    np.testing.assert_allclose(parts + forecasts["sock"].mean, forecasts["Shop"].mean, atol=0.003)
    items = {item.product_id: item for item in RestockItem.objects.all()}
    assert items.keys() == {kettle.pk, pan.pk}  # the stock of socks is not tracked
    item = items[kettle.pk]
    assert item.reorder_point >= 55  # two weeks: the lead time and a week until the next order
    assert item.order_quantity >= item.reorder_point - item.stock
    assert float(item.money_at_risk) == pytest.approx((30 - 5) * 4, rel=0.2)  # one week less the stock, at 4 € a unit
    assert items[pan.pk].order_quantity == 0

    page = admin_client.get(reverse("demand:restock"))
    assert "Order 1 product now" in page.text
    assert "kettle" in page.text
    assert "所有商品" not in page.text
    for address in (reverse("demand:shop"), reverse("demand:category", args=[Category.objects.get().pk])):
        assert "units are expected in the next 28 days" in admin_client.get(address).text
    product_page = admin_client.get(reverse("demand:product", args=[kettle.pk]), {"by": "week"})
    assert "Units sold and expected" in product_page.text
    lines = b"".join(admin_client.get(reverse("demand:export"), {"state": "now"})).decode("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == ["product_id", "kettle"]
    answer = admin_client.get("/api/v1/demand/restock/", {"state": "now"}).json()
    assert [row["product_id"] for row in answer["results"]] == ["kettle"]
    assert len(admin_client.get("/api/v1/demand/forecasts/").json()["results"]) == 3

    def fail(*_arguments: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(refresh, "build_items", fail)
    before = list(DemandForecast.objects.values_list("pk", flat=True))
    with pytest.raises(RuntimeError):
        refresh_demand(as_of=AS_OF, models=MODELS)
    assert list(DemandForecast.objects.values_list("pk", flat=True)) == before
    monkeypatch.undo()
    assert DemandRun.objects.filter(status=DemandRun.Status.FAILED).count() == 1
    refresh_demand(as_of=AS_OF, models=MODELS)
    assert DemandForecast.objects.count() == len(before)
    assert RestockItem.objects.count() == 2


def test_categories_and_the_shop_contain_products_that_are_too_many_for_forecasts_of_their_own(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kettle, pan, _sock = make_sales()
    export_warehouse(started_at=AS_OF - timedelta(days=1))
    monkeypatch.setattr(series_reading, "MAX_PRODUCTS", 1)  # the pan, which sells most
    run = refresh_demand(as_of=AS_OF, models=MODELS)
    assert (run.products, run.categories) == (1, 1)
    forecasts = {str(row): row for row in DemandForecast.objects.all()}
    assert forecasts.keys() == {"pan", "Kitchen", "Shop"}
    for name, factor in (("pan", 2), ("Kitchen", 3), ("Shop", 4)):
        assert forecasts[name].history[-28:] == [factor * count_units(day) for day in range(DAYS - 28, DAYS)]
        assert sum(forecasts[name].mean) == pytest.approx(factor * 4 * 30, rel=0.1)
    assert [item.product_id for item in RestockItem.objects.all()] == [pan.pk]
    answer = admin_client.get("/api/v1/demand/forecasts/").json()
    assert [row["product_id"] for row in answer["results"]] == ["pan"]


def test_costs_in_another_currency_are_not_added_to_those_of_the_shop(admin_client: Client) -> None:
    kettle, pan, _sock = make_sales()
    Product.objects.filter(pk=pan.pk).update(stock=5, currency="JPY", price=5000, cost=3000)
    export_warehouse(started_at=AS_OF - timedelta(days=1))
    refresh_demand(as_of=AS_OF, models=MODELS)
    items = {item.product_id: item for item in RestockItem.objects.all()}
    foreign = items[pan.pk]
    assert foreign.order_quantity > 300  # the two weeks before the next delivery, and four more, at 60 a week
    assert (foreign.order_value, foreign.money_at_risk) == (None, 0)
    summary = summarize_restock()
    assert (summary["now"], summary["unknown"]) == (2, 1)
    assert summary["value"] == items[kettle.pk].order_value
    assert "excluding 1 product with unknown purchase cost" in admin_client.get(reverse("demand:restock")).text


def test_without_any_cost_the_page_says_revenue_instead_of_margin(admin_client: Client) -> None:
    kettle, pan = make_product("kettle"), make_product("pan")
    for product in (kettle, pan):
        make_forecast(product, as_of=AS_OF)
        make_restock_item(product, as_of=AS_OF)
    make_run(as_of=AS_OF)

    def find_words() -> list[bool]:
        texts = [
            admin_client.get(address).text
            for address in (reverse("demand:restock"), reverse("demand:product", args=[kettle.pk]))
        ]
        words = (
            "of revenue is expected to be lost",
            "Revenue at risk",
            "Margin at risk before",
            "of margin is expected",
        )
        return [any(word in text for text in texts) for word in words]

    assert find_words() == [False, False, True, True]
    RestockItem.objects.update(order_value=None)
    assert find_words() == [True, True, False, False]


def test_a_shop_without_sales_and_a_young_one_say_what_is_missing(admin_client: Client) -> None:
    assert "Run the job now" in admin_client.get(reverse("demand:restock")).text
    assert refresh_demand(as_of=AS_OF, models=MODELS).problem == "no_sales"
    assert "No product was sold" in admin_client.get(reverse("demand:restock")).text
    order = Order.objects.create(
        source=make_source(), order_id="o", placed_at=AS_OF - timedelta(days=9), currency="EUR"
    )
    product = make_product("kettle")
    order.lines.create(line_number=0, product=product, quantity=1, unit_price=10, total=10)
    export_warehouse(started_at=AS_OF - timedelta(days=1))
    assert refresh_demand(as_of=AS_OF, models=MODELS).problem == "too_short"
    assert "A forecast needs 140 days of orders." in admin_client.get(reverse("demand:restock")).text
    assert "No forecast" in admin_client.get(reverse("demand:product", args=[product.pk])).text


def test_the_page_shows_the_progress_of_a_running_forecast(admin_client: Client) -> None:
    url = reverse("demand:progress")
    assert "hx-get" in admin_client.get(url).text  # before the first forecast, the page waits for it
    with exclusive_lock(refresh.LOCK):
        run = DemandRun.objects.create(as_of=AS_OF, started_at=AS_OF)
        assert "The sales are being read." in admin_client.get(reverse("demand:restock")).text
        DemandRun.objects.update(products=700, categories=76)
        PublishedProgress(refresh.get_progress_key(run.pk))(1, 4)
        progress = admin_client.get(url).text
        assert "194 of 776 products and categories" in progress
        assert "The forecast can take several minutes." in progress
        assert refresh.find_running() is not None
    DemandRun.objects.update(status=DemandRun.Status.DONE)
    assert admin_client.get(url, {"run": run.pk}).headers["HX-Refresh"] == "true"
    assert "HX-Refresh" not in admin_client.get(url, {"run": run.pk + 1}).headers


def test_one_day_is_singular(admin_client: Client) -> None:
    make_run(as_of=AS_OF)
    product = make_product("kettle", stock=12)
    make_forecast(product, as_of=AS_OF)
    item = make_restock_item(product, as_of=AS_OF, quantity=0)
    for days, words in ((1, "1 day"), (2, "2 days")):
        RestockItem.objects.filter(pk=item.pk).update(days_left=days, lead_days=days)
        assert f"reached in {words}." in admin_client.get(reverse("demand:product", args=[product.pk])).text
        assert f'Lead time: {words}"' in admin_client.get(reverse("demand:restock"), {"state": "all"}).text


def test_settings_need_a_permission_and_are_validated(admin_client: Client, client: Client) -> None:
    url = reverse("demand:restock")
    values = {
        "lead_days": 10,
        "review_days": 7,
        "service_level": "0.9",
        "order_cost": 5,
        "holding_rate": "0.2",
        "resale_share": "0.5",
        "country": "DE",
    }
    assert admin_client.post(url, values | {"service_level": "1.5"}).status_code == 400
    assert admin_client.post(url, values).status_code == 302
    assert DemandSettings.objects.get().lead_days == 10
    client.force_login(User.objects.create_user("guest", is_staff=True))
    assert client.get(url).status_code == 403
    assert client.get(reverse("demand:shop")).status_code == 403
    assert client.get(reverse("demand:export")).status_code == 403


def test_days_are_those_of_the_shop_across_a_change_of_the_clock() -> None:
    moments = [
        datetime(2026, 3, 28, 22, 59, tzinfo=UTC),  # Berlin is an hour ahead until March 29, 01:00 UTC
        datetime(2026, 3, 28, 23, 0, tzinfo=UTC),
        datetime(2026, 3, 29, 21, 59, tzinfo=UTC),  # then two
        datetime(2026, 3, 29, 22, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 22, 59, tzinfo=UTC),
        datetime(2026, 10, 25, 23, 0, tzinfo=UTC),
    ]
    zone = ZoneInfo("Europe/Berlin")
    table = ibis.memtable(pa.table({"at": pa.array(moments, pa.timestamp("us", tz="UTC"))}))
    day = build_local_day(table.at, zone, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
    backend = ibis.duckdb.connect()
    backend.raw_sql("SET TimeZone = 'UTC'")
    days = backend.to_pyarrow(table.select(day=day))["day"].to_pylist()
    assert days == [moment.astimezone(zone).date() for moment in moments]
