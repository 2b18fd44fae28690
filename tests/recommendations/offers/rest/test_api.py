"""REST of offers: who may ask for whom, reasons for secret keys only, clicks, and managing offers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from customers.events.sources.user_tokens import clear_token_key_cache, create_user_token, generate_token_key
from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.editing import pause_offer
from recommendations.offers.models import Offer, OfferExposure
from recommendations.offers.rest.api import OfferDetail
from tests.config.access.callers import make_client, make_key
from tests.makers import make_customer, make_segment, make_source
from tests.recommendations.offers.makers import make_offer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    clear_offer_cache()
    clear_token_key_cache()
    yield
    clear_offer_cache()
    clear_token_key_cache()


@pytest.fixture
def offer() -> Offer:
    make_customer("mei")
    return make_offer("welcome", segment=make_segment("all"))


def get_offer(client: Client, path: str = "customers/mei/offers/", **headers: str) -> dict[str, Any]:
    response = client.get(f"/api/v1/{path}?placement=top", headers=headers)
    assert response.status_code == 200, response.content
    return response.json()


def test_a_secret_key_gets_the_offer_and_the_reasons(offer: Offer) -> None:
    answer = get_offer(make_client("campaigns:read"))
    assert answer["offer"]["title"] == "welcome"
    assert answer["reasons"] == [{"offer": "welcome", "outcome": "shown", "text": "shown"}]
    assert "name" not in answer["offer"]


def test_a_browser_needs_the_customers_token(offer: Offer) -> None:
    source = make_source("site", kind="browser")
    key = generate_token_key(source)
    source.save()
    clear_token_key_cache()
    browser = make_client(kind="publishable")
    unverified = get_offer(browser)
    assert (unverified["offer"], unverified["identity"]) == (None, "unverified")
    token = create_user_token(key=key, user_id="mei", now=datetime.now(UTC))
    verified = get_offer(browser, **{"X-User-Token": token})
    assert verified["offer"]["key"] == "welcome"
    assert "reasons" not in verified
    other = create_user_token(key=key, user_id="someone-else", now=datetime.now(UTC))
    assert get_offer(browser, **{"X-User-Token": other})["offer"] is None


def test_a_visitor_sees_what_is_for_everyone(offer: Offer) -> None:
    make_offer("hello")
    browser = make_client(kind="publishable")
    shown = get_offer(browser, "visitors/device-1/offers/")
    assert shown["offer"]["key"] == "hello"
    exposure = OfferExposure.objects.get()
    assert exposure.anonymous_id == "device-1"
    path = f"/api/v1/offers/exposures/{shown['offer']['exposure_id']}/"
    assert browser.post(path, {"reaction": "clicked"}, content_type="application/json").status_code == 204
    exposure.refresh_from_db()
    assert exposure.clicked_at is not None
    assert browser.post(path, {"reaction": "eaten"}, content_type="application/json").status_code == 400
    unknown = f"/api/v1/offers/exposures/{'0' * 8}-0000-4000-8000-{'0' * 12}/"
    assert browser.post(unknown, {"reaction": "clicked"}, content_type="application/json").status_code == 404


def test_wrong_parameters_are_named(offer: Offer) -> None:
    client = make_client("campaigns:read")
    response = client.get("/api/v1/visitors/device-1/offers/?plcement=top")
    assert response.status_code == 400
    assert {error["field"] for error in response.json()["errors"]} >= {"plcement"}


def test_pages_of_the_keys_origin_may_read_offers(offer: Offer) -> None:
    plain = make_key(kind="publishable", allowed_origins=["https://shop.example"])[1]
    headers = {"Authorization": f"Bearer {plain}", "origin": "https://shop.example"}
    for path in ("customers/mei/offers/", "visitors/device-1/offers/"):
        response = Client().get(f"/api/v1/{path}?placement=top", headers=headers)
        assert response["Access-Control-Allow-Origin"] == "https://shop.example", path
    assert "Access-Control-Allow-Origin" not in Client().get("/api/v1/customers/mei/", headers=headers)


def test_an_offer_can_be_made_started_and_paused(offer: Offer) -> None:
    client = make_client("campaigns:read", "campaigns:write")
    contents = [{"language": "en", "title": "Sale"}]
    body = {"key": "sale", "name": "Sale", "placement": "cart", "holdout_share": "0", "contents": contents}
    created = client.post("/api/v1/offers/", body, content_type="application/json")
    assert created.status_code == 201, created.content
    assert created.json()["status"] == "draft"
    assert client.post("/api/v1/offers/sale/start/", content_type="application/json").json()["status"] == "running"
    assert get_offer(client, "visitors/device-1/offers/")["offer"] is None, "another placement"
    shown = client.get("/api/v1/visitors/device-1/offers/?placement=cart").json()
    assert shown["offer"]["title"] == "Sale"
    assert client.post("/api/v1/offers/sale/pause/", content_type="application/json").json()["status"] == "paused"
    results = client.get("/api/v1/offers/sale/results/").json()
    assert (results["shows"], results["clicks"], results["difference"]) == (1, 0, None)
    wrong = client.patch(
        "/api/v1/offers/sale/", {"contents": [{"language": "en", "title": "A"}] * 2}, content_type="application/json"
    )
    assert wrong.status_code == 400
    untitled = client.patch(
        "/api/v1/offers/sale/", {"contents": [{"language": "en", "text": "A"}]}, content_type="application/json"
    )
    assert (untitled.status_code, untitled.json()["errors"][0]["field"]) == (400, "contents")
    empty = client.post(
        "/api/v1/offers/", {"key": "empty", "name": "Empty", "contents": []}, content_type="application/json"
    )
    assert empty.status_code == 201
    refused = client.post("/api/v1/offers/empty/start/", content_type="application/json")
    assert refused.status_code == 409
    assert "content" in refused.json()["detail"]


def test_an_offer_that_is_paused_while_it_is_changed_stays_paused(
    offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_offer = OfferDetail.get_object

    def find_before_pausing(view: OfferDetail) -> Offer:
        found = find_offer(view)
        pause_offer(offer=Offer.objects.get(pk=found.pk))
        Offer.objects.update(priority=7)
        return found

    monkeypatch.setattr(OfferDetail, "get_object", find_before_pausing)
    client = make_client("campaigns:read", "campaigns:write")
    changed = client.patch("/api/v1/offers/welcome/", {"name": "Hello"}, content_type="application/json").json()
    assert (changed["name"], changed["status"], changed["priority"]) == ("Hello", "paused", 7)
    offer.refresh_from_db()
    assert (offer.name, offer.status, offer.priority) == ("Hello", "paused", 7)


def test_a_draft_cannot_be_paused(offer: Offer) -> None:
    make_offer("sale", status=Offer.Status.DRAFT)
    make_offer("over", status=Offer.Status.ENDED)
    client = make_client("campaigns:write")
    refused = client.post("/api/v1/offers/sale/pause/", content_type="application/json")
    assert (refused.status_code, refused.json()["detail"]) == (409, "Only a running offer can be paused.")
    assert client.post("/api/v1/offers/over/pause/", content_type="application/json").json()["status"] == "ended"
    assert client.post("/api/v1/offers/welcome/pause/", content_type="application/json").json()["status"] == "paused"
    assert client.post("/api/v1/offers/welcome/pause/", content_type="application/json").json()["status"] == "paused"
    assert Offer.objects.get(key="sale").status == Offer.Status.DRAFT


def test_a_publishable_key_cannot_list_offers(offer: Offer) -> None:
    assert make_client(kind="publishable").get("/api/v1/offers/").status_code == 403
