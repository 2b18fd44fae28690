"""Past campaigns without a holdout group: redemptions, and the spending of recipients and others before they started."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from customers.identity.models import Customer
from recommendations.past_campaigns.evidence import gather_evidence
from recommendations.past_campaigns.models import PastCampaign
from tests.makers import make_customer, make_order, make_product

pytestmark = pytest.mark.django_db
START = date(2026, 6, 1)


def place_order(customer: Customer, day: date, total: int) -> None:
    product = make_product(price=Decimal(total), currency="USD")
    make_order(customer, placed_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC), products=[product])


@pytest.fixture
def campaign() -> PastCampaign:
    """Make two recipients who spent 90 and 30 before, one of whom redeemed two coupons, and another customer who spent 20."""
    anna, bo, other, new = (make_customer() for _number in range(4))
    for customer, total in ((anna, 90), (bo, 30), (other, 20)):
        place_order(customer, START - timedelta(days=10), total)
    place_order(anna, START - timedelta(days=200), 500)  # too long ago
    place_order(anna, START + timedelta(days=2), 40)
    place_order(other, START + timedelta(days=3), 10)
    place_order(new, START + timedelta(days=3), 70)  # without an order before, in neither group
    return PastCampaign.objects.create(
        key="june",
        name="June coupons",
        kind="Type A",
        is_targeted=True,
        starts_on=START,
        ends_on=START + timedelta(days=13),
        recipient_ids=[anna.pk, bo.pk],
        redeemer_ids=[anna.pk, anna.pk],
        redemption_days=[START + timedelta(days=2)] * 2,
    )


def test_recipients_are_compared_with_others_by_what_they_spent_before(campaign: PastCampaign) -> None:
    evidence = gather_evidence(campaign, as_of=datetime(2026, 11, 24, tzinfo=UTC))
    assert (evidence.recipients.customers, evidence.others.customers) == (2, 1)
    assert (evidence.recipients.revenue_before, evidence.others.revenue_before) == (60, 20)
    assert (evidence.recipients.revenue_during, evidence.others.revenue_during) == (20, 10)
    assert evidence.ratio == 3
    assert (evidence.redeemers, evidence.redemptions, evidence.redemption_rate) == (1, 2, 0.5)
    assert (evidence.orders_with_coupon, evidence.revenue_with_coupon) == (1, 40)


def test_the_page_says_that_the_effect_is_unknown_in_both_languages(
    admin_client: Client, campaign: PastCampaign
) -> None:
    url = reverse("past_campaigns:campaign", args=[campaign.pk])
    page = admin_client.get(url).text
    assert "The effect of this campaign is unknown" in page
    assert "had already spent 3.0 times as much as other customers" in page
    assert "This campaign was targeted" in page
    verdict = admin_client.get(url, headers={"accept-language": "zh-hans"}).context["verdict"]
    assert "效果未知" in verdict
    assert "。 " not in verdict
    listed = admin_client.get(reverse("past_campaigns:list")).text
    assert "Type A, targeted" in listed
    assert "50.0%" in listed
