"""Which offer a visitor sees: segment, period, priority, frequency, holdout, language and consent."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.identity.consent.ledger import record_consent
from customers.identity.models import Consent, Customer, Identifier
from customers.segments.models import Segment, SegmentMember
from recommendations.measurement.assignment import is_held_out
from recommendations.offers.decision import OfferRequest, clear_offer_cache, decide_offer
from recommendations.offers.models import Offer, OfferExposure
from recommendations.offers.outcomes import Outcome
from recommendations.offers.queueing import show_offer
from tests.makers import NOON, make_customer, make_identifier, make_segment
from tests.recommendations.offers.makers import make_offer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_offers() -> Iterator[None]:
    clear_offer_cache()
    yield
    clear_offer_cache()


def decide(*, now: Any = NOON, **values: Any) -> tuple[str, dict[str, Outcome]]:
    """Return the key of the shown offer and the outcomes by key."""
    decision = decide_offer(request=OfferRequest("top", **values), now=now)
    return (decision.offer.key if decision.offer else ""), {offer.key: outcome for offer, outcome in decision.outcomes}


def test_the_best_offer_of_the_placement_is_shown_and_recorded() -> None:
    customer = make_customer("mei")
    make_offer("low", priority=1)
    make_offer("high", priority=5)
    make_offer("elsewhere", priority=9, placement="cart")
    make_offer("paused", priority=9, status=Offer.Status.PAUSED)
    assert decide(user_id="mei") == ("high", {"high": Outcome.SHOWN, "low": Outcome.OTHER_SHOWN})
    [exposure] = OfferExposure.objects.all()
    assert (exposure.offer.key, exposure.customer_id, exposure.arm) == ("high", customer.pk, "shown")


def test_an_offer_of_a_segment_is_shown_to_its_members_only() -> None:
    member, _other = make_customer("member"), make_customer("other")
    segment = make_segment("vips", kind="static")
    SegmentMember.objects.create(segment=segment, customer=member)
    make_offer("vip", segment=segment)
    assert decide(user_id="member")[0] == "vip"
    assert decide(user_id="other") == ("", {"vip": Outcome.NOT_IN_SEGMENT})
    assert decide(anonymous_id="unknown") == ("", {"vip": Outcome.UNKNOWN_VISITOR})


def test_a_change_of_the_customer_counts_at_once_and_a_change_of_the_condition_when_the_offers_are_read_again() -> None:
    customer = make_customer("mei", country="DE")
    segment = make_segment("germany", {"field": "country", "op": "eq", "value": "DE"})
    make_offer("german", segment=segment)
    assert decide(user_id="mei")[0] == "german"
    Customer.objects.filter(pk=customer.pk).update(country="FR")
    assert decide(user_id="mei")[1] == {"german": Outcome.NOT_IN_SEGMENT}
    Segment.objects.filter(pk=segment.pk).update(condition={"field": "country", "op": "eq", "value": "FR"})
    clear_offer_cache()
    assert decide(user_id="mei")[0] == "german"


def test_a_known_device_is_the_customer() -> None:
    member = make_customer()
    make_identifier(member, "device-1", kind=Identifier.Kind.ANONYMOUS_ID)
    make_offer("everyone-known", segment=make_segment("all"))
    assert decide(anonymous_id="device-1")[0] == "everyone-known"


def test_an_offer_is_shown_within_its_period() -> None:
    make_offer("soon", starts_at=NOON, ends_at=NOON + timedelta(days=1))
    assert decide(now=NOON - timedelta(seconds=1))[0] == ""
    assert decide(now=NOON)[0] == "soon"
    assert decide(now=NOON + timedelta(days=1))[0] == ""


def test_a_visitor_sees_an_offer_at_most_so_often_a_day_on_all_devices() -> None:
    customer = make_customer("mei")
    make_identifier(customer, "phone", kind=Identifier.Kind.ANONYMOUS_ID)
    make_offer("twice", max_shows_per_day=2)
    assert decide(user_id="mei")[0] == "twice"
    assert decide(anonymous_id="phone")[0] == "twice"
    assert decide(user_id="mei") == ("", {"twice": Outcome.SHOWN_OFTEN})
    assert decide(user_id="mei", now=NOON + timedelta(hours=24))[0] == "twice"
    assert decide(anonymous_id="someone-else")[0] == "twice"


def test_the_holdout_group_sees_the_next_offer_and_is_recorded() -> None:
    offer = make_offer("tested", priority=5, holdout_share="0.5", salt="salt")
    make_offer("other", priority=1)
    customers = [make_customer(f"user-{number}", pk=10**12 + number) for number in range(40)]
    held_out = [
        customer
        for customer in customers
        if is_held_out(salt=offer.salt, customer_id=customer.pk, share=Decimal("0.5"))
    ]
    assert 5 < len(held_out) < 35
    for number, customer in enumerate(customers):
        assert decide(user_id=f"user-{number}")[0] == ("other" if customer in held_out else "tested")
    arms = OfferExposure.objects.filter(offer=offer, arm="held_out").values_list("customer_id", flat=True)
    assert set(arms) == {customer.pk for customer in held_out}


def test_a_device_keeps_its_group_when_it_becomes_known_as_a_customer() -> None:
    make_offer("tested", holdout_share="0.5", salt="salt")
    first = {name: decide(anonymous_id=name)[0] for name in (f"device-{number}" for number in range(12))}
    assert set(first.values()) == {"tested", ""}
    for name in first:
        make_identifier(make_customer(), name, kind=Identifier.Kind.ANONYMOUS_ID)
    later = {name: decide(anonymous_id=name, now=NOON + timedelta(days=30))[0] for name in first}
    assert later == first


def test_an_individual_offer_needs_to_be_queued_and_expires() -> None:
    customer = make_customer("mei")
    offer = make_offer("personal", is_individual=True)
    assert decide(user_id="mei") == ("", {"personal": Outcome.NOT_QUEUED})
    values = {"customer_id": customer.pk, "offer": offer, "origin_kind": "flow", "origin_id": 7, "now": NOON}
    assert show_offer(expires_at=NOON + timedelta(days=2), **values)
    assert not show_offer(expires_at=NOON + timedelta(days=9), **values), "the same step again"
    assert decide(user_id="mei")[0] == "personal"
    assert decide(user_id="mei", now=NOON + timedelta(days=2))[0] == ""
    make_customer("other")
    assert decide(user_id="other")[0] == ""


def test_who_declines_personalization_sees_only_offers_for_everyone_and_is_not_recorded() -> None:
    customer = make_customer("mei")
    make_offer("known", segment=make_segment("all"), priority=5)
    make_offer("everyone")
    record_consent(customer=customer, purpose=Consent.Purpose.PERSONALISATION, status="withdrawn", recorded_at=NOON)
    assert decide(user_id="mei", anonymous_id="device-1")[0] == "everyone"
    assert list(OfferExposure.objects.values_list("customer_id", "anonymous_id")) == [(None, "")]


@pytest.mark.parametrize(("language", "title"), [("zh-hans", "大促"), ("en", "Sale"), ("fr", "Sale")])
def test_the_content_is_in_the_language_of_the_page_else_in_english(language: str, title: str) -> None:
    make_offer(titles={"en": "Sale", "zh-hans": "大促"})
    decision = decide_offer(request=OfferRequest("top", language=language), now=NOON)
    assert decision.offer is not None
    assert decision.offer.title == title


def test_a_preview_records_nothing() -> None:
    make_offer("seen")
    decision = decide_offer(request=OfferRequest("top", anonymous_id="device-1"), now=NOON, is_recorded=False)
    assert decision.offer is not None
    assert not OfferExposure.objects.exists()


def test_a_decision_takes_few_queries_however_many_offers_there_are() -> None:
    make_customer("mei")
    for number in range(12):
        make_offer(priority=number, segment=make_segment(f"segment-{number}", {"not": {"all": []}}))
    make_offer("last", priority=-1)
    decide(user_id="mei")  # reads the offers
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert decide(user_id="mei")[0] == "last"
    assert len(queries) <= 4, [query["sql"][:100] for query in queries]
    with CaptureQueriesContext(connection) as queries:
        assert decide_offer(request=OfferRequest("nowhere"), now=NOON).offer is None
        decide_offer(request=OfferRequest("nowhere"), now=NOON)
    assert len(queries) == 1, "an empty placement is remembered"


def test_an_offer_that_is_deleted_while_it_is_shown_is_left_out() -> None:
    make_customer("mei")
    deleted, other = make_offer("deleted", priority=5), make_offer("other", priority=1)
    assert decide(user_id="mei", now=NOON - timedelta(days=2))[0] == "deleted"
    Offer.objects.filter(pk=deleted.pk).delete()  # by another process: this one still has the list of running offers
    assert decide(user_id="mei") == ("", {"deleted": Outcome.SHOWN, "other": Outcome.OTHER_SHOWN})
    assert not OfferExposure.objects.exists()
    clear_offer_cache()
    assert decide(user_id="mei")[0] == other.key
