"""The recent list in Valkey."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from customers.events.decoding import EventRow, Frame, StoredEvent
from customers.events.recent import DAYS_KEPT, MOST_RECENT, recent_interactions, recent_key, remember_interactions
from tests.makers import NOON


def interaction(product_id: str, *, minutes: float = 0, meaning: str = "view", **fields: str) -> EventRow:
    known = {"user_id": "u1", "anonymous_id": "", **fields}
    stored = StoredEvent(
        source_id=1,
        received_at=NOON,
        message_id="m",
        type="track",
        name="",
        occurred_at=NOON + timedelta(minutes=minutes),
        session_id="",
        product_ids=[product_id],
        value=Decimal(0),
        currency="",
        properties=b"{}",
        context=b"{}",
        recommendation_id="",
        **known,
    )
    return EventRow(0, stored, b"", Frame(1, NOON), meaning)


def products(**identifier: str) -> list[str]:
    return [product_id for product_id, _kind, _at in recent_interactions(identifiers=list(identifier.items()))]


@pytest.mark.usefixtures("valkey")
def test_newest_comes_first_also_when_events_come_late() -> None:
    remember_interactions([interaction("p2", minutes=2), interaction("p3", minutes=3)])
    remember_interactions([interaction("p1", minutes=1)])
    assert products(user_id="u1") == ["p3", "p2", "p1"]


@pytest.mark.usefixtures("valkey")
def test_kind_and_second_come_back_as_they_went_in() -> None:
    remember_interactions(
        [interaction("a:b c", meaning=kind, minutes=n) for n, kind in enumerate(("purchase", "cart"))]
    )
    found = recent_interactions(identifiers=[("user_id", "u1")])
    assert [(one.product_id, one.kind, one.at) for one in found] == [
        ("a:b c", "cart", NOON.timestamp() + 60),
        ("a:b c", "purchase", NOON.timestamp()),
    ]


@pytest.mark.usefixtures("valkey")
def test_same_event_twice_counts_once() -> None:
    for _time in range(2):
        remember_interactions([interaction("p1", anonymous_id="a1")])
    assert products(user_id="u1", anonymous_id="a1") == ["p1"]


def test_only_the_last_hundred_are_kept_for_ninety_days(valkey: Any) -> None:
    remember_interactions([interaction(f"p{number}", minutes=number) for number in range(MOST_RECENT + 30)])
    key = recent_key("user_id", "u1")
    assert valkey.zcard(key) == MOST_RECENT
    assert products(user_id="u1")[0] == f"p{MOST_RECENT + 29}"
    assert DAYS_KEPT * 86400 - 60 < valkey.ttl(key) <= DAYS_KEPT * 86400


def test_events_that_are_no_interaction_leave_nothing(valkey: Any) -> None:
    remember_interactions([interaction("p1", meaning="")])
    assert valkey.keys("*") == []


def test_nobody_has_no_interactions() -> None:
    assert recent_interactions(identifiers=[]) == []
