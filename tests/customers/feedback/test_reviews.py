"""Reviews and survey answers are checked, written and summarized."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.bulk_results import BulkResult
from customers.feedback.models import Review, SurveyAnswer
from customers.feedback.reviews import RatingSummary, record_reviews, summarize_ratings
from customers.feedback.surveys import record_answers
from customers.identity.erased.blocked_identifiers import block_identifiers
from customers.identity.models import Customer, Identifier
from tests.makers import make_customer, make_product

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def record(*items: dict[str, Any], at: datetime = NOW, **options: Any) -> BulkResult:
    return record_reviews(items=items, received_at=at, **options)


def review(review_id: str = "r1", product_id: str = "p1", rating: Any = 5, **fields: Any) -> dict[str, Any]:
    return {"review_id": review_id, "product_id": product_id, "rating": rating, **fields}


def codes(result: BulkResult) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for one in result.results for problem in one.problems]


def test_review_is_stored_and_its_author_becomes_a_customer() -> None:
    product = make_product("p1")
    written_at = NOW - timedelta(days=3)
    result = record(
        review(user_id="u1", title="不错", body="很快，好吃", language="zh", written_at=written_at.isoformat())
    )
    assert result.created == 1
    stored = Review.objects.get()
    assert (stored.product, stored.rating, stored.title, stored.body) == (product, 5, "不错", "很快，好吃")
    assert (stored.language, stored.written_at, stored.sentiment) == ("zh", written_at, None)
    author = Identifier.objects.get(kind="user_id", value="u1").customer
    assert stored.customer == author
    assert author.first_seen_at == author.last_seen_at == written_at


def test_known_author_is_matched_and_seen_times_only_widen() -> None:
    make_product("p1")
    early, late = NOW - timedelta(days=30), NOW - timedelta(days=1)
    known = make_customer("u1", first_seen_at=NOW - timedelta(days=9), last_seen_at=NOW - timedelta(days=8))
    record(review("a", user_id="u1", written_at=late), review("b", user_id="u1", written_at=early))
    known.refresh_from_db()
    assert (known.first_seen_at, known.last_seen_at) == (early, late)
    record(review("c", user_id="u1", written_at=NOW - timedelta(days=5)))
    known.refresh_from_db()
    assert (known.first_seen_at, known.last_seen_at) == (early, late)
    assert Customer.objects.count() == 1


def test_repeated_reviews_change_nothing() -> None:
    make_product("p1")
    items = [review("a", user_id="u1", body="x"), review("b", rating=2)]
    record(*items)
    before = list(Review.objects.order_by("id").values())
    result = record(*items, at=NOW + timedelta(days=1))
    assert (result.unchanged, result.created, result.updated) == (2, 0, 0)
    assert list(Review.objects.order_by("id").values()) == before


def test_a_review_of_someone_erased_is_not_counted_a_second_time_when_the_shop_sends_it_again() -> None:
    make_product("p1")
    record(review("review-of-u1", user_id="u1", rating=2, body="I am Ada"), review("b", body="x"))
    # as after an erasure
    Identifier.objects.all().delete()
    block_identifiers([("user_id", "u1")], at=NOW)
    Review.objects.filter(rating=2).update(review_id="erased-1", customer=None, body="")
    result = record(
        review("review-of-u1", user_id="u1", rating=2, body="I am Ada"), review("b", user_id="u1", body="y")
    )
    assert (result.created, result.updated, result.unchanged) == (0, 1, 1)
    assert set(Review.objects.values_list("review_id", "customer", "body")) == {("erased-1", None, ""), ("b", None, "")}
    assert summarize_ratings(product_ids=["p1"])["p1"].count == 2


def test_second_review_with_the_same_id_replaces_the_first_and_its_sentiment() -> None:
    make_product("p1")
    record(review("a", body="good"), review("b", body="good"))
    Review.objects.update(sentiment=0.9, contradicts=True)
    result = record(review("a", body="bad"), review("b", body="good", rating=4))
    assert result.updated == 2
    assert Review.objects.get(review_id="a").sentiment is None
    same_words = Review.objects.get(review_id="b")
    assert (same_words.sentiment, same_words.rating, same_words.contradicts) == (0.9, 4, False)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"review_id": ""}, ("review_id", "required")),
        ({"product_id": None}, ("product_id", "required")),
        ({"product_id": "none"}, ("product_id", "unknown_product")),
        ({"rating": 0}, ("rating", "out_of_range")),
        ({"rating": "6"}, ("rating", "out_of_range")),
        ({"rating": "4.5"}, ("rating", "too_many_decimals")),
        ({"rating": None}, ("rating", "required")),
        ({"title": "x" * 301}, ("title", "too_long")),
        ({"body": "\x00"}, ("body", "bad_characters")),
        ({"user_id": "x" * 256}, ("user_id", "too_long")),
        ({"written_at": "2026-11-02T00:00:00Z"}, ("written_at", "in_the_future")),
        ({"written_at": "gestern"}, ("written_at", "bad_time")),
        ({"stars": 5}, ("stars", "unknown_field")),
    ],
)
def test_invalid_review_is_rejected_alone(wrong: dict[str, Any], code: tuple[str, str]) -> None:
    make_product("p1")
    result = record(review("good"), {**review("bad", user_id="u9"), **wrong})
    assert codes(result) == [code]
    assert list(Review.objects.values_list("review_id", flat=True)) == ["good"]
    assert not Identifier.objects.exists(), "a rejected review makes no customer"


def test_first_of_equal_ids_is_kept() -> None:
    make_product("p1")
    assert codes(record(review("a", rating=1), review("a", rating=5))) == [("review_id", "duplicate")]
    assert Review.objects.get().rating == 1


def test_a_dry_run_writes_nothing() -> None:
    make_product("p1")
    assert record(review(user_id="u1"), dry_run=True).created == 1
    assert not Review.objects.exists()
    assert not Customer.objects.exists()


def test_number_of_statements_does_not_grow_with_reviews() -> None:
    make_product("p1")

    def statements(size: int, prefix: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            record(*[review(f"{prefix}{n}", user_id=f"{prefix}{n}") for n in range(size)])
        return len(captured)

    assert statements(3, "a") == statements(200, "b")


def test_ratings_are_summarized_by_product() -> None:
    make_product("p1")
    make_product("p2")
    record(review("a", rating=5), review("b", rating=4), review("c", rating=4))
    assert summarize_ratings(product_ids=["p1", "p2", "p3"]) == {
        "p1": RatingSummary(3, pytest.approx(13 / 3), {1: 0, 2: 0, 3: 0, 4: 2, 5: 1}),
        "p2": RatingSummary(0, None, {1: 0, 2: 0, 3: 0, 4: 0, 5: 0}),
        "p3": RatingSummary(0, None, {1: 0, 2: 0, 3: 0, 4: 0, 5: 0}),
    }


def test_answers_are_added_and_invalid_ones_rejected_alone() -> None:
    result = record_answers(
        items=[
            {"user_id": "u1", "kind": "nps", "score": 10, "comment": "好"},
            {"kind": "CSAT", "score": "1", "answered_at": "2026-10-01"},
            {"kind": "csat", "score": 0},
            {"kind": "csat", "score": 6},
            {"kind": "nps", "score": 11},
            {"kind": "ces", "score": 1},
            {"kind": "nps"},
            {"kind": "nps", "score": 1, "answered_at": "2027-01-01"},
        ],
        received_at=NOW,
    )
    assert [one.status for one in result.results] == ["created"] * 2 + ["rejected"] * 6
    assert codes(result) == [
        ("score", "out_of_range"),
        ("score", "out_of_range"),
        ("score", "out_of_range"),
        ("kind", "unknown_kind"),
        ("score", "required"),
        ("answered_at", "in_the_future"),
    ]
    answers = SurveyAnswer.objects.order_by("id").values_list("kind", "score", "comment", "answered_at")
    assert list(answers) == [("nps", 10, "好", NOW), ("csat", 1, "", datetime(2026, 10, 1, tzinfo=UTC))]
    assert Identifier.objects.get().value == "u1"
