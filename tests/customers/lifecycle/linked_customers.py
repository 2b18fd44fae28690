"""Follows the link of a number to its customers."""

from django.test import Client


def count_linked_customers(client: Client, url: str) -> int:
    """Return how many customers a number opens: changes of stage or group have a page of their own, all others are a filter of the list."""
    page = client.get(url, follow=True)
    assert page.context["problems"] == []
    return int(page.context["pages"].paginator.count if page.context.get("pages") else page.context["page"].total)
