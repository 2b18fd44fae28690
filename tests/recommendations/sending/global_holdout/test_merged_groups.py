"""People whose two customers are in different groups of the global holdout: the sender and the report agree on the kept one."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer
from recommendations.measurement.assignment import is_held_out
from recommendations.sending.global_holdout.measuring import measure_months
from recommendations.sending.models import Delivery, GlobalHoldoutChange, GlobalHoldoutResult, SendingSettings
from recommendations.sending.queue import queue_audience
from recommendations.sending.sender import send_due
from tests.makers import NOON, make_consent, make_customer
from tests.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db
SHARE, SALT = Decimal("0.5"), "salt"


def queue_all(origin_id: int) -> None:
    queue_audience(
        origin_kind="campaign",
        origin_id=origin_id,
        customers=Customer.objects.all(),
        template_version_id=1,
        channel="email",
        due_at=NOON,
    )


def measure_december() -> dict[str, int]:
    """Return the customers of both groups in the month after NOON."""
    measure_months(as_of=NOON + timedelta(days=20), everything=True)
    groups = GlobalHoldoutResult.objects.get(month=date(2026, 12, 1)).groups
    return {name: group["n"] for name, group in groups.items()}


@pytest.mark.parametrize("keeps_held_out", [True, False])
def test_pending_messages_follow_the_group_of_the_kept_customer(smtp_sink: SmtpSink, keeps_held_out: bool) -> None:
    SendingSettings(global_holdout_share=SHARE, global_holdout_salt=SALT).save()
    GlobalHoldoutChange.objects.update(changed_at=NOON)
    pair: dict[bool, Customer] = {}
    while len(pair) < 2:
        customer = make_customer(email=f"c{Customer.objects.count()}@shop.example")
        if pair.setdefault(is_held_out(salt=SALT, customer_id=customer.pk, share=SHARE), customer) != customer:
            customer.delete()
        else:
            make_consent(customer)
    Customer.objects.update(created_at=NOON)
    kept, merged = pair[keeps_held_out].pk, pair[not keeps_held_out].pk
    queue_all(1)
    [merge_id] = merge_customers(pairs=[(kept, merged)], at=NOON, causes=["test"])
    send_due(now=NOON)
    queue_all(2)
    send_due(now=NOON)
    assert len(smtp_sink.mails) == (0 if keeps_held_out else 2)
    assert Delivery.objects.get(origin_id=2).skip_reason == ("global_holdout" if keeps_held_out else "")
    assert measure_december() == {"marketing": int(not keeps_held_out), "holdout": int(keeps_held_out)}
    revert_merge(merge_id=merge_id, at=NOON, by="test")
    queue_all(3)
    send_due(now=NOON)
    reasons = dict(Delivery.objects.filter(origin_id=3).values_list("customer_id", "skip_reason"))
    assert reasons == {pair[True].pk: "global_holdout", pair[False].pk: ""}
    assert measure_december() == {"marketing": 1, "holdout": 1}
