"""JSON representation of events in the REST API."""

from typing import Any

from rest_framework import serializers

from customers.events.models import Event
from customers.identity.personal_data.masking import mask_json
from customers.identity.rest.masked_fields import MaskedIdField, MaskedTextField, may_context_see_personal


class EventSerializer(serializers.ModelSerializer):
    """An event. Personal values in `properties` and `context` are `•••` if the key lacks the scope `customers:personal`."""

    name = MaskedTextField()
    user_id = MaskedIdField()
    anonymous_id = MaskedIdField()
    source: serializers.SlugRelatedField = serializers.SlugRelatedField(slug_field="key", read_only=True)  # type: ignore[assignment]

    class Meta:
        model = Event
        fields = [
            "id",
            "source",
            "message_id",
            "type",
            "name",
            "user_id",
            "anonymous_id",
            "occurred_at",
            "received_at",
            "session_id",
            "product_ids",
            "value",
            "currency",
            "properties",
            "context",
            "recommendation_id",
        ]

    def to_representation(self, event: Event) -> dict[str, Any]:
        representation = super().to_representation(event)
        if not may_context_see_personal(self.context):
            has_traits = event.type in (Event.Type.IDENTIFY, Event.Type.GROUP)
            representation["properties"] = mask_json(event.properties, among_traits=has_traits)
            representation["context"] = mask_json(event.context)
        return representation
