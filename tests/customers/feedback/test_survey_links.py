"""Survey links: signed, expiring, one answer each, nothing stored by opening them."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from customers.feedback.models import SurveyAnswer
from customers.feedback.survey_links.links import InvalidSurveyLinkError, make_survey_link, read_survey_link
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer
from customers.subscriptions import limits
from customers.subscriptions.requests import SubscriptionRequest, make_token
from tests.makers import make_customer, make_order, make_product

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]  # answers are counted per connection


def make_path(kind: str = "nps", *, days: int = 30, **values) -> str:
    url = make_survey_link(
        kind=kind, **{"customer_id": None, **values}, expires_at=timezone.now() + timedelta(days=days)
    )
    return urlsplit(url).path


def test_the_answer_of_a_link_is_stored_with_customer_and_order_and_can_be_changed(client: Client):
    customer = make_customer("ann")
    order = make_order(customer, products=[make_product()], order_id="o-1")
    path = make_path(customer_id=customer.pk, order_id="o-1", language="zh-hans")
    page = client.get(path)
    assert page.status_code == 200
    assert "推荐给朋友" in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    assert client.post(path, {"score": "9", "comment": "好"}).status_code == 200
    assert client.post(path, {"score": "6", "comment": "等太久"}).status_code == 200
    answer = SurveyAnswer.objects.get()
    assert (answer.customer, answer.order, answer.kind, answer.score, answer.comment) == (
        customer,
        order,
        "nps",
        6,
        "等太久",
    )
    assert "等太久" in client.get(path).content.decode()


def test_opening_a_link_stores_nothing_even_with_a_score(client: Client):
    path = make_path("csat")
    page = client.get(path, {"score": "4"}).content.decode()
    client.head(path)
    assert 'value="4" required checked' in page
    assert "<script" not in page
    assert not SurveyAnswer.objects.exists()


@pytest.mark.parametrize(
    ("kind", "score"), [("nps", "11"), ("nps", ""), ("csat", "0"), ("csat", "4.5"), ("nps", "-1"), ("nps", "٣")]
)
def test_a_score_that_the_survey_does_not_have_is_an_error_on_the_page(client: Client, kind: str, score: str):
    answer = client.post(make_path(kind), {"score": score, "comment": "keep this"})
    assert answer.status_code == 400
    assert "Please choose a number." in answer.content.decode()
    assert "keep this" in answer.content.decode()
    assert not SurveyAnswer.objects.exists()


def test_changed_expired_and_foreign_links_are_gone(client: Client):
    path = make_path()
    token = path.rstrip("/").rpartition("/")[2]
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    foreign = make_token(SubscriptionRequest("a@b.example", "footer", "", "en", timezone.now()))
    for other in (changed, foreign, "x", "x" * 3000):
        for send in (client.get, client.post):
            page = send(f"/survey/{other}/", {"score": "9"})
            assert page.status_code == 410
            assert "The link is incomplete or has expired." in page.content.decode()
    assert client.post(make_path(days=-1), {"score": "9"}).status_code == 410
    assert not SurveyAnswer.objects.exists()
    link = read_survey_link(token, now=timezone.now())
    with pytest.raises(InvalidSurveyLinkError):
        read_survey_link(token, now=link.expires_at)


def test_the_form_works_in_browsers_that_send_no_origin_because_the_page_sends_no_referrer():
    strict = Client(enforce_csrf_checks=True)
    path = make_path()
    assert not strict.get(path).cookies
    assert strict.post(path, {"score": "9"}, headers={"Origin": "null"}).status_code == 200
    assert SurveyAnswer.objects.get().score == 9


def test_answers_follow_merged_customers_and_end_with_erased_ones(client: Client):
    ann, bo = make_customer("ann"), make_customer("bo")
    path = make_path(customer_id=bo.pk)
    merge_customers(pairs=[(ann.pk, bo.pk)], at=NOW, causes=["test"])
    client.post(path, {"score": "10"})
    assert SurveyAnswer.objects.get().customer == ann
    Customer.objects.filter(pk=ann.pk).update(erased_at=NOW)
    assert client.post(path, {"score": "1"}).status_code == 410
    assert SurveyAnswer.objects.get().score == 10


def test_a_connection_that_answers_too_often_has_to_wait(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "WINDOW_SECONDS", 10**9)  # an hour of the clock may end meanwhile
    path = make_path()
    answers = [client.post(path, {"score": "9"}) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert 0 < int(answers[-1]["Retry-After"]) <= limits.WINDOW_SECONDS
