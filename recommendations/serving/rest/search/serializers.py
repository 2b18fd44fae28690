"""Serializers of the search request and response, for the OpenAPI schema."""

from rest_framework import serializers

from recommendations.serving.rest.search.request import (
    DEFAULT_PAGE_SIZE,
    MAX_CURSOR_LENGTH,
    MAX_ID_LENGTH,
    MAX_LIST_LENGTH,
    MAX_PAGE_SIZE,
    MAX_PATH_LENGTH,
    MAX_QUERY_LENGTH,
    SearchSort,
)
from recommendations.serving.rest.serializers import RecommendedItemSerializer


class SearchQuerySerializer(serializers.Serializer):
    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_QUERY_LENGTH,
        help_text="The query; the last word may be unfinished. Empty: all products.",
    )
    user_id = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_ID_LENGTH, help_text="The shop's id of the customer."
    )
    anonymous_id = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_ID_LENGTH, help_text="The visitor's id in the browser."
    )
    category = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_PATH_LENGTH,
        help_text="A category path; includes its subcategories.",
    )
    brand = serializers.CharField(required=False, allow_blank=True, max_length=MAX_ID_LENGTH)
    price_min = serializers.DecimalField(required=False, max_digits=14, decimal_places=2, min_value=0)
    price_max = serializers.DecimalField(required=False, max_digits=14, decimal_places=2, min_value=0)
    in_stock = serializers.BooleanField(required=False, default=True)
    product_ids = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_LIST_LENGTH,
        help_text="Only these product ids, separated by commas; at most 1000.",
    )
    n = serializers.IntegerField(required=False, default=DEFAULT_PAGE_SIZE, min_value=1, max_value=MAX_PAGE_SIZE)
    cursor = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_CURSOR_LENGTH,
        help_text="next_cursor of the previous response.",
    )
    personalised = serializers.BooleanField(
        required=False, default=True, help_text="false: the same order for all customers."
    )
    sort = serializers.ChoiceField(
        required=False, default=SearchSort.RELEVANCE, choices=[order.value for order in SearchSort]
    )
    facets = serializers.BooleanField(required=False, default=True)
    explain = serializers.BooleanField(required=False, default=True)
    strict = serializers.BooleanField(required=False, default=False, help_text="true: no fallback to popular products.")


class FacetValueSerializer(serializers.Serializer):
    value = serializers.CharField()
    count = serializers.IntegerField()


class PriceRangeSerializer(serializers.Serializer):
    to = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    count = serializers.IntegerField()

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `from`, which is a reserved word in Python."""
        low = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
        return {"from": low, **super().get_fields()}


class FacetsSerializer(serializers.Serializer):
    category = FacetValueSerializer(many=True, help_text="Paths of the subcategories of the selected category.")
    brand = FacetValueSerializer(many=True)
    price = PriceRangeSerializer(many=True, help_text="Ranges include both ends; null: open end.")
    attributes = serializers.DictField(child=FacetValueSerializer(many=True))


class SuggestionSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=["query", "category", "product"])
    text = serializers.CharField(help_text="The text to show.")
    value = serializers.CharField(help_text="The value to send as q, category or product_ids.")


class SearchResponseSerializer(serializers.Serializer):
    recommendation_id = serializers.CharField(help_text="Send it with the events that these items lead to.")
    scenario = serializers.CharField()
    query = serializers.CharField()
    corrected = serializers.CharField(
        allow_null=True, help_text="The query with corrected words; null if nothing was corrected."
    )
    fallback = serializers.CharField(allow_null=True, help_text="popular if nothing matched, otherwise null.")
    total = serializers.IntegerField(help_text="Number of matching products.")
    items = RecommendedItemSerializer(many=True)
    facets = FacetsSerializer(allow_null=True)
    suggestions = SuggestionSerializer(many=True)
    model_version = serializers.CharField(allow_blank=True)
    took_ms = serializers.FloatField()
    next_cursor = serializers.CharField(allow_null=True)
