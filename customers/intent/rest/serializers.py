"""Serializers of behavior prediction."""

from rest_framework import serializers

from customers.intent.predicting import DENIED, NO_MODEL, NO_SESSION, SessionIntent

SOURCES = [("model", "model"), ("rate", "rate")]
REASONS = [(code, code) for code in (NO_MODEL, NO_SESSION, DENIED)]


class LikelihoodSerializer(serializers.Serializer):
    probability = serializers.FloatField(min_value=0, max_value=1)
    based_on = serializers.ChoiceField(
        choices=SOURCES,
        help_text="`model`: predicted for this session. `rate`: the share of all sessions, because there is too little data for a model "
        "or a model would not be more accurate.",
    )


class SessionCategorySerializer(serializers.Serializer):
    category = serializers.CharField(help_text="Category path.")
    probability = serializers.FloatField(min_value=0, max_value=1)


class SessionSerializer(serializers.Serializer):
    started_at = serializers.DateTimeField()
    last_event_at = serializers.DateTimeField()
    events = serializers.IntegerField(help_text="Number of events so far; at most the latest 300 are read.")
    has_ordered = serializers.BooleanField(help_text="The visitor has ordered in this session.")


class IntentSerializer(serializers.Serializer):
    """The current session and its predictions; without predictions, they are null and `reason` shows why."""

    as_of = serializers.DateTimeField()
    reason = serializers.ChoiceField(
        choices=REASONS,
        allow_blank=True,
        help_text="Why there are no predictions. `no_session`: no event in the last 30 minutes. `consent_denied`: the visitor has denied "
        "analytics or personalization. `no_model`: the predictions have not been trained yet.",
    )
    session = SessionSerializer(allow_null=True)
    order = LikelihoodSerializer(
        allow_null=True, help_text="Whether the visitor orders in this session; the probability is 1 after an order."
    )
    leave = LikelihoodSerializer(
        allow_null=True,
        help_text="Whether there is no further event in this session, which ends after 30 minutes without an event.",
    )
    next_categories = SessionCategorySerializer(
        many=True, help_text="The most probable categories of the next event, at most three."
    )


def format_intent(intent: SessionIntent) -> dict[str, object]:
    """Return the values that the serializer of a prediction takes."""
    session = order = leave = None
    if intent.order is not None and intent.leave is not None:
        session = {name: getattr(intent, name) for name in ("started_at", "last_event_at", "events", "has_ordered")}
        order = {"probability": round(intent.order, 4), "based_on": intent.order_source}
        leave = {"probability": round(intent.leave, 4), "based_on": intent.leave_source}
    return {
        "reason": intent.reason,
        "session": session,
        "order": order,
        "leave": leave,
        "next_categories": [
            {"category": category, "probability": round(probability, 4)}
            for category, probability in intent.next_categories
        ],
    }
