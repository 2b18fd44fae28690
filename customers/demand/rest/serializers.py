"""Serializers of demand."""

from rest_framework import serializers

from customers.demand.models import DemandForecast, RestockItem


class RestockItemSerializer(serializers.ModelSerializer):
    product_id = serializers.CharField(source="product.product_id")
    title = serializers.CharField(source="product.title")
    currency = serializers.CharField(source="product.currency")

    class Meta:
        model = RestockItem
        fields = (
            "product_id",
            "title",
            "stock",
            "incoming",
            "lead_days",
            "return_rate",
            "lead_demand",
            "safety_stock",
            "reorder_point",
            "days_left",
            "order_quantity",
            "order_value",
            "lost_units",
            "money_at_risk",
            "currency",
            "computed_at",
        )


class ProductDemandSerializer(serializers.ModelSerializer):
    product_id = serializers.CharField(source="product.product_id")

    class Meta:
        model = DemandForecast
        fields = ("product_id", "start", "mean", "low", "high", "model", "demand_class", "error", "computed_at")
