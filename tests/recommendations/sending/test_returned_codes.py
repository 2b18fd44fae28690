"""Messages that are not sent give their coupon codes back; those that a server got keep them."""

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer
from recommendations.messaging.coupons.claims import claim_codes
from recommendations.messaging.coupons.pools import add_codes
from recommendations.messaging.models import CouponCode, CouponPool
from recommendations.sending.models import Delivery
from recommendations.sending.queue import cancel, pause, queue_audience, resume, send_again
from recommendations.sending.recording import write_results
from recommendations.sending.sender import send_due
from recommendations.sending.transport.journal import SendResult
from tests.makers import NOON
from tests.recommendations.sending.fakes import FakeChoices, FakeTemplate, make_subscriber
from tests.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db


class CouponChoices(FakeChoices):
    """The choices of a message with a code."""

    def __init__(self, coupons: Mapping[str, str]) -> None:
        self.coupons = coupons
        super().__init__("" if coupons else "coupons_used_up")

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"coupons": dict(self.coupons)}


@pytest.fixture(autouse=True)
def pool(fake_rendering: SimpleNamespace) -> CouponPool:
    """Make a pool of two codes, of which every message needs one."""

    def choose(compiled: Any, recipients: Any, *, now: datetime, deliveries: Mapping[int, int]) -> dict[int, Any]:
        claimants = {delivery_id: customer_id for customer_id, delivery_id in deliveries.items()}
        codes = claim_codes(pool_keys=["welcome"], deliveries=claimants, now=now)
        return {key: CouponChoices(codes.get(deliveries[key], {})) for key in recipients}

    fake_rendering.choose = choose
    pool = CouponPool.objects.create(key="welcome", name="Welcome")
    add_codes(pool=pool, codes=["W-1", "W-2"])
    return pool


def queue_all(origin_id: int = 1) -> None:
    queue_audience(
        origin_kind="campaign",
        origin_id=origin_id,
        customers=Customer.objects.all(),
        template_version_id=1,
        channel="email",
        due_at=NOON,
    )


def read_claimed() -> list[str]:
    claimed = CouponCode.objects.filter(claimed_at__isnull=False).order_by("id")
    codes = list(claimed.values_list("code", flat=True))
    assert CouponPool.objects.get().claimed_count == len(codes)
    return codes


def test_the_code_of_a_message_that_cannot_be_rendered_is_given_to_another(
    fake_rendering: SimpleNamespace, smtp_sink: SmtpSink
) -> None:
    class BrokenTemplate(FakeTemplate):
        def render(self, **parts: Any) -> Any:
            raise ValueError(parts["recipient"].name)

    fake_rendering.get_compiled = lambda version_id: BrokenTemplate()
    make_subscriber("a@shop.example")
    queue_all()
    send_due(now=NOON)
    assert (Delivery.objects.get().status, read_claimed()) == ("failed", [])
    fake_rendering.get_compiled = lambda version_id: FakeTemplate()
    queue_all(origin_id=2)
    send_due(now=NOON)
    assert (Delivery.objects.get(origin_id=2).status, read_claimed()) == ("sent", ["W-1"])
    assert Delivery.objects.get(origin_id=2).choices["coupons"] == {"welcome": "W-1"}


def pause_before_handover(fake_rendering: SimpleNamespace) -> None:
    """Pause the campaign while its messages are composed, so that they return to the queue with their codes."""
    choose = fake_rendering.choose

    def choose_and_pause(*args: Any, **options: Any) -> Any:
        chosen = choose(*args, **options)
        pause("campaign", 1)
        return chosen

    fake_rendering.choose = choose_and_pause
    send_due(now=NOON)
    fake_rendering.choose = choose
    delivery = Delivery.objects.order_by("id")[0]
    assert (delivery.status, delivery.choices["coupons"]) == ("pending", {"welcome": "W-1"})


@pytest.mark.parametrize("end", ["canceled", "skipped"])
def test_a_message_that_ends_before_a_server_got_it_gives_its_code_back(
    end: str, fake_rendering: SimpleNamespace, smtp_sink: SmtpSink
) -> None:
    customer = make_subscriber("a@shop.example")
    queue_all()
    pause_before_handover(fake_rendering)
    assert read_claimed() == ["W-1"], "it may still be sent"
    if end == "canceled":
        cancel("campaign", 1)
    else:
        Customer.objects.filter(pk=customer.pk).update(erased_at=NOON)
        resume("campaign", 1)
        send_due(now=NOON)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.choices.get("coupons"), read_claimed()) == (end, None, [])
    assert not smtp_sink.mails


def test_a_merge_gives_the_code_of_the_second_message_of_a_campaign_back(
    fake_rendering: SimpleNamespace, smtp_sink: SmtpSink
) -> None:
    kept, merged = make_subscriber("a@shop.example"), make_subscriber("b@shop.example")
    queue_all()
    pause_before_handover(fake_rendering)
    assert read_claimed() == ["W-1", "W-2"]
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    assert read_claimed() == ["W-1"]
    assert CouponCode.objects.get(code="W-1").customer_id == kept.pk


@pytest.mark.parametrize("outcome", ["temporary", "permanent", "uncertain"])
def test_a_message_that_a_server_got_keeps_its_code_even_if_it_is_canceled_later(
    outcome: str, fake_rendering: SimpleNamespace, smtp_sink: SmtpSink
) -> None:
    make_subscriber("a@shop.example")
    queue_all()
    pause_before_handover(fake_rendering)
    delivery = Delivery.objects.get()
    Delivery.objects.update(status="sending", attempts=1)
    write_results([SendResult(delivery.pk, 1, outcome)], now=NOON)
    send_again(delivery.pk, now=NOON)
    cancel("campaign", 1)
    assert (Delivery.objects.get().status, read_claimed()) == ("canceled", ["W-1"])


def test_a_message_whose_server_could_not_be_reached_gives_its_code_back_when_it_is_canceled(
    fake_rendering: SimpleNamespace, smtp_sink: SmtpSink
) -> None:
    make_subscriber("a@shop.example")
    queue_all()
    pause_before_handover(fake_rendering)
    Delivery.objects.update(status="sending", attempts=1)
    write_results([SendResult(Delivery.objects.get().pk, 1, "unreachable")], now=NOON)
    assert read_claimed() == ["W-1"]
    cancel("campaign", 1)
    assert (Delivery.objects.get().status, read_claimed()) == ("canceled", [])
