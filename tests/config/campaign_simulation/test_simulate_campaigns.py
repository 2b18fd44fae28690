"""``manage.py simulate_campaigns``: the results of campaigns with a known effect, sent by the real code and removed again."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from config.campaign_simulation.models import SimulatedTruth
from customers.identity.models import Customer
from customers.orders.models import Order
from recommendations.campaigns.models import Campaign
from recommendations.sending.models import Delivery, OutboxMessage
from tests.makers import make_customer
from tests.recommendations.trainings import use_fixed_ids

pytestmark = pytest.mark.django_db
OPTIONS = {"customers": 150, "campaigns": 2, "effect": 0.1, "seed": 5, "days": 60, "holdout": 0.6, "verbosity": 0}


def simulate(**options: object) -> str:
    out = StringIO()
    call_command("simulate_campaigns", stdout=out, **{**OPTIONS, **options})
    return out.getvalue()


def test_results_are_compared_with_the_truth_and_everything_can_be_removed() -> None:
    real = make_customer("real-person")
    with pytest.raises(CommandError, match=r"1 customers and 0 orders that are not simulated"):
        simulate()
    with use_fixed_ids():  # the IDs decide who is in the holdout group, and so whether the interval has the true effect
        text = simulate(force=True)
    line = json.loads(text.splitlines()[-1])
    first, second = SimulatedTruth.objects.order_by("run__started_at")
    assert first.customers == 150
    assert (line["campaigns"], line["covered"]) == (2, int(bool(first.is_covered)) + int(bool(second.is_covered)))
    assert first.conversion == pytest.approx(0.1, abs=0.001)
    assert first.low is not None
    assert first.low < first.conversion < first.high  # type: ignore[operator]
    assert "simulated-campaign-1: true effect +10.00 points" in text
    campaign = Campaign.objects.get(key="simulated-campaign-1")
    assert (campaign.status, campaign.is_simulated) == ("ended", True)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"delivered", "skipped"}
    assert not OutboxMessage.objects.exists()
    assert set(Order.objects.values_list("source__is_simulated", flat=True)) == {True}
    with pytest.raises(CommandError, match="--remove"):
        simulate(force=True)
    assert simulate(remove=True).startswith("Removed: ")
    assert list(Customer.objects.all()) == [real]
    assert not Campaign.objects.exists()
    assert not Order.objects.exists()
    assert not Delivery.objects.exists()


def test_a_dry_run_describes_the_customers_and_stores_nothing() -> None:
    text = simulate(dry_run=True)
    assert "persuadable: " in text
    assert not Customer.objects.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"customers": 5}, "--customers 5"), ({"holdout": 1.0}, "--holdout"), ({"effect": 0.9}, "choose one from 0 to")],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        simulate(dry_run=True, **options)
