"""Reviews from events."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from customers.events.models import RejectedEvent
from customers.feedback.models import Review
from tests.customers.processing.event_makers import NOW, process, send, track
from tests.makers import make_product

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    make_product("tea")


def review(**properties: Any) -> dict[str, Any]:
    return track("Product Reviewed", {"product_id": "tea", **properties})


def test_review_has_rating_text_product_and_author() -> None:
    send(review(review_id="r1", rating="4", review_body="Good, but cold."))
    assert process().counts["reviews"] == 1
    found = Review.objects.get()
    assert (found.review_id, found.rating, found.body, found.written_at) == ("r1", 4, "Good, but cold.", NOW)
    assert found.product.product_id == "tea"
    assert found.customer is not None
    assert found.customer.identifiers.get().value == "ada"


def test_review_without_id_is_identified_by_its_message() -> None:
    send({**review(rating=5), "messageId": "m1"}, {**review(rating=5), "messageId": "m2"})
    process()
    assert sorted(Review.objects.values_list("review_id", flat=True)) == ["web:m1", "web:m2"]


@pytest.mark.parametrize("together", [True, False])
def test_later_version_of_a_review_is_kept(together: bool) -> None:
    later = {**review(review_id="r1", rating=5), "timestamp": NOW.isoformat()}
    earlier = {**review(review_id="r1", rating=2), "timestamp": (NOW - timedelta(hours=1)).isoformat()}
    for item in (later, earlier):
        send(item)
        if not together:
            process()
    process()
    assert (Review.objects.get().rating, Review.objects.get().written_at) == (5, NOW)


def test_visitor_can_write_a_review() -> None:
    send({**review(rating=3), "userId": None, "anonymousId": "v1"})
    process()
    assert Review.objects.get().customer is not None


@pytest.mark.parametrize(
    ("properties", "code", "words"),
    [
        ({"rating": "11"}, "review_out_of_range", "rating: 11 is not between 1 and 5."),
        ({"rating": "great"}, "review_not_a_number", "rating: 'great'"),
        ({}, "review_required", "rating: This field is required."),
        ({"rating": 3, "product_id": "unheard of"}, "review_unknown_product", "Unknown product; import it first."),
    ],
)
def test_invalid_review_event_is_rejected_with_its_field(properties: dict[str, Any], code: str, words: str) -> None:
    send(review(**properties), review(rating=1))
    result = process()
    assert (result.events, result.counts["rejected"], Review.objects.count()) == (2, 1, 1)
    letter = RejectedEvent.objects.get()
    assert letter.code == code
    assert words in letter.reason
