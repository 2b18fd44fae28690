"""The pages of shopping agents in the back office."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from config.shopping_agents.feed.building import build_feed
from config.shopping_agents.models import AgentFeedSettings, load_settings
from customers.events.models import AgentActivity
from tests.makers import NOON, make_product

pytestmark = pytest.mark.django_db


def test_feed_is_switched_on_by_those_who_may(
    admin_client: Client, django_user_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.shopping_agents.tasks.build_agent_feed.delay", lambda: None)
    address = reverse("shopping_agents:overview")
    assert "not published" in admin_client.get(address).content.decode()
    assert admin_client.post(address, {"is_enabled": "on", "target_country": "Germany"}).status_code == 400
    assert admin_client.post(address, {"is_enabled": "on", "target_country": "DE"}).status_code == 302
    assert (load_settings().is_enabled, load_settings().target_country) == (True, "DE")
    client = Client()
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    assert client.post(address, {}).status_code == 403


def test_pages_show_what_is_left_out_and_who_came(admin_client: Client, tmp_path: Any, settings: Any) -> None:
    settings.VAR_DIR = tmp_path
    settings.PRODUCT_URL = ""
    AgentFeedSettings(is_enabled=True).save()
    make_product("cup", url="https://shop.example/cup")
    make_product("nowhere")
    build_feed(now=NOON)
    Client().get("/.well-known/ucp", headers={"User-Agent": "Claude-User/1.0"})
    page = admin_client.get(reverse("shopping_agents:overview")).content.decode()
    assert "Without a product page" in page
    assert "Claude-User (Anthropic)" in page
    AgentActivity.objects.create(
        day=AgentActivity.objects.get().day, agent="gptbot", evidence="user_agent", action="view", product_id="cup",
        events=1234, last_at=NOON,
    )  # fmt: skip
    page = admin_client.get(reverse("shopping_agents:traffic")).content.decode()
    assert "GPTBot (OpenAI)" in page
    assert "1,234" in page
    assert "Claude-User (Anthropic)" in page
