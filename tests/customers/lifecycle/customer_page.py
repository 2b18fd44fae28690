"""Reads the customer page in tests: one tab, or all tabs one after the other."""

from typing import Any

from django.test import Client
from django.urls import reverse

TABS = ("overview", "timeline", "profile", "predictions", "recommendations", "messages", "loyalty", "privacy")


def get_tab(client: Client, customer_id: int, tab: str, **options: Any) -> Any:
    return client.get(reverse("admin:lifecycle_customer", args=[customer_id]), {"tab": tab}, **options)


def read_all_tabs(client: Client, customer_id: int, **options: Any) -> str:
    """Return the text of all tabs that the user may view; an unknown or hidden tab shows the first one again."""
    return "".join(get_tab(client, customer_id, tab, **options).content.decode() for tab in TABS)
