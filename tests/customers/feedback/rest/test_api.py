"""The REST endpoints and the back-office pages of feedback."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from customers.feedback.models import Review, SurveyAnswer
from customers.feedback.reviews import record_reviews
from customers.feedback.surveys import record_answers
from tests.makers import make_product

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    make_product("p1", title="水壶")
    make_product("p2")
    items = [
        {"review_id": "a", "product_id": "p1", "rating": 5, "title": "好", "body": "很好", "user_id": "u1"},
        {"review_id": "b", "product_id": "p1", "rating": 1, "body": "Broken"},
        {"review_id": "c", "product_id": "p2", "rating": 3, "language": "en", "user_id": "u2"},
    ]
    record_reviews(items=items, received_at=NOW)
    record_answers(items=[{"kind": "nps", "score": 9, "comment": "推荐"}], received_at=NOW)
    return client


def test_a_rating_that_does_not_exist_is_refused(boss: Client) -> None:
    for rating in (0, 6, 9):
        answer = boss.get(f"/api/v1/reviews/?rating={rating}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "rating")


def ids(client: Client, query: str) -> list[str]:
    answer = client.get(f"/api/v1/reviews/?{query}")
    assert answer.status_code == 200
    return [row["review_id"] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "b", "c"]),
        ("product_id=p1", ["a", "b"]),
        ("product_id=p1&rating=1", ["b"]),
        ("language=en", ["c"]),
        ("written_after=2026-11-01T12:00:00Z", []),
    ],
)
def test_reviews_are_listed_by_product(boss: Client, query: str, found: list[str]) -> None:
    assert ids(boss, query) == found


def test_review_has_author_and_content(boss: Client) -> None:
    first = boss.get("/api/v1/reviews/?limit=1").json()["results"][0]
    assert first == {
        "review_id": "a",
        "product_id": "p1",
        "user_id": "u1",
        "rating": 5,
        "title": "好",
        "body": "很好",
        "language": "",
        "written_at": "2026-11-01T12:00:00Z",
        "sentiment": None,
        "contradicts": False,
        "is_published": True,
        "reply": "",
        "replied_at": None,
    }


def test_list_takes_two_queries_besides_the_session(boss: Client, django_assert_num_queries: Any) -> None:
    # session, user, reviews with products and customers, identifiers
    with django_assert_num_queries(4):
        assert len(ids(boss, "")) == 3


def test_put_returns_a_result_per_review(boss: Client) -> None:
    body = {
        "reviews": [
            {"review_id": "d", "product_id": "p2", "rating": 4, "user_id": "new"},
            {"review_id": "b", "product_id": "p1", "rating": 2},
            {"review_id": "e", "product_id": "none", "rating": 4},
        ]
    }
    answer = boss.put("/api/v1/reviews/", body, content_type="application/json")
    assert answer.status_code == 200
    assert [one["status"] for one in answer.json()["results"]] == ["created", "updated", "rejected"]
    assert answer.json()["results"][2]["errors"][0]["code"] == "unknown_product"
    assert Review.objects.count() == 4


def test_answers_are_stored(boss: Client) -> None:
    body = {"answers": [{"kind": "csat", "score": 5, "user_id": "u1"}, {"kind": "csat", "score": 9}]}
    answer = boss.post("/api/v1/surveys/", body, content_type="application/json")
    assert answer.status_code == 200
    assert (answer.json()["created"], answer.json()["rejected"]) == (1, 1)
    assert SurveyAnswer.objects.count() == 2


@pytest.mark.parametrize(
    ("address", "body"), [("reviews", {"reviews": [3]}), ("reviews", {"reviews": [{}] * 1001}), ("surveys", {})]
)
def test_invalid_body_is_rejected(boss: Client, address: str, body: object) -> None:
    send = boss.put if address == "reviews" else boss.post
    assert send(f"/api/v1/{address}/", body, content_type="application/json").status_code == 400


def test_reading_and_writing_require_a_key(client: Client) -> None:
    assert client.get("/api/v1/reviews/").status_code in (401, 403)
    assert client.post("/api/v1/surveys/", {"answers": []}, content_type="application/json").status_code in (401, 403)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("page", ["review_changelist", "review_add", "surveyanswer_changelist", "surveyanswer_add"])
def test_every_page_answers(boss: Client, page: str, language: str) -> None:
    boss.cookies["django_language"] = language
    assert boss.get(reverse(f"admin:feedback_{page}")).status_code == 200


def test_reviews_are_searched_and_filtered(boss: Client) -> None:
    address = reverse("admin:feedback_review_changelist")
    page = boss.get(address, {"q": "很好"}).content.decode()
    assert "很好" in page
    assert "Broken" not in page
    page = boss.get(address, {"rating__exact": 1, "written_at__year": 2026}).content.decode()
    assert "Broken" in page
    assert "很好" not in page


def test_review_and_answer_pages_open(boss: Client) -> None:
    review = boss.get(reverse("admin:feedback_review_change", args=[Review.objects.get(review_id="a").pk]))
    assert "很好" in review.content.decode()
    answer = boss.get(reverse("admin:feedback_surveyanswer_change", args=[SurveyAnswer.objects.get().pk]))
    assert "推荐" in answer.content.decode()


def test_admin_lists_do_not_query_per_row(boss: Client, django_assert_max_num_queries: Any) -> None:
    address = reverse("admin:feedback_review_changelist")
    with django_assert_max_num_queries(30) as few:
        boss.get(address)
    items = [{"review_id": f"x{n}", "product_id": "p1", "rating": 3, "user_id": f"y{n}"} for n in range(40)]
    record_reviews(items=items, received_at=NOW)
    with django_assert_max_num_queries(len(few)):
        boss.get(address)
