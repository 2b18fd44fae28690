"""The shape of a search response, for the OpenAPI document.

`rest.search.response` encodes it.
"""

from rest_framework import serializers

from recommendations.serving.rest.serializers import EmptyReasonSerializer, RecommendedItemSerializer


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


class QueryFiltersSerializer(serializers.Serializer):
    price_min = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    price_max = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)


class TypedQuerySerializer(serializers.Serializer):
    q = serializers.CharField()
    autocorrect = serializers.BooleanField()


class SearchItemSerializer(RecommendedItemSerializer):
    highlight = serializers.ListField(
        required=False,
        child=serializers.ListField(),
        help_text='With highlight=true: the title in pieces, each with whether it matches: [["Red ", false], ["kettle", true]].',
    )


class SearchResponseSerializer(serializers.Serializer):
    recommendation_id = serializers.CharField(help_text="Send it with the events that follow from these items.")
    scenario = serializers.CharField()
    query = serializers.CharField()
    corrected = serializers.CharField(
        allow_null=True, help_text="The query with corrected words; null if nothing was corrected."
    )
    search_instead = TypedQuerySerializer(
        allow_null=True, help_text="The parameters that search exactly the typed words; null if nothing was corrected."
    )
    query_filters = QueryFiltersSerializer(
        allow_null=True, help_text="The prices that the query names, such as under 20 dollars, used as filters."
    )
    fallback = serializers.CharField(
        allow_null=True,
        help_text="If nothing matched: popular, or catalogue if none of the products was sold. Otherwise null.",
    )
    empty_reason = EmptyReasonSerializer(
        allow_null=True,
        help_text="Why there are no items: filters, nothing_found or end_of_list; null if there are some.",
    )
    total = serializers.IntegerField(help_text="Number of matching products; with distinct=true, of groups.")
    items = SearchItemSerializer(many=True)
    facets = FacetsSerializer(allow_null=True)
    suggestions = SuggestionSerializer(many=True)
    model_version = serializers.CharField(allow_blank=True)
    took_ms = serializers.FloatField()
    next_cursor = serializers.CharField(allow_null=True)
    identity = serializers.CharField(
        required=False,
        help_text="unverified: the user_id was ignored, because the key is publishable and no valid user token came with it.",
    )
