"""Serializers of deliveries, the suppression list and push subscriptions."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.identity.personal_data.masking import mask_hash
from customers.identity.rest.masked_fields import MaskedIdField, MaskedTextField, may_context_see_personal
from recommendations.sending.models import Delivery, DeliveryEvent, SkipReason, Suppression

MAX_ADDRESSES = 1000
MAX_ADDRESS = 254
MAX_ENDPOINT = 1000
MAX_ID = 255


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One message to one customer, or why the customer did not get it."""

    user_id = MaskedIdField(allow_null=True)
    template = serializers.CharField(allow_null=True, help_text=_("The key of the message template."))
    skip_reason = serializers.ChoiceField(choices=SkipReason.choices, allow_blank=True, read_only=True)
    error = MaskedTextField(
        help_text=_("The response of the mail server or provider; addresses are masked like user_id.")
    )

    class Meta:
        model = Delivery
        fields = [
            *("id", "user_id", "origin_kind", "origin_id", "template", "channel", "language", "is_transactional"),
            *(
                "status",
                "skip_reason",
                "error",
                "attempts",
                "queued_at",
                "due_at",
                "expires_at",
                "is_paused",
                "sent_at",
            ),
            *("delivered_at", "opened_at", "machine_opened_at", "clicked_at", "bounced_at", "complained_at"),
            "unsubscribed_at",
        ]
        read_only_fields = fields


class DeliveryEventSerializer(serializers.ModelSerializer[DeliveryEvent]):
    """Something that happened to a message after it was sent."""

    detail = MaskedTextField()

    class Meta:
        model = DeliveryEvent
        fields = ["kind", "at", "is_machine", "url", "detail"]
        read_only_fields = fields


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with what happened to it, oldest first, at most 1,000."""

    events = DeliveryEventSerializer(many=True, read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "events"]
        read_only_fields = fields


class SuppressionSerializer(serializers.ModelSerializer[Suppression]):
    """An address that gets no messages. Only its keyed hash is stored."""

    hash = serializers.SerializerMethodField(help_text=_("••• if the key lacks the scope customers:personal."))

    class Meta:
        model = Suppression
        fields = ["id", "kind", "hash", "reason", "source", "added_at"]
        read_only_fields = fields

    def get_hash(self, suppression: Suppression) -> str:
        return str(mask_hash(suppression.value_hash, with_personal=may_context_see_personal(self.context)))


class AddressesSerializer(StrictTypesMixin, KnownFieldsMixin, serializers.Serializer[Any]):
    """Addresses to add to, or remove from, the suppression list."""

    addresses = serializers.ListField(
        child=serializers.CharField(max_length=MAX_ADDRESS),
        min_length=1,
        max_length=MAX_ADDRESSES,
        help_text=_("Email addresses, phone numbers, or hashes of an exported list."),
    )


class SuppressionsWriteSerializer(AddressesSerializer):
    reason = serializers.ChoiceField(
        choices=[(reason.value, reason.label) for reason in (Suppression.Reason.MANUAL, Suppression.Reason.IMPORT)],
        default=Suppression.Reason.MANUAL.value,
        help_text=_("An import can be undone in the back office."),
    )
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=150,
        default="",
        allow_blank=True,
        help_text=_("Where the addresses come from; by default, the API key."),
    )


class AddressErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class AddressResultSerializer(serializers.Serializer[Any]):
    """What happened to one address, which the response does not repeat. errors: why it was rejected."""

    index = serializers.IntegerField()
    status = serializers.ChoiceField(choices=["added", "removed", "unchanged", "rejected"])
    errors = AddressErrorSerializer(many=True)  # type: ignore[assignment]


class AddressResultsSerializer(serializers.Serializer[Any]):
    """rejected: the text is neither an address nor a number."""

    changed = serializers.IntegerField(help_text=_("How many addresses were added or removed."))
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = AddressResultSerializer(many=True)


class PushKeysSerializer(StrictTypesMixin, serializers.Serializer[Any]):
    p256dh = serializers.CharField(max_length=120, help_text=_("The public key of the browser, in URL-safe base64."))
    auth = serializers.CharField(max_length=60, help_text=_("The secret of the browser, in URL-safe base64."))


class PushSubscriptionSerializer(StrictTypesMixin, KnownFieldsMixin, serializers.Serializer[Any]):
    """A subscription as `PushSubscription.toJSON()` of the browser returns it, and the customer it belongs to."""

    user_id = serializers.CharField(max_length=MAX_ID)
    endpoint = serializers.URLField(max_length=MAX_ENDPOINT, help_text=_("An https URL of the browser's push service."))
    keys = PushKeysSerializer()
    expirationTime = serializers.FloatField(  # noqa: N815 — the name is that of the browser
        required=False, allow_null=True, help_text=_("The value that the browser sends; it is not used.")
    )


class PushEndpointSerializer(StrictTypesMixin, KnownFieldsMixin, serializers.Serializer[Any]):
    endpoint = serializers.CharField(max_length=MAX_ENDPOINT)


class PushPublicKeySerializer(serializers.Serializer[Any]):
    public_key = serializers.CharField(
        allow_null=True,
        help_text=_("For `applicationServerKey` of the browser; null if the shop sends no push messages."),
    )
