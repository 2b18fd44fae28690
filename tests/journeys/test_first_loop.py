"""A shop's first day over HTTP: it sends products and orders and gets stages, segments, an audience and recommendations."""

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from django.core.management import call_command
from django.utils import timezone

from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

TASTES = {
    "tea": ["green tea", "black tea", "white tea", "oolong"],
    "coffee": ["espresso", "filter coffee", "mocha", "decaf"],
}
PRODUCTS = {f"{taste}-{number}": title for taste, titles in TASTES.items() for number, title in enumerate(titles)}


class Api:
    """Calls the REST API as a shop's server does."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {key}"}

    def __call__(self, method: str, path: str, **arguments: Any) -> Any:
        response = requests.request(method, f"{self.url}/api/v1{path}", headers=self.headers, timeout=30, **arguments)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if "json" in response.headers["Content-Type"] else response.text


def make_orders(now: datetime) -> list[dict[str, Any]]:
    """Return the orders of 30 customers with one taste each, every two weeks for half a year; two stopped halfway."""
    orders = []
    for customer in range(30):
        taste = "tea" if customer % 2 == 0 else "coffee"
        for round_ in range(13):
            if customer < 2 and round_ > 6:
                continue
            numbers = [(customer + round_) % 4, (customer + round_ + 1 + round_ % 2) % 4]
            orders.append(
                {
                    "order_id": f"o-{customer}-{round_}",
                    "user_id": f"u-{customer}",
                    "placed_at": (now - timedelta(days=1 + 14 * (12 - round_), minutes=customer)).isoformat(),
                    "currency": "EUR",
                    "lines": [
                        {"product_id": f"{taste}-{number}", "quantity": "1", "unit_price": "4.50"} for number in numbers
                    ],
                }
            )
    return orders


@pytest.mark.django_db(transaction=True)
def test_a_shop_turns_orders_into_stages_recommendations_and_an_audience(
    live_server: Any, settings: Any, tmp_path: Path, valkey: redis.Redis
) -> None:
    from config.access.keys import create_api_key
    from config.access.models import ApiKey
    from config.access.scopes import KNOWN_SCOPES
    from recommendations.serving.models import PlacementSettings
    from recommendations.serving.state.loader import loader

    settings.WAREHOUSE_URL, settings.MODELS_DIR = str(tmp_path / "warehouse"), tmp_path / "models"
    loader.state = None
    now = datetime.now(UTC)
    _key, plain = create_api_key(name="shop", kind=ApiKey.Kind.SECRET, scopes=sorted(KNOWN_SCOPES), now=timezone.now())
    api = Api(live_server.url, plain)

    products = [
        {
            "product_id": name,
            "title": title,
            "category": f"Drinks > {name.split('-')[0]}",
            "price": "4.50",
            "currency": "EUR",
        }
        for name, title in PRODUCTS.items()
    ]
    assert api("PUT", "/products/", json={"products": products})["created"] == len(PRODUCTS)
    assert api("PUT", "/products/", json={"products": products})["unchanged"] == len(PRODUCTS)

    orders = make_orders(now)
    assert api("POST", "/orders/", json={"orders": orders})["created"] == len(orders)
    assert api("POST", "/orders/", json={"orders": orders})["unchanged"] == len(orders)

    call_command("refresh_profiles")
    call_command("export_warehouse")
    call_command("train")
    # everybody has bought all products of their taste already
    PlacementSettings.objects.filter(placement="for-you").update(max_purchased_share=1.0)

    loyal, churned = api("GET", "/customers/u-5/profile/"), api("GET", "/customers/u-0/profile/")
    assert loyal["stage"]["key"] == "loyal"
    assert churned["stage"]["key"] in ("dormant", "churned")

    lost = {"key": "lost", "name": "Lost", "condition": {"field": "stage", "op": "in", "value": ["dormant", "churned"]}}
    api("POST", "/segments/", json=lost)
    members = api("GET", "/segments/lost/members/")["results"]
    assert sorted(member["user_id"] for member in members) == ["u-0", "u-1"]
    assert [segment["key"] for segment in api("GET", "/customers/u-0/segments/")["segments"]] == ["lost"]

    campaign = {"key": "win-back", "name": "Win back", "segment": "lost", "channel": "export", "holdout_share": "0"}
    api("POST", "/campaigns/", json=campaign)
    assert {line.split(",")[0] for line in api("GET", "/campaigns/win-back/audience.csv").splitlines()[1:]} == {
        "u-0",
        "u-1",
    }

    tea = api("GET", "/recommendations/for-you/?user_id=u-4&n=3")
    assert tea["fallback"] is None
    assert all(item["product_id"].startswith("tea") and item["reason"]["text"] for item in tea["items"])
    similar = api("GET", "/recommendations/similar/?product_id=coffee-1&n=3")
    assert all(item["product_id"].startswith("coffee") for item in similar["items"])
    stranger = api("GET", "/recommendations/for-you/?anonymous_id=new&n=3")
    assert stranger["fallback"] == "popular"

    source_key, number = create_write_key(), count(1)

    def view_and_recommend() -> bool:
        """Send another view each time, because Valkey may time out for a second on a slow machine and lose one."""
        properties = {"product_id": "coffee-2"}
        viewed = {"type": "track", "event": "Product Viewed", "anonymousId": "new", "messageId": f"m-{next(number)}"}
        sent = requests.post(
            f"{live_server.url}/v1/track",
            json={**viewed, "properties": properties},
            headers={"X-Write-Key": source_key},
            timeout=30,
        )
        assert (sent.status_code, sent.json()["success"]) == (200, True)
        response = api("GET", "/recommendations/for-you/?anonymous_id=new&n=3")
        return response["fallback"] is None and response["items"][0]["product_id"].startswith("coffee")

    wait_until(view_and_recommend, within=10, what="a recommendation based on the view")
    loader.state = None


def create_write_key() -> str:
    from customers.events.models import Source
    from customers.events.sources.write_keys import rotate_write_key

    source = Source.objects.create(key="web", name="web", kind=Source.Kind.SERVER)
    return rotate_write_key(source_id=source.pk, now=timezone.now(), overlap=timedelta(0))
