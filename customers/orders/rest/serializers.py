"""Orders as JSON."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.bulk_results import Status
from config.foundation.rest.strict_types import StrictTypes
from customers.identity.models import Identifier
from customers.orders.models import Order, OrderLine
from customers.orders.upsert import MOST_LINES

MOST_ITEMS = 1000
MONEY: dict[str, Any] = {"max_digits": 14, "decimal_places": 2, "required": False, "allow_null": True}


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
    user_id = serializers.SerializerMethodField(help_text=_("Null for a guest, or who is only known by e-mail."))

    class Meta:
        model = Order
        fields: tuple[str, ...] = ORDER_FIELDS

    @extend_schema_field({"type": "string", "nullable": True})
    def get_user_id(self, order: Order) -> str | None:
        if order.customer is None:
            return None
        # read from what was prefetched: a filter would be one query an order
        ids = [one.value for one in order.customer.identifiers.all() if one.kind == Identifier.Kind.USER_ID]
        return min(ids, default=None)


class OrderDetailSerializer(OrderSerializer):
    lines = OrderLineSerializer(many=True, read_only=True)

    class Meta(OrderSerializer.Meta):
        fields = (*ORDER_FIELDS, "lines")


class OrderLineItemSerializer(serializers.Serializer):
    """One line to write. Of unit price, discount and total, what is left out follows from the rest."""

    product_id = serializers.CharField(max_length=200)
    title = serializers.CharField(
        max_length=500, required=False, allow_null=True, allow_blank=True, help_text=_("For products that are new.")
    )
    category = serializers.CharField(max_length=1000, required=False, allow_null=True, allow_blank=True)
    brand = serializers.CharField(max_length=200, required=False, allow_null=True, allow_blank=True)
    quantity = serializers.DecimalField(max_digits=12, decimal_places=3, help_text=_("Negative for what came back."))
    unit_price = serializers.DecimalField(max_digits=14, decimal_places=4, required=False, allow_null=True)
    discount = serializers.DecimalField(**MONEY)
    total = serializers.DecimalField(**MONEY)


class OrderItemSerializer(serializers.Serializer):
    """One order to write, whole: what is left out is empty, and its lines are all its lines.

    It only describes: the values are checked where they are written, so that a wrong order keeps no other one out.
    """

    order_id = serializers.CharField(max_length=100)
    user_id = serializers.CharField(
        max_length=255, required=False, allow_null=True, allow_blank=True, help_text=_("Left out for a guest.")
    )
    email = serializers.CharField(max_length=254, required=False, allow_null=True, allow_blank=True)
    placed_at = serializers.DateTimeField(help_text=_("Without an offset it is UTC."))
    currency = serializers.CharField(
        max_length=3, required=False, allow_null=True, help_text=_("ISO 4217; the shop's own when left out.")
    )
    status = serializers.ChoiceField(choices=Order.Status.choices, required=False, allow_null=True)
    discount = serializers.DecimalField(**MONEY)
    shipping = serializers.DecimalField(**MONEY)
    tax = serializers.DecimalField(**MONEY)
    total = serializers.DecimalField(**MONEY, help_text=_("Left out: lines less discount, with shipping and tax."))
    refunded = serializers.DecimalField(**MONEY)
    coupon = serializers.CharField(max_length=100, required=False, allow_null=True, allow_blank=True)
    channel = serializers.CharField(max_length=100, required=False, allow_null=True, allow_blank=True)
    country = serializers.CharField(max_length=100, required=False, allow_null=True, allow_blank=True)
    lines = OrderLineItemSerializer(many=True, max_length=MOST_LINES)  # type: ignore[call-arg]

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(_("Give a JSON object for each order."))
        return data


class OrdersWriteSerializer(StrictTypes, serializers.Serializer):
    source: Any = serializers.SlugField(
        max_length=100, default="api", help_text=_("Which shop system the orders are of; ids are unique within it.")
    )
    orders = OrderItemSerializer(many=True, max_length=MOST_ITEMS)  # type: ignore[call-arg]


class OrderErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class OrderResultSerializer(serializers.Serializer):
    index = serializers.IntegerField()
    order_id = serializers.CharField()
    status = serializers.ChoiceField(choices=[(status.value, status.value) for status in Status])
    errors = OrderErrorSerializer(many=True)  # type: ignore[assignment]


class OrdersWrittenSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = OrderResultSerializer(many=True)
