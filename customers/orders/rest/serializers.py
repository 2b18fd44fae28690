"""Serializers of orders."""

from collections.abc import Mapping
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.bulk_results import ItemStatus
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.identity.rest.masked_fields import MASKED_ID_HELP, find_user_id
from customers.orders.models import Order, OrderLine
from customers.orders.order_rules import (
    EMAIL_LENGTH,
    ID_LENGTHS,
    MAX_LINES,
    QUANTITY,
    TEXT_LENGTHS,
    UNIT_PRICE,
)
from customers.orders.order_rules import MONEY as MONEY_FORMAT

MAX_ORDERS = 1000
MONEY: dict[str, Any] = {
    "max_digits": MONEY_FORMAT.digits,
    "decimal_places": MONEY_FORMAT.places,
    "required": False,
    "allow_null": True,
}


class OrderLineSerializer(serializers.ModelSerializer):
    product_id: Any = serializers.SlugRelatedField("product_id", source="product", read_only=True)
    title = serializers.CharField(source="product.title", read_only=True)

    class Meta:
        model = OrderLine
        fields = ("line_number", "product_id", "title", "quantity", "unit_price", "discount", "total")


ORDER_FIELDS = (
    "source",
    "order_id",
    "user_id",
    "kind",
    "status",
    "placed_at",
    "currency",
    "subtotal",
    "discount",
    "shipping",
    "tax",
    "total",
    "refunded",
    "coupon",
    "channel",
)


class OrderSerializer(serializers.ModelSerializer):
    source: Any = serializers.SlugRelatedField("key", read_only=True)
    user_id = serializers.SerializerMethodField(
        help_text=format_lazy("{} {}", _("Null for guests and for customers known only by email."), MASKED_ID_HELP)
    )

    class Meta:
        model = Order
        fields: tuple[str, ...] = ORDER_FIELDS

    @extend_schema_field({"type": "string", "nullable": True})
    def get_user_id(self, order: Order) -> str | None:
        return find_user_id(order.customer, self.context)


class OrderDetailSerializer(OrderSerializer):
    lines = OrderLineSerializer(many=True, read_only=True)

    class Meta(OrderSerializer.Meta):
        fields = (*ORDER_FIELDS, "lines")


class OrderLineItemSerializer(serializers.Serializer):
    """An order line to write. Missing values among unit price, discount and total are computed from the others."""

    product_id = serializers.CharField(max_length=ID_LENGTHS["product_id"])
    title = serializers.CharField(
        max_length=TEXT_LENGTHS["product_title"],
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text=_("Used for new products."),
    )
    category = serializers.CharField(
        max_length=TEXT_LENGTHS["category"], required=False, allow_null=True, allow_blank=True
    )
    brand = serializers.CharField(max_length=TEXT_LENGTHS["brand"], required=False, allow_null=True, allow_blank=True)
    quantity = serializers.DecimalField(
        max_digits=QUANTITY.digits, decimal_places=QUANTITY.places, help_text=_("Negative for returned items.")
    )
    unit_price = serializers.DecimalField(
        max_digits=UNIT_PRICE.digits, decimal_places=UNIT_PRICE.places, required=False, allow_null=True
    )
    discount = serializers.DecimalField(**MONEY)
    total = serializers.DecimalField(**MONEY)


class OrderItemSerializer(serializers.Serializer):
    """A complete order to write: missing fields are empty, and its lines are all its lines.

    This serializer only documents the fields. The values are checked when they are written, so that an invalid order does
    not block the others.
    """

    order_id = serializers.CharField(max_length=ID_LENGTHS["order_id"])
    user_id = serializers.CharField(
        max_length=ID_LENGTHS["customer_id"],
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text=_("Omit for a guest."),
    )
    email = serializers.CharField(max_length=EMAIL_LENGTH, required=False, allow_null=True, allow_blank=True)
    placed_at = serializers.DateTimeField(help_text=_("UTC if there is no offset."))
    currency = serializers.CharField(
        max_length=3, required=False, allow_null=True, help_text=_("ISO 4217 code; defaults to the shop's currency.")
    )
    status = serializers.ChoiceField(choices=Order.Status.choices, required=False, allow_null=True)
    discount = serializers.DecimalField(**MONEY)
    shipping = serializers.DecimalField(**MONEY)
    tax = serializers.DecimalField(**MONEY)
    total = serializers.DecimalField(
        **MONEY, help_text=_("Defaults to the sum of the lines − discount + shipping + tax.")
    )
    refunded = serializers.DecimalField(**MONEY, min_value=0)
    coupon = serializers.CharField(max_length=TEXT_LENGTHS["coupon"], required=False, allow_null=True, allow_blank=True)
    channel = serializers.CharField(
        max_length=TEXT_LENGTHS["channel"], required=False, allow_null=True, allow_blank=True
    )
    country = serializers.CharField(
        max_length=TEXT_LENGTHS["country"], required=False, allow_null=True, allow_blank=True
    )
    lines = OrderLineItemSerializer(many=True, max_length=MAX_LINES)  # type: ignore[call-arg]

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(_("Each order must be a JSON object."))
        return data


class OrdersWriteSerializer(StrictTypesMixin, serializers.Serializer):
    source: Any = serializers.SlugField(
        max_length=100, default="api", help_text=_("Shop system of the orders. Order IDs are unique within it.")
    )
    orders = OrderItemSerializer(many=True, max_length=MAX_ORDERS)  # type: ignore[call-arg]


class OrderErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class OrderResultSerializer(serializers.Serializer):
    index = serializers.IntegerField()
    order_id = serializers.CharField()
    status = serializers.ChoiceField(choices=[(status.value, status.value) for status in ItemStatus])
    errors = OrderErrorSerializer(many=True)  # type: ignore[assignment]


class OrdersWrittenSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = OrderResultSerializer(many=True)
