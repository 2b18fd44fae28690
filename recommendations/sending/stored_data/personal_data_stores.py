"""Messages that were sent to people, and the addresses of their browsers."""

from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.file_stores import TextFiles
from config.foundation.personal_data.key_stores import ValkeyKeys
from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import PersonalDataStore
from config.foundation.personal_data.table_stores import CustomerRows

STRIP_EVENTS = """
UPDATE sending_deliveryevent SET detail = '', url = split_part(url, '?', 1)
WHERE delivery_id = ANY(%s::bigint[]) AND (detail <> '' OR strpos(url, '?') > 0)
"""
DELIVERY_KEPT = _(
    "The fact that a message was sent, opened and clicked, under an anonymous number, because results count it."
)


class DeliveryEvents(PersonalDataStore):
    """Opens, clicks and bounces: a provider's message and the parameters of links may name the person."""

    key = "sending.events"
    label = _("opens, clicks and bounces")
    locations = (table("sending.DeliveryEvent"),)
    kept = DELIVERY_KEPT

    def list_deliveries(self, people: Sequence[Person]) -> list[int]:
        """Return the messages of people."""
        return sorted({delivery_id for person in people for delivery_id in person.delivery_ids})

    def erase(self, people: Sequence[Person]) -> int:
        with connection.cursor() as cursor:
            cursor.execute(STRIP_EVENTS, [self.list_deliveries(people)])
            return int(cursor.rowcount)

    def find(self, people: Sequence[Person]) -> list[Finding]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM sending_deliveryevent WHERE delivery_id = ANY(%s::bigint[])"
                " AND (detail <> '' OR strpos(url, '?') > 0)",
                [self.list_deliveries(people)],
            )
            count = int(cursor.fetchone()[0])
        return [self.make_finding(self.locations[0], count, "message")] if count else []


register_stores(
    DeliveryEvents(),
    CustomerRows(
        "sending.deliveries",
        _("messages"),
        "sending.Delivery",
        is_renumbered=True,
        blank={"event": {}, "error": "", "provider_id": ""},
        hidden=(
            "id",
            "customer_id",
            "claim",
            "claimed_at",
            "reserved",
            "priority",
            "attempts",
            "is_paused",
            "test_part",
            "provider_id",
        ),
        kept=DELIVERY_KEPT,
    ),
    CustomerRows(
        "sending.rendered", _("rendered messages"), "sending.OutboxMessage", hidden=("id", "customer_id", "delivery_id")
    ),
    CustomerRows(
        "sending.push_subscriptions",
        _("browsers that get push messages"),
        "sending.PushSubscription",
        hidden=("id", "customer_id", "auth_secret", "public_key", "endpoint_hash"),
    ),
    TextFiles("sending.journal", _("logs of running deliveries"), "var/sending/*"),
    ValkeyKeys("sending.tracked", _("opens and clicks to be stored"), "sending:*", is_repeated=True),
)
register_impersonal(
    table("sending.Suppression"),
    reason="Keyed hashes of addresses that must not get messages; they are kept, because they protect the person.",
)
register_impersonal(
    table("sending.ChannelAccount"),
    table("sending.OriginState"),
    table("sending.GlobalHoldoutResult"),
    table("sending.GlobalHoldoutChange"),
    table("sending.RateSlot"),
    table("sending.SendingHold"),
    table("sending.WarmUpDay"),
    table("sending.SendingSettings"),
    reason="Settings and limits of sending, and results of groups.",
)
