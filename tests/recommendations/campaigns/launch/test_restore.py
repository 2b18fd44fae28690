"""A restore of a backup: campaigns and flows that were due since the backup queue their messages, which can be canceled."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommendations.flows.models import FlowEntry
from recommendations.flows.tasks import run_flows
from recommendations.sending.models import Delivery, SendingHold
from recommendations.sending.restores.hold import hold_sending, is_sending_held, list_waiting_messages, resume_sending
from tests.makers import make_segment
from tests.recommendations.campaigns.makers import make_campaign, make_reachable
from tests.recommendations.flows.makers import make_live_flow, message, run, signal, wait
from tests.recommendations.flows.makers import make_template as make_flow_template

pytestmark = pytest.mark.django_db


def test_what_campaigns_and_flows_would_send_a_second_time_is_listed_and_canceled() -> None:
    restored_at = timezone.now() - timedelta(hours=1)
    backup_at = restored_at - timedelta(hours=10)
    customers = make_reachable(2)
    # due an hour after the backup, as in the backup: the run has not started, and the wait of the flow has not ended
    campaign = make_campaign(
        make_segment("everyone"),
        status="scheduled",
        holdout_share=0,
        next_run_at=backup_at + timedelta(hours=1),
        next_scheduled_for=backup_at + timedelta(hours=1),
    )
    make_flow_template()
    make_live_flow([wait("w", hours=1), message("m")], now=backup_at - timedelta(hours=1))
    signal(customers[0].pk, at=backup_at)
    run(backup_at)
    assert FlowEntry.objects.get().status == "active"
    hold_sending(backup_at=backup_at, restored_at=restored_at)

    run_flows()
    [flow_message] = Delivery.objects.filter(origin_kind="flow")
    assert flow_message.due_at == restored_at
    assert [waiting.origin_kind for waiting in list_waiting_messages(until=restored_at)] == ["flow"]

    # an event of the shop after the restore: its message is sent
    signal(customers[1].pk, at=timezone.now())
    resume_sending(cancel_due=True)
    assert not is_sending_held()
    assert campaign.runs.count() == 1
    statuses = Delivery.objects.order_by("origin_kind", "customer_id").values_list("origin_kind", "status")
    assert list(statuses) == [("campaign", "canceled"), ("campaign", "canceled"), ("flow", "canceled")]
    assert not SendingHold.objects.exists()
    run_flows()
    assert set(FlowEntry.objects.filter(status="active").values_list("customer_id", flat=True)) == {customers[1].pk}
