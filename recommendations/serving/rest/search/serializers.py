"""The shape of a search and of its answer, for the documentation; `parsing` and `answering` do the work."""

from rest_framework import serializers

from recommendations.serving.rest.search.request import (
    LONGEST_CURSOR,
    LONGEST_ID,
    LONGEST_LIST,
    LONGEST_PATH,
    LONGEST_QUERY,
    MOST_PER_PAGE,
    PER_PAGE,
    Sort,
)
from recommendations.serving.rest.serializers import RecommendedItemSerializer


class SearchQuerySerializer(serializers.Serializer):
    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LONGEST_QUERY,
        help_text="What was typed; the last word may be unfinished. Empty: everything.",
    )
    user_id = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_ID, help_text="The shop's id of the customer."
    )
    anonymous_id = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_ID, help_text="The visitor's id in the browser."
    )
    category = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LONGEST_PATH,
        help_text="A category path; includes what lies below.",
    )
    brand = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_ID)
    price_min = serializers.DecimalField(required=False, max_digits=14, decimal_places=2, min_value=0)
    price_max = serializers.DecimalField(required=False, max_digits=14, decimal_places=2, min_value=0)
    in_stock = serializers.BooleanField(required=False, default=True)
    product_ids = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LONGEST_LIST,
        help_text="Only these, joined by commas; at most 1000.",
    )
    n = serializers.IntegerField(required=False, default=PER_PAGE, min_value=1, max_value=MOST_PER_PAGE)
    cursor = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_CURSOR, help_text="next_cursor of the answer before."
    )
    personalised = serializers.BooleanField(
        required=False, default=True, help_text="False: the order is the same for everybody."
    )
    sort = serializers.ChoiceField(required=False, default=Sort.RELEVANCE, choices=[order.value for order in Sort])
    facets = serializers.BooleanField(required=False, default=True)
    explain = serializers.BooleanField(required=False, default=True)
    strict = serializers.BooleanField(
        required=False, default=False, help_text="True: rather nothing than what is popular."
    )


class FacetValueSerializer(serializers.Serializer):
    value = serializers.CharField()
    count = serializers.IntegerField()


class PriceRangeSerializer(serializers.Serializer):
    to = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    count = serializers.IntegerField()

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of Python's."""
        low = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
        return {"from": low, **super().get_fields()}


class FacetsSerializer(serializers.Serializer):
    category = FacetValueSerializer(many=True, help_text="Categories below the chosen one, by their paths.")
    brand = FacetValueSerializer(many=True)
    price = PriceRangeSerializer(many=True, help_text="Both ends belong to a range; null: without end.")
    attributes = serializers.DictField(child=FacetValueSerializer(many=True))


class SuggestionSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=["query", "category", "product"])
    text = serializers.CharField(help_text="To show.")
    value = serializers.CharField(help_text="To send as q, category or product_ids.")


class SearchAnswerSerializer(serializers.Serializer):
    recommendation_id = serializers.CharField(help_text="Send it along with events that follow from these items.")
    scenario = serializers.CharField()
    query = serializers.CharField()
    corrected = serializers.CharField(
        allow_null=True, help_text="The query with what was looked for in place of words unheard of."
    )
    fallback = serializers.CharField(allow_null=True, help_text="popular, where nothing was found.")
    total = serializers.IntegerField(help_text="How many products were found.")
    items = RecommendedItemSerializer(many=True)
    facets = FacetsSerializer(allow_null=True)
    suggestions = SuggestionSerializer(many=True)
    model_version = serializers.CharField(allow_blank=True)
    took_ms = serializers.FloatField()
    next_cursor = serializers.CharField(allow_null=True)
