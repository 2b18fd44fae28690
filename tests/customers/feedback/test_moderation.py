"""Moderation and the pages of feedback: hide, publish and reply, by whom, and in the audit log."""

import json
import re
from datetime import UTC, date, datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from auditlog.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from config.foundation.backoffice.date_range import DayRange
from customers.feedback.backoffice import admin as feedback_admin
from customers.feedback.backoffice import pages
from customers.feedback.models import Review
from customers.feedback.reviews import record_reviews, summarize_ratings
from customers.feedback.surveys import record_answers
from customers.identity.models import Customer
from customers.segments.conditions.compiler import compile_condition
from tests.makers import make_customer, make_order, make_product

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def log_in(client: Client, *permissions: str) -> Client:
    user = get_user_model().objects.create_user("staff", password="x", is_staff=True)
    labels = ("feedback", "identity")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions, content_type__app_label__in=labels))
    client.force_login(user)
    return client


@pytest.fixture
def review() -> Review:
    make_product("p1", title="Kettle", category="Kitchen")
    items = [
        {"review_id": "a", "product_id": "p1", "rating": 1, "body": "The lid leaks"},
        {"review_id": "b", "product_id": "p1", "rating": 5, "body": "Nice"},
    ]
    record_reviews(items=items, received_at=NOW)
    return Review.objects.get(review_id="a")


def test_saving_does_not_restore_a_review_that_is_erased_meanwhile(
    admin_client: Client, review: Review, monkeypatch: pytest.MonkeyPatch
):
    Review.objects.filter(pk=review.pk).update(customer=make_customer("u1"))
    path = reverse("admin:feedback_review_change", args=[review.pk])
    form = admin_client.get(path).context["adminform"].form
    fields = {name: form.initial.get(name) or "" for name in form.fields}
    fields |= {"written_at_0": "2026-11-01", "written_at_1": "12:00:00", "rating": "2"}

    def erase(*_args: object, **_kwargs: object) -> None:  # between reading the review and saving the form
        Review.objects.filter(pk=review.pk).update(customer=None, body="")

    monkeypatch.setattr(feedback_admin, "moderate_review", erase)
    assert admin_client.post(path, fields).status_code == 404


def list_events() -> list[Any]:
    events = [(entry.additional_data or {}).get("event", "") for entry in LogEntry.objects.order_by("id")]
    return [event for event in events if event.startswith("review")]


def test_reviews_are_hidden_and_answered_over_rest_and_the_audit_log_says_so(client: Client, review: Review):
    log_in(client, "view_review", "change_review")
    path = "/api/v1/reviews/a/moderation/"
    answer = client.patch(path, {"is_published": False, "reply": " Sorry! "}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["is_published"], answer.json()["reply"]) == (False, "Sorry!")
    assert answer.json()["replied_at"]
    assert client.patch(path, {"is_published": False}, content_type="application/json").json()["reply"] == "Sorry!"
    assert list_events() == ["review.replied", "review.hidden"]
    assert [row["review_id"] for row in client.get("/api/v1/reviews/?is_published=true").json()["results"]] == ["b"]
    assert summarize_ratings(product_ids=["p1"])["p1"].count == 1
    answer = client.patch(path, {"reply": ""}, content_type="application/json").json()
    assert (answer["reply"], answer["replied_at"]) == ("", None)
    # an import of the same review changes neither
    record_reviews(items=[{"review_id": "a", "product_id": "p1", "rating": 1, "body": "New"}], received_at=NOW)
    review.refresh_from_db()
    assert (review.body, review.is_published) == ("New", False)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("reviews/none/moderation/", {}, 404),
        ("reviews/a/moderation/", {"reply": "x" * 5001}, 400),
        ("reviews/a/moderation/", {"published": True}, 400),
        ("reviews/a/moderation/", [1], 400),
        ("reviews/a/moderation/", {"is_published": "perhaps"}, 400),
    ],
)
def test_wrong_moderation_is_an_error(client: Client, review: Review, path: str, body: Any, status: int):
    log_in(client, "view_review", "change_review")
    assert client.patch(f"/api/v1/{path}", body, content_type="application/json").status_code == status


def test_who_may_only_read_cannot_moderate(client: Client, review: Review):
    log_in(client, "view_review")
    assert client.patch("/api/v1/reviews/a/moderation/", {}, content_type="application/json").status_code == 403
    url = reverse("admin:feedback_review_changelist")
    client.post(url, {"action": "hide", "_selected_action": [review.pk]})
    review.refresh_from_db()
    assert review.is_published
    assert client.get(reverse("feedback:overview")).status_code == 200


def test_the_list_hides_publishes_and_finds_unanswered_reviews(client: Client, review: Review):
    log_in(client, "view_review", "change_review")
    url = reverse("admin:feedback_review_changelist")
    client.post(url, {"action": "hide", "_selected_action": [review.pk]})
    review.refresh_from_db()
    assert not review.is_published
    client.post(url, {"action": "publish", "_selected_action": [review.pk]})
    assert list_events() == ["reviews.hidden", "reviews.published"]
    Review.objects.filter(review_id="b").update(reply="Thanks")
    assert "The lid leaks" in client.get(url, {"answered": "no"}).content.decode()
    assert "The lid leaks" not in client.get(url, {"answered": "yes"}).content.decode()


def test_a_reply_is_written_on_the_page_of_the_review(client: Client, review: Review):
    log_in(client, "view_review", "change_review")
    url = reverse("admin:feedback_review_change", args=[review.pk])
    values = {name: getattr(review, name) for name in ("review_id", "rating", "title", "body", "language")}
    moment = {"written_at_0": "2026-11-01", "written_at_1": "12:00:00"}
    answer = client.post(
        url, {**values, **moment, "product": review.product_id, "reply": "Sorry", "is_published": "on"}
    )
    assert answer.status_code == 302, answer.content.decode()[:3000]
    review.refresh_from_db()
    assert review.reply == "Sorry"
    assert review.replied_at is not None
    assert "review.replied" in list_events()


def test_a_review_edited_on_its_page_loses_what_was_computed_from_the_earlier_text_or_rating(
    client: Client, review: Review
):
    log_in(client, "view_review", "change_review")
    url = reverse("admin:feedback_review_change", args=[review.pk])
    values = {name: getattr(review, name) for name in ("review_id", "rating", "title", "body", "language")}
    values |= {"written_at_0": "2026-11-01", "written_at_1": "12:00:00", "product": review.product_id, "reply": ""}
    computed = {"sentiment": 0.9, "contradicts": True, "scored_at": NOW}

    def edit(**changes: Any) -> tuple[Any, ...]:
        Review.objects.filter(pk=review.pk).update(**computed)
        assert client.post(url, {**values, "is_published": "on", **changes}).status_code == 302
        review.refresh_from_db()
        return review.sentiment, review.contradicts, review.scored_at

    assert edit(language="de") == (0.9, True, NOW)
    assert edit(rating=5) == (0.9, False, None)
    assert edit(rating=5, body="Well made") == (None, False, None)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_pages_show_figures_and_are_closed_without_the_permission(client: Client, review: Review, language: str):
    period = "?since=2026-10-01&until=2026-11-30"
    pages = [
        reverse("feedback:overview"),
        reverse("feedback:products"),
        reverse("feedback:product", args=[review.product_id]),
        reverse("feedback:categories"),
        reverse("feedback:category", args=[review.product.category_id]),
    ]
    log_in(client)
    assert {client.get(page).status_code for page in pages} == {403}
    get_user_model().objects.all().delete()
    log_in(client, "view_review")
    client.cookies["django_language"] = language
    texts = [client.get(page + period).content.decode() for page in pages]
    assert "3.00★" in texts[0]
    assert "The lid leaks" in texts[2]
    assert "nps_score" not in texts[0], "without the permission to see customers"
    assert client.get(reverse("feedback:product", args=[10**9])).status_code == 404


def test_the_customers_of_an_answer_are_one_click_away(client: Client, review: Review):
    record_answers(items=[{"kind": "nps", "score": 3, "user_id": "ben"}], received_at=NOW)
    log_in(client, "view_review", "view_customer")
    page = client.get(reverse("feedback:overview") + "?since=2026-10-01&until=2026-11-30").content.decode()
    [url] = re.findall(r'href="([^"]*nps_score[^"]*)"', page)
    condition = json.loads(parse_qs(urlsplit(unescape(url)).query)["condition"][0])
    members = Customer.objects.filter(compile_condition(condition, as_of=NOW))
    assert list(members.values_list("identifiers__value", flat=True)) == ["ben"]


def test_a_survey_link_and_the_figures_are_available_over_rest(client: Client, review: Review):
    log_in(client, "view_review", "change_review")
    answer = client.post("/api/v1/survey-links/", {"kind": "nps", "valid_days": 7}, content_type="application/json")
    assert answer.status_code == 200
    assert "/survey/" in answer.json()["url"]
    for body in ({"kind": "nps", "user_id": "nobody"}, {"kind": "ces"}, {"kind": "nps", "valid_days": 0}):
        assert client.post("/api/v1/survey-links/", body, content_type="application/json").status_code == 400
    ada, ben = make_customer("ada"), make_customer("ben")
    for customer in (ada, ben):
        make_order(customer, order_id=f"o-{customer.pk}")
    for body, status in (
        ({"user_id": "ada", "order_id": f"o-{ada.pk}"}, 200),
        ({"user_id": "ada", "order_id": f"o-{ben.pk}"}, 400),
        ({"order_id": f"o-{ben.pk}"}, 200),
        ({"order_id": "nope"}, 400),
    ):
        answer = client.post("/api/v1/survey-links/", {"kind": "csat", **body}, content_type="application/json")
        assert answer.status_code == status
        assert status == 200 or answer.json()["errors"][0]["field"] == "order_id"
    summary = client.get("/api/v1/feedback/summary/?since=2026-10-01&until=2026-11-30").json()
    assert "reviews" in summary, summary
    assert (summary["reviews"], summary["average_rating"], summary["ratings"]["1"]) == (2, 3.0, 1)
    assert summary["nps"] == {"answers": 0, "value": None, "low": None, "high": None}
    assert client.get("/api/v1/feedback/worst-products/?since=2026-10-01&until=2026-11-30").json()["products"] == []
    for query in ("since=2026-12-01&until=2026-11-01", "since=yesterday", "until=0001-01-01"):
        assert client.get(f"/api/v1/feedback/summary/?{query}").status_code == 400


def test_the_last_month_on_the_last_day_of_a_month_is_the_month_before(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "localdate", lambda: date(2026, 11, 30))
    page = log_in(client, "view_review").get(reverse("feedback:overview"), {"range": "last_month"})
    assert page.context["dates"].range == DayRange(date(2026, 10, 1), date(2026, 10, 31))
