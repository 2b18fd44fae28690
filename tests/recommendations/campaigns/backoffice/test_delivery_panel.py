"""The messages of a customer: what was sent, what happened to it, and what was skipped and why."""

from datetime import timedelta

import pytest

from recommendations.campaigns.backoffice.delivery_panel import list_deliveries
from recommendations.campaigns.launch.transitions import launch
from recommendations.sending.models import Delivery
from tests.makers import NOON
from tests.recommendations.campaigns.makers import make_campaign, make_reachable, update_deliveries


@pytest.mark.django_db
def test_a_customer_sees_every_message_and_skip_with_its_reason() -> None:
    customers = {customer.pk: customer for customer in make_reachable(6)}
    campaign = make_campaign(name="Spring")
    launch(campaign, by=None, now=NOON)
    opened = NOON + timedelta(hours=1)
    update_deliveries(
        "status = 'delivered', sent_at = %s, machine_opened_at = %s WHERE status = 'pending'", NOON, opened
    )
    held_out = Delivery.objects.filter(skip_reason="holdout").values_list("customer_id", flat=True)[0]
    sent = Delivery.objects.filter(status="delivered").values_list("customer_id", flat=True)[0]
    [line] = list_deliveries(customers[held_out], NOON)
    assert (line.origin, line.outcome, line.reason, line.message_url) == (
        "Spring",
        "Skipped",
        "In the holdout group",
        "",
    )
    [line] = list_deliveries(customers[sent], NOON)
    assert (line.outcome, line.reason, line.opened_at, line.is_machine_open) == ("Delivered", "", opened, True)
