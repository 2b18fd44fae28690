"""Connected shops whose platforms run here. The models are imported by the fixtures: Django is set up after this module is read."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.customers.connectors.platforms.shopify_server import CLIENT_ID, CLIENT_SECRET, ShopifyServer


@pytest.fixture(autouse=True)
def waits(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> list[float]:
    """Let connectors reach this machine, and record their waits instead of waiting."""
    from customers.connectors.platforms import http_client

    seconds: list[float] = []
    settings.FEED_PRIVATE_HOSTS, settings.VAR_DIR = ["127.0.0.1"], tmp_path
    monkeypatch.setattr(http_client, "pause", seconds.append)
    monkeypatch.setattr(http_client, "CONNECT_SECONDS", 60)  # a busy machine may stall for longer than connectors wait
    return seconds


@pytest.fixture
def shopify() -> Iterator[ShopifyServer]:
    server = ShopifyServer()
    with server.run():
        yield server


@pytest.fixture
def shop(shopify: ShopifyServer, db: None) -> Any:
    from tests.customers.connectors.makers import make_connection

    return make_connection("shopify", shopify.url, {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
