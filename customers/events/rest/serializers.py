"""JSON representation of events in the REST API."""

from rest_framework import serializers

from customers.events.models import Event


class EventSerializer(serializers.ModelSerializer):
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
