"""People whose one account is held out of a campaign while a message to the other one waits, and who are merged then."""

from datetime import timedelta
from decimal import Decimal

import pytest

from customers.identity.merging.merge import merge_customers
from recommendations.campaigns.launch.transitions import launch
from recommendations.campaigns.models import Campaign
from recommendations.measurement.models import Assignment
from recommendations.sending.models import Delivery
from recommendations.sending.sender import SendingWorker
from tests.makers import NOON
from tests.recommendations.campaigns.makers import make_campaign, make_reachable

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def launch_and_merge(*, keeps_held_out: bool) -> tuple[Campaign, int]:
    """Launch a campaign to six customers, merge one who is held out with a recipient, and decide; return the customer that is kept."""
    make_reachable(6)
    campaign = make_campaign()
    launch(campaign, by=None, now=NOON)
    groups = dict(Assignment.objects.order_by("-customer_id").values_list("is_held_out", "customer_id"))
    kept, merged = groups[keeps_held_out], groups[not keeps_held_out]
    merge_customers(pairs=[(kept, merged)], at=NOON + MINUTE, causes=["test"])
    return campaign, kept


def decide() -> None:
    worker = SendingWorker(now=NOON + 2 * MINUTE)
    worker.decide_chunk(100)
    worker.abandon()


@pytest.mark.parametrize("keeps_held_out", [True, False])
def test_whoever_is_held_out_under_one_account_gets_no_message_under_the_other(keeps_held_out: bool) -> None:
    _campaign, kept = launch_and_merge(keeps_held_out=keeps_held_out)
    decide()
    reasons = set(Delivery.objects.filter(customer_id=kept).values_list("status", "skip_reason"))
    assert reasons == {("skipped", "holdout")}
    assert Delivery.objects.filter(status="sending").count() == Assignment.objects.filter(is_held_out=False).count() - 1


def test_whoever_got_the_message_before_being_held_out_elsewhere_stays_a_recipient() -> None:
    _campaign, kept = launch_and_merge(keeps_held_out=False)
    Assignment.objects.filter(customer_id=kept, is_held_out=True).update(assigned_at=NOON + MINUTE)
    decide()
    assert Delivery.objects.get(customer_id=kept).status == "sending"


def test_another_campaign_is_not_concerned() -> None:
    _campaign, kept = launch_and_merge(keeps_held_out=False)
    other = make_campaign(holdout_share=Decimal(0))
    launch(other, by=None, now=NOON + MINUTE)
    decide()
    assert Delivery.objects.get(customer_id=kept, origin_id=other.runs.get().pk).status == "sending"
