"""Campaigns › On-site offers: the list, the page of an offer, start and pause, and who may use them."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.demo.offers import ensure_demo_offer
from recommendations.offers.backoffice.admin import OfferAdmin
from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.editing import pause_offer
from recommendations.offers.models import Offer, OfferExposure
from tests.makers import make_customer
from tests.recommendations.offers.makers import make_offer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_offers() -> Iterator[None]:
    clear_offer_cache()
    yield
    clear_offer_cache()


@pytest.fixture
def marketer(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


def test_the_list_links_to_each_offer_and_says_what_to_do_without_one(marketer: Client) -> None:
    empty = marketer.get(reverse("onsite_offers:list")).text
    assert "No offers yet" in empty
    assert reverse("onsite:install") in empty
    reader = Client()
    reader.force_login(User.objects.create_user("reader", is_staff=True))
    User.objects.get(username="reader").user_permissions.set(Permission.objects.filter(codename="view_offer"))
    empty = reader.get(reverse("onsite_offers:list")).text
    assert "No offers yet" in empty
    assert reverse("onsite:install") not in empty, "only users who may see sources may open it"
    offer = make_offer("sale")
    page = marketer.get(reverse("onsite_offers:list")).content.decode()
    assert reverse("onsite_offers:offer", args=[offer.pk]) in page
    assert "1 offer is running." in page
    assert re.search(r">\s*place\b", page), "placements are those of recommendations"
    page = marketer.get(reverse("onsite_offers:offer", args=[offer.pk])).content.decode()
    assert f"Place: {offer.placement}" in page


def test_an_offer_is_started_and_paused_and_needs_a_content(marketer: Client) -> None:
    offer = make_offer("sale", status=Offer.Status.DRAFT)
    start, pause = (reverse(f"onsite_offers:{name}", args=[offer.pk]) for name in ("start", "pause"))
    assert "The offer is running" in marketer.post(start, follow=True).content.decode()
    offer.refresh_from_db()
    assert offer.status == Offer.Status.RUNNING
    marketer.post(pause)
    offer.refresh_from_db()
    assert offer.status == Offer.Status.PAUSED
    draft = make_offer("draft", status=Offer.Status.DRAFT)
    page = marketer.post(reverse("onsite_offers:pause", args=[draft.pk]), follow=True).content.decode()
    assert "Only a running offer can be paused" in page
    offer.contents.all().delete()
    assert "Add content" in marketer.post(start, follow=True).content.decode()
    make_offer("over", ends_at=timezone.now() - timedelta(days=1))
    over = reverse("onsite_offers:start", args=[Offer.objects.get(key="over").pk])
    assert "in the past" in marketer.post(over, follow=True).content.decode()


def test_a_customer_can_be_tried_without_counting(marketer: Client) -> None:
    make_customer("mei")
    offer = make_offer("sale", is_individual=True)
    page = marketer.get(reverse("onsite_offers:offer", args=[offer.pk]), {"user_id": "mei"}).content.decode()
    assert "nobody has queued this offer" in page
    assert "No customer has this user ID" not in page
    url = reverse("onsite_offers:offer", args=[make_offer("banner").pk])
    mistyped = marketer.get(url, {"user_id": "mie"}).content.decode()
    assert "No customer has this user ID. An unknown visitor would see:" in mistyped
    form = marketer.get(reverse("admin:offers_offer_change", args=[offer.pk])).content.decode()
    assert "Only customers for whom a flow has queued this offer see it." in form, "no operation of the API queues one"
    assert not OfferExposure.objects.exists()


def build_form(**fields: str) -> dict[str, str]:
    """Return what a browser sends from the form of an offer with both languages."""
    return {
        "name": "Sale",
        "key": "sale",
        "placement": "top",
        "priority": "0",
        "max_shows_per_day": "3",
        "holdout_share": "0.1",
        "contents-TOTAL_FORMS": "2",
        "contents-INITIAL_FORMS": "0",
        "contents-MIN_NUM_FORMS": "0",
        "contents-MAX_NUM_FORMS": "2",
        "contents-0-language": "en",
        "contents-0-title": "Sale",
        "contents-1-language": "zh-hans",
        "contents-1-title": "大促",
        "_save": "Save",
        **fields,
    }


def test_an_offer_is_made_with_both_languages(marketer: Client) -> None:
    response = marketer.post(reverse("admin:offers_offer_add"), build_form())
    offer = Offer.objects.get()
    assert response["Location"] == reverse("onsite_offers:offer", args=[offer.pk])
    assert {content.title for content in offer.contents.all()} == {"Sale", "大促"}
    assert offer.status == Offer.Status.DRAFT


def test_an_offer_in_one_language_is_saved_with_the_empty_block_of_another(marketer: Client) -> None:
    fields = {"contents-1-language": "en", "contents-1-title": ""}  # a browser always sends a language
    marketer.post(reverse("admin:offers_offer_add"), build_form(**fields))
    offer = Offer.objects.get()
    assert [content.title for content in offer.contents.all()] == ["Sale"]
    missing = {"contents-1-language": "zh-hans", "contents-1-title": "", "contents-1-text": "全场八折"}
    url = reverse("admin:offers_offer_change", args=[offer.pk])
    assert b"This field is required." in marketer.post(url, build_form(**missing)).content


def test_an_offer_that_a_colleague_pauses_while_it_is_edited_stays_paused(
    marketer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = make_offer("sale")
    offer.contents.all().delete()
    find_offer = OfferAdmin.get_object

    def find_before_pausing(*arguments: Any) -> Offer | None:
        found = find_offer(*arguments)
        pause_offer(offer=Offer.objects.get(pk=offer.pk))
        return found

    monkeypatch.setattr(OfferAdmin, "get_object", find_before_pausing)
    url = reverse("admin:offers_offer_change", args=[offer.pk])
    assert marketer.post(url, build_form(name="Later", priority="5")).status_code == 302
    offer.refresh_from_db()
    assert (offer.name, offer.priority, offer.status) == ("Later", 5, "paused")
    assert offer.contents.count() == 2


def test_only_an_offer_that_was_never_started_can_be_deleted(marketer: Client) -> None:
    draft, started = make_offer("draft", status=Offer.Status.DRAFT), make_offer("started", started_at=timezone.now())
    for offer, status in ((draft, 302), (started, 403)):
        url = reverse("admin:offers_offer_delete", args=[offer.pk])
        assert marketer.post(url, {"post": "yes"}).status_code == status
    chosen = {"action": "delete_selected", "_selected_action": [started.pk], "post": "yes"}
    marketer.post(reverse("admin:offers_offer_changelist"), chosen)
    assert list(Offer.objects.values_list("key", flat=True)) == ["started"]


def test_readers_may_look_but_not_start(client: Client) -> None:
    offer = make_offer("sale")
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_offer"))
    client.force_login(viewer)
    page = client.get(reverse("onsite_offers:offer", args=[offer.pk]))
    assert page.status_code == 200
    assert reverse("onsite_offers:pause", args=[offer.pk]) not in page.content.decode()
    assert client.post(reverse("onsite_offers:pause", args=[offer.pk])).status_code == 403
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(reverse("onsite_offers:list")).status_code == 403


def test_the_demo_has_an_offer_in_both_languages() -> None:
    assert ensure_demo_offer(now=timezone.now())
    assert not ensure_demo_offer(now=timezone.now())
    assert {content.language for content in Offer.objects.get().contents.all()} == {"en", "zh-hans"}
