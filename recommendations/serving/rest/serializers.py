"""The shape of a response, for the OpenAPI document; `rest.response` encodes it."""

from rest_framework import serializers


class ReasonSerializer(serializers.Serializer):
    code = serializers.CharField()
    text = serializers.CharField(help_text="In the language requested by Accept-Language.")
    product_ids = serializers.ListField(child=serializers.CharField())


class ProductCardSerializer(serializers.Serializer):
    title = serializers.CharField()
    price = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    currency = serializers.CharField()
    image_url = serializers.CharField()
    url = serializers.CharField()
    brand = serializers.CharField()
    category = serializers.CharField()


class RecommendedItemSerializer(serializers.Serializer):
    product_id = serializers.CharField()
    rank = serializers.IntegerField()
    score = serializers.FloatField()
    reason = ReasonSerializer(allow_null=True)
    product = ProductCardSerializer(source="card")
    boost = serializers.FloatField(
        required=False, help_text="The factor on its score by the boosts of the request; only if it has boosts."
    )


class RecommendedCategorySerializer(serializers.Serializer):
    category = serializers.CharField(help_text="A category path of at most two levels.")
    rank = serializers.IntegerField()
    score = serializers.FloatField()
    reason = ReasonSerializer(allow_null=True)
    product_ids = serializers.ListField(child=serializers.CharField(), help_text="Its best products, at most three.")


class EmptyReasonSerializer(serializers.Serializer):
    code = serializers.CharField(
        help_text="filters, rules, no_products, no_categories, end_of_list, nothing_known, none_left, off, no_model or late."
    )
    text = serializers.CharField(help_text="In the language requested by Accept-Language.")
    filters = serializers.ListField(child=serializers.CharField())


class RecommendationSerializer(serializers.Serializer):
    recommendation_id = serializers.CharField(help_text="Send it with the events that follow from these items.")
    scenario = serializers.CharField(help_text="The requested placement.")
    strategy = serializers.CharField(
        help_text="How the items were selected: the model's algorithm, cold-start for a visitor without a history, or a placement."
    )
    fallback = serializers.CharField(
        allow_null=True,
        help_text="The placement shown instead of the requested one; catalogue if no placement had any product.",
    )
    fallback_reason = serializers.CharField(
        allow_null=True,
        help_text="nothing_known, none_left (no product qualifies), off (turned off, or no better than its fallback), no_model, "
        "late (past the deadline), or filters (no product matches the filters, so they were dropped).",
    )
    empty_reason = EmptyReasonSerializer(
        allow_null=True,
        help_text="Why there are no items; null if there are some. Its filters are those that no product matches.",
    )
    model_version = serializers.CharField(help_text="Empty if no model is active.")
    stale = serializers.BooleanField(
        help_text="True while the database is unreachable: the response comes from memory."
    )
    took_ms = serializers.FloatField()
    items = RecommendedItemSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    identity = serializers.CharField(
        required=False,
        help_text="unverified: the user_id was ignored, because the key is publishable and no valid user token came with it.",
    )


class PlacementResponseSerializer(RecommendationSerializer):
    categories = RecommendedCategorySerializer(
        many=True, required=False, help_text="Only for the placement categories."
    )


class ExcludedProductSerializer(serializers.Serializer):
    product_id = serializers.CharField()
    why = serializers.CharField(
        help_text="dismissed, out_of_stock, not_shown or filter (it does not match the filter)."
    )


class RankedItemSerializer(RecommendedItemSerializer):
    product = ProductCardSerializer(source="card", allow_null=True, help_text="Null for an unknown product.")


class RankingSerializer(RecommendationSerializer):
    items = RankedItemSerializer(many=True)
    left_out = ExcludedProductSerializer(many=True)
