"""JSON representation of a customer's level, points, statement and reservations."""

from typing import Any

from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from customers.loyalty.models import LoyaltyLevel, LoyaltyMember, PointEntry, PointReservation

MAX_POINTS = 1_000_000_000


class LevelSerializer(serializers.ModelSerializer):
    name = serializers.CharField(source="label", help_text="In the language requested by Accept-Language.")
    benefits = serializers.CharField(source="benefits_text")

    class Meta:
        model = LoyaltyLevel
        fields = ("key", "name", "benefits")


class NextLevelSerializer(serializers.Serializer):
    key = serializers.CharField()
    name = serializers.CharField()
    spend_missing = serializers.DecimalField(max_digits=16, decimal_places=2, allow_null=True)
    orders_missing = serializers.IntegerField(allow_null=True)


class LoyaltyMemberSerializer(serializers.Serializer):
    """A customer's level and points. A customer who never ordered or signed in has no level and 0 points."""

    level = LevelSerializer(allow_null=True)
    level_since = serializers.DateTimeField(allow_null=True)
    level_until = serializers.DateField(allow_null=True, help_text="Last day of the level's validity.")
    next_level = NextLevelSerializer(allow_null=True)
    spend = serializers.DecimalField(
        max_digits=16, decimal_places=2, help_text="In the period that counts towards a level."
    )
    orders = serializers.IntegerField()
    currency = serializers.CharField()
    balance = serializers.IntegerField(help_text="The sum of the ledger. A return can make it negative.")
    reserved = serializers.IntegerField()
    available = serializers.IntegerField(help_text="What can be spent now: balance − reserved, at least 0.")
    next_expiry_on = serializers.DateField(allow_null=True, help_text="Last day on which the next points are valid.")
    next_expiry_points = serializers.IntegerField()
    signed_in_on = serializers.DateField(allow_null=True)
    streak = serializers.IntegerField(help_text="Days in a row, up to the last sign-in.")


def format_member(member: LoyaltyMember, currency: str) -> dict[str, Any]:
    """Return the values that the serializer of a member takes."""
    following = member.next_level
    return {
        "level": member.level,
        "level_since": member.level_since,
        "level_until": member.level_until,
        "next_level": following
        and {
            "key": following.key,
            "name": following.label,
            "spend_missing": member.spend_to_next,
            "orders_missing": member.orders_to_next,
        },
        "spend": member.spend,
        "orders": member.order_count,
        "currency": currency,
        "balance": member.balance,
        "reserved": member.reserved,
        "available": max(member.available, 0),
        "next_expiry_on": member.next_expiry_on,
        "next_expiry_points": member.next_expiry_points,
        "signed_in_on": member.signed_in_on,
        "streak": member.streak,
    }


class PointEntrySerializer(serializers.ModelSerializer):
    label = serializers.CharField(help_text="The type in words.")  # type: ignore[assignment] # a field of that name

    class Meta:
        model = PointEntry
        fields = ("id", "at", "kind", "label", "points", "expires_on", "reference", "note")
        read_only_fields = fields


class SignInSerializer(serializers.Serializer):
    day = serializers.DateField(help_text="In the shop's time zone.")
    is_new = serializers.BooleanField(help_text="False if the customer had signed in on this day already.")
    streak = serializers.IntegerField()
    points = serializers.IntegerField()
    bonus = serializers.IntegerField()
    balance = serializers.IntegerField()


class ReserveSerializer(StrictTypesMixin):
    points = serializers.IntegerField(min_value=1, max_value=MAX_POINTS)
    reference = serializers.CharField(
        max_length=200, required=False, default="", allow_blank=True, help_text="Such as the ID of the order or cart."
    )


class ReservationSerializer(serializers.ModelSerializer):
    class Meta:
        model = PointReservation
        fields = ("id", "points", "reference", "status", "created_at", "expires_at", "closed_at")
        read_only_fields = fields
